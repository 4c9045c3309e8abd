"""Which tables hold tenants' rows.

The one registry of the process is filled by the declarations (``declare.py``) and read
by everything else. A table is known by schema and name, not by object identity: a
reflected ``Table`` or a bare ``table("invoice")`` is the same table.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Any, Final, TypeAlias
from weakref import ReferenceType, ref

from sqlalchemy import MetaData, Table, util
from sqlalchemy.sql.expression import TableClause

from ..errors import ConfigurationError, UnguardedStatementError
from .derivation import foreign_keys, is_finished, names_parent, settle, ties_of
from .model import (
    ColumnOwnership,
    Ownership,
    ParentOwnership,
    Reference,
    TableKey,
    carries_tenant,
    column_ownership,
    table_key,
    table_label,
)

__all__ = ["Registry", "registry"]


@dataclass(frozen=True, slots=True)
class _Shared:
    """The table is on purpose the same for all tenants."""

    table: Table


@dataclass(frozen=True, slots=True)
class _Through:
    """Marked as belonging to a tenant through the named parent."""

    table: Table
    parent: str


_Declaration: TypeAlias = ColumnOwnership | _Through | _Shared


def _folded(key: TableKey, default_schemas: frozenset[str]) -> TableKey:
    """Return ``key`` in the form in which a database would call two names the same.

    Case is folded on every database, also where quoted names are case-sensitive:
    taking two tables for one ends in a refusal, taking one for two in a leak.
    """
    schema, name = key
    schema = None if schema is None else schema.casefold()
    return (None if schema in default_schemas else schema, name.casefold())


def _tables_in(metadata: MetaData) -> list[Table]:
    """Return the tables of ``metadata``, to which other threads may be adding."""
    return [each for each in list(metadata.tables.values()) if is_finished(each)]


@dataclass(frozen=True, eq=False)
class _State:
    """What was declared up to one moment, and what follows from it.

    A declaration does not change it, but puts another one in its place. What a thread is
    deriving meanwhile stays with the state from which it is derived, and is never taken
    for what follows from the later one; so nobody has to wait for anybody.
    """

    declared: Mapping[TableKey, _Declaration]
    metadatas: tuple[ReferenceType[MetaData], ...]
    unchecked: frozenset[TableKey]
    required: tuple[MetaData, ...]
    _by_folded: dict[frozenset[str], dict[TableKey, TableKey]] = field(
        default_factory=dict, init=False
    )
    _references: dict[TableKey, tuple[Reference, ...]] = field(default_factory=dict, init=False)

    def knows(self, metadata: MetaData) -> bool:
        return any(each() is metadata for each in self.metadatas)

    def metadatas_with(self, metadata: MetaData) -> tuple[ReferenceType[MetaData], ...]:
        if self.knows(metadata):
            return self.metadatas
        return (*(each for each in self.metadatas if each() is not None), ref(metadata))

    # Not functools.cached_property, which holds a lock meanwhile in Python 3.11.
    @util.ro_memoized_property
    def tables(self) -> dict[TableKey, Table]:
        """The declared tables, and the others of every ``MetaData`` that has one."""
        tables = {key: each.table for key, each in self.declared.items()}
        for each in self.metadatas:
            metadata = each()
            for table in () if metadata is None else _tables_in(metadata):
                tables.setdefault(table_key(table), table)
        return tables

    @util.ro_memoized_property
    def rules(self) -> dict[TableKey, Ownership]:
        own: dict[TableKey, Ownership] = {}
        others: list[tuple[Table, str | None]] = []
        for key, table in self.tables.items():
            match self.declared.get(key):
                case ColumnOwnership() as rule:
                    own[key] = rule
                case _Through(table, parent):
                    others.append((table, parent))
                case None:
                    others.append((table, None))
                case _Shared():
                    pass
        return settle(own, others, self.find)

    @util.ro_memoized_property
    def names(self) -> frozenset[str]:
        return frozenset(name.casefold() for _, name in self.rules)

    @util.ro_memoized_property
    def referred_to(self) -> frozenset[TableKey]:
        return frozenset(
            table_key(reference.parent)
            for table in self.tables.values()
            for reference in self.references_of(table)
        )

    def find(self, key: TableKey) -> Table | None:
        """Return the known table of that name, unless it was taken out of its ``MetaData``."""
        table = self.tables.get(key)
        if table is None or key in self.declared or table.key in table.metadata.tables:
            return table
        return None

    def resolve(
        self, table: TableClause, default_schemas: frozenset[str] = frozenset()
    ) -> TableKey:
        """Return the key of the known table that ``table`` is; its own if there is none."""
        key = table_key(table)
        if key in self.declared or (isinstance(table, Table) and self.rule_of_key(key, table)):
            return key
        same = self._index(default_schemas).get(_folded(key, default_schemas))
        if same is not None:
            return same
        if key[1].casefold() in self.names and self.find(key) is None:
            raise UnguardedStatementError(
                f"{table_label(table)} has the name of a tenant-aware table in another "
                "schema and is not declared itself: mark it with @tenant_aware or "
                "shared_across_tenants(), or use the declared Table"
            )
        return key

    def _index(self, default_schemas: frozenset[str]) -> dict[TableKey, TableKey]:
        index = self._by_folded.get(default_schemas)
        if index is None:
            index = {_folded(key, default_schemas): key for key in self.tables if key in self.rules}
            self._by_folded[default_schemas] = index
        return index

    def rule_of_key(self, key: TableKey, given: TableClause) -> Ownership | None:
        rule = self.rules.get(key)
        if rule is not None or not isinstance(given, Table) or self.find(key) is not None:
            return rule
        # A table of a MetaData that nothing was declared in, a reflected one perhaps.
        return ties_of(given, None, self.rules, self.find)

    def references_of(
        self, table: TableClause, default_schemas: frozenset[str] = frozenset()
    ) -> tuple[Reference, ...]:
        key = self.resolve(table, default_schemas)
        references = self._references.get(key)
        if references is None:
            known = self.find(key)
            if known is None:
                return tuple(self._find_references(table)) if isinstance(table, Table) else ()
            references = self._references[key] = tuple(self._find_references(known))
        return references

    def _find_references(self, table: Table) -> Iterator[Reference]:
        rule = self.rule_of_key(table_key(table), table)
        owning = {tie.columns for tie in rule.ties} if isinstance(rule, ParentOwnership) else set()
        for _, tie in foreign_keys(table, self.find):
            parent = self.rule_of_key(table_key(tie.parent), tie.parent)
            if parent is None or carries_tenant(tie, rule, parent):
                continue
            owns = tie.columns in owning
            if owns or table_key(table) not in self.unchecked:
                yield Reference(
                    table_label(table), tie.columns, tie.parent, tie.parent_columns, owns
                )


class Registry:
    """The declarations, and the rules that follow from them.

    ``generation`` changes with every declaration and every table that joins a known
    ``MetaData``; whatever was compiled under an older one is not used again. Threads may
    declare and ask at the same time. To keep what follows from the answers, read the
    generation first and then ask.
    """

    def __init__(self) -> None:
        self.generation = 0
        self.is_empty = True
        self._state = _State({}, (), frozenset(), ())
        # Held while something is declared, never while anything is derived or asked.
        self._lock = Lock()

    # -- declaring ---------------------------------------------------------------

    def declare_column(self, table: Table, column: str) -> None:
        """Say that ``table`` has its tenant in ``column`` (a name or a key)."""
        self._declare(table, column_ownership(table, column))

    def declare_through(self, table: Table, parent: str) -> None:
        """Say that ``table``'s rows belong to whom their row in ``parent`` belongs."""
        if not names_parent(table, parent):
            raise ConfigurationError(
                f"{table_label(table)} has no foreign key to {parent!r}: name the table "
                "that its foreign key refers to, or give it a tenant column"
            )
        self._declare(table, _Through(table, parent))

    def declare_shared(self, table: Table) -> None:
        """Say that ``table`` is on purpose the same for all tenants."""
        self._declare(table, _Shared(table))

    def leave_references_unchecked(self, table: Table) -> None:
        """Write foreign keys of ``table`` without looking up what they point at."""
        with self._lock:
            self._renew(unchecked=self._state.unchecked | {table_key(table)})

    def _declare(self, table: Table, declaration: _Declaration) -> None:
        key = table_key(table)
        with self._lock:
            state = self._state
            earlier = state.declared.get(key)
            if earlier is not None and not _agree(earlier, declaration):
                raise ConfigurationError(
                    f"{table_label(table)} is declared twice and differently: a table is "
                    "either tenant-aware (by one column, or through one parent) or shared "
                    "across tenants; tables of different databases need different names or "
                    "schemas"
                )
            self._renew(
                declared={**state.declared, key: declaration},
                metadatas=state.metadatas_with(table.metadata),
            )

    def table_added(self, metadata: MetaData) -> None:
        """Take note of a new table in ``metadata``."""
        with self._lock:
            if self._state.knows(metadata):
                self._renew()

    def _renew(self, **changes: Any) -> None:
        self._state = state = replace(self._state, **changes)
        self.is_empty = not (state.declared or state.required)
        # Last, so that under the new generation nobody gets an answer from the old state.
        self.generation += 1

    # -- asking ------------------------------------------------------------------

    def any_own_column(self) -> ColumnOwnership | None:
        """Return one of the declared tables that have a tenant column, if there is any."""
        declared = self._state.declared.values()
        return next((each for each in declared if isinstance(each, ColumnOwnership)), None)

    def is_shared(self, table: TableClause) -> bool:
        """Say whether ``table`` was marked as shared across tenants."""
        return isinstance(self._state.declared.get(table_key(table)), _Shared)

    def ownership_of(
        self, table: TableClause, default_schemas: frozenset[str] = frozenset()
    ) -> Ownership | None:
        """Return how ``table``'s rows are tied to a tenant; ``None`` if they are not.

        Args:
            table: any table construct, compared by schema and name.
            default_schemas: the database's names, in lower case, for the schema that
                a name without one means.

        Raises:
            UnguardedStatementError: a table of this name is tenant-aware, in another
                schema, and this one was never declared; it could be the same table.
        """
        state = self._state
        return state.rule_of_key(state.resolve(table, default_schemas), table)

    def references_of(
        self, table: TableClause, default_schemas: frozenset[str] = frozenset()
    ) -> tuple[Reference, ...]:
        """Return the foreign keys of ``table`` that must be checked when they are written.

        Args:
            table: any table construct, compared by schema and name.
            default_schemas: the database's names, in lower case, for the schema that
                a name without one means.
        """
        return self._state.references_of(table, default_schemas)

    def is_referred_to(self, table: Table) -> bool:
        """Say whether a foreign key that must be checked points at ``table``."""
        return table_key(table) in self._state.referred_to

    def key_of_parent(
        self, table: TableClause, default_schemas: frozenset[str] = frozenset()
    ) -> tuple[str, ...]:
        """Return the primary key of ``table`` if rows of others are tied to its own.

        Where it has none, what the first of them refers to.
        """
        state = self._state
        key = state.resolve(table, default_schemas)
        ties = [
            tie
            for rule in state.rules.values()
            if isinstance(rule, ParentOwnership)
            for tie in rule.ties
            if table_key(tie.parent) == key
        ]
        if not ties:
            return ()
        names = tuple(each.name for each in ties[0].parent.primary_key)
        return names or ties[0].parent_columns

    def tables(self) -> list[Table]:
        """Return all tables of the metadata in which something was declared."""
        return list(self._state.tables.values())

    def names(self) -> frozenset[str]:
        """Return the names, case folded, of all tables with a rule."""
        return self._state.names

    def require(self, metadata: MetaData) -> None:
        """Demand from now on that every table of ``metadata`` is declared."""
        with self._lock:
            state = self._state
            if metadata not in state.required:
                self._renew(
                    required=(*state.required, metadata), metadatas=state.metadatas_with(metadata)
                )

    def check_required(self) -> None:
        """Raise for the undeclared tables of every ``MetaData`` that wants none.

        Raises:
            ConfigurationError: there are such tables; the message lists them.
        """
        state = self._state
        tables = [
            table
            for metadata in state.required
            for table in sorted(_tables_in(metadata), key=lambda each: each.fullname)
            if not isinstance(state.declared.get(table_key(table)), _Shared)
            and state.rule_of_key(table_key(table), table) is None
        ]
        if tables:
            raise ConfigurationError(
                "these tables are neither tenant-aware, nor tied to a table that is, nor "
                f"shared: {', '.join(map(table_label, tables))}; mark each with @tenant_aware "
                "or @shared_across_tenants"
            )


def _agree(earlier: _Declaration, later: _Declaration) -> bool:
    match earlier, later:
        case ColumnOwnership(), ColumnOwnership():
            return earlier.column == later.column and earlier.python_type is later.python_type
        case _Through(), _Through():
            return earlier.parent == later.parent
        case _Shared(), _Shared():
            return True
        case _:
            return False


registry: Final = Registry()
"""The registry of this process."""
