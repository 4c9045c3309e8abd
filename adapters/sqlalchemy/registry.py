"""Which tables hold tenants' rows.

The one registry of the process is filled by the declarations (``declare.py``) and read
by everything else. A table is known by schema and name, not by object identity: a
reflected ``Table`` or a bare ``table("invoice")`` is the same table.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias
from weakref import WeakSet

from sqlalchemy import MetaData, Table
from sqlalchemy.sql.expression import TableClause

from .errors import ConfigurationError, UnguardedStatementError
from .rules import (
    OwnColumn,
    Reference,
    Rule,
    TableKey,
    Ties,
    carries_tenant,
    own_column,
    table_key,
    table_label,
)
from .ties import foreign_keys, names_parent, settle, ties_of

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


_Declaration: TypeAlias = OwnColumn | _Through | _Shared


def _folded(key: TableKey, default_schemas: frozenset[str]) -> TableKey:
    """Return ``key`` in the form in which a database would call two names the same.

    Case is folded on every database, also where quoted names are case-sensitive:
    taking two tables for one ends in a refusal, taking one for two in a leak.
    """
    schema, name = key
    schema = None if schema is None else schema.casefold()
    return (None if schema in default_schemas else schema, name.casefold())


class Registry:
    """The declarations, and the rules that follow from them.

    ``generation`` changes with every declaration and every table that joins a known
    ``MetaData``; whatever was compiled under an older one is not used again.
    """

    def __init__(self) -> None:
        self.generation = 0
        self.is_empty = True
        self._declared: dict[TableKey, _Declaration] = {}
        self._metadatas: WeakSet[MetaData] = WeakSet()
        self._rules: dict[TableKey, Rule] | None = None
        self._by_folded: dict[frozenset[str], dict[TableKey, TableKey]] = {}
        self._names: frozenset[str] | None = None
        self._references: dict[TableKey, tuple[Reference, ...]] = {}
        self._referred_to: frozenset[TableKey] | None = None
        self._unchecked: set[TableKey] = set()
        self._required: list[MetaData] = []

    # -- declaring ---------------------------------------------------------------

    def declare_column(self, table: Table, column: str) -> None:
        """Say that ``table`` has its tenant in ``column`` (a name or a key)."""
        self._declare(table, own_column(table, column))

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
        self._unchecked.add(table_key(table))
        self._renew()

    def _declare(self, table: Table, declaration: _Declaration) -> None:
        earlier = self._declared.get(table_key(table))
        if earlier is not None and not _agree(earlier, declaration):
            raise ConfigurationError(
                f"{table_label(table)} is declared twice and differently: a table is "
                "either tenant-aware (by one column, or through one parent) or shared "
                "across tenants; tables of different databases need different names or "
                "schemas"
            )
        self._declared[table_key(table)] = declaration
        self._metadatas.add(table.metadata)
        self._renew()

    def table_added(self, metadata: MetaData) -> None:
        """Take note of a new table in ``metadata``."""
        if metadata in self._metadatas:
            self._renew()

    def _renew(self) -> None:
        self.generation += 1
        self.is_empty = not (self._declared or self._required)
        self._rules = None
        self._by_folded.clear()
        self._names = None
        self._references.clear()
        self._referred_to = None

    # -- asking ------------------------------------------------------------------

    def any_own_column(self) -> OwnColumn | None:
        """Return one of the declared tables that have a tenant column, if there is any."""
        return next((each for each in self._declared.values() if isinstance(each, OwnColumn)), None)

    def is_shared(self, table: TableClause) -> bool:
        """Say whether ``table`` was marked as shared across tenants."""
        return isinstance(self._declared.get(table_key(table)), _Shared)

    def rule_for(
        self, table: TableClause, default_schemas: frozenset[str] = frozenset()
    ) -> Rule | None:
        """Return how ``table``'s rows are tied to a tenant; ``None`` if they are not.

        Args:
            table: any table construct, compared by schema and name.
            default_schemas: the database's names, in lower case, for the schema that
                a name without one means.

        Raises:
            UnguardedStatementError: a table of this name is tenant-aware, in another
                schema, and this one was never declared; it could be the same table.
        """
        key = self._resolve(table, default_schemas)
        return None if key is None else self._rule_of_key(key, table)

    def references_of(
        self, table: TableClause, default_schemas: frozenset[str] = frozenset()
    ) -> tuple[Reference, ...]:
        """Return the foreign keys of ``table`` that must be checked when they are written.

        Args:
            table: any table construct, compared by schema and name.
            default_schemas: the database's names, in lower case, for the schema that
                a name without one means.
        """
        key = self._resolve(table, default_schemas)
        if key is None:
            return ()
        if key not in self._references:
            canonical = self._canonical(key)
            if canonical is None:
                return tuple(self._find_references(table)) if isinstance(table, Table) else ()
            self._references[key] = tuple(self._find_references(canonical))
        return self._references[key]

    def is_referred_to(self, table: Table) -> bool:
        """Say whether a foreign key that must be checked points at ``table``."""
        if self._referred_to is None:
            self._referred_to = frozenset(
                table_key(reference.parent)
                for key in list(self._known_keys())
                if (known := self._canonical(key)) is not None
                for reference in self.references_of(known)
            )
        return table_key(table) in self._referred_to

    def key_of_parent(
        self, table: TableClause, default_schemas: frozenset[str] = frozenset()
    ) -> tuple[str, ...]:
        """Return the primary key of ``table`` if rows of others are tied to its own.

        Where it has none, what the first of them refers to.
        """
        key = self._resolve(table, default_schemas)
        ties = [
            tie
            for rule in self._settled().values()
            if isinstance(rule, Ties)
            for tie in rule.ties
            if table_key(tie.parent) == key
        ]
        if not ties:
            return ()
        names = tuple(each.name for each in ties[0].parent.primary_key)
        return names or ties[0].parent_columns

    def _resolve(self, table: TableClause, default_schemas: frozenset[str]) -> TableKey | None:
        """Return the key of the known table that ``table`` is; its own if there is none."""
        key = table_key(table)
        if key in self._declared or (isinstance(table, Table) and self._rule_of_key(key, table)):
            return key
        same = self._index(default_schemas).get(_folded(key, default_schemas))
        if same is not None:
            return same
        if key[1].casefold() in self.names() and not self._is_known(key):
            raise UnguardedStatementError(
                f"{table_label(table)} has the name of a tenant-aware table in another "
                "schema and is not declared itself: mark it with @tenant_aware or "
                "shared_across_tenants(), or use the declared Table"
            )
        return key

    def names(self) -> frozenset[str]:
        """Return the names, case folded, of all tables with a rule."""
        if self._names is None:
            self._names = frozenset(
                key[1].casefold() for key in self._known_keys() if self._rule_of_key(key, None)
            )
        return self._names

    def require(self, metadata: MetaData) -> None:
        """Demand from now on that every table of ``metadata`` is declared."""
        if metadata not in self._required:
            self._required.append(metadata)
            self._metadatas.add(metadata)
            self._renew()

    def check_required(self) -> None:
        """Raise for the undeclared tables of every ``MetaData`` that wants none.

        Raises:
            ConfigurationError: there are such tables; the message lists them.
        """
        tables = [table for metadata in self._required for table in self._undeclared(metadata)]
        if tables:
            raise ConfigurationError(
                "these tables are neither tenant-aware, nor tied to a table that is, nor "
                f"shared: {', '.join(map(table_label, tables))}; mark each with @tenant_aware "
                "or @shared_across_tenants"
            )

    def _undeclared(self, metadata: MetaData) -> list[Table]:
        return [
            table
            for table in sorted(metadata.tables.values(), key=lambda each: each.fullname)
            if not self.is_shared(table) and self._rule_of_key(table_key(table), table) is None
        ]

    # -- deriving ----------------------------------------------------------------

    def _is_known(self, key: TableKey) -> bool:
        return key in set(self._known_keys())

    def _known_keys(self) -> Iterator[TableKey]:
        yield from self._declared
        for metadata in self._metadatas:
            for table in metadata.tables.values():
                if table_key(table) not in self._declared:
                    yield table_key(table)

    def _index(self, default_schemas: frozenset[str]) -> dict[TableKey, TableKey]:
        index = self._by_folded.get(default_schemas)
        if index is None:
            index = {
                _folded(key, default_schemas): key
                for key in self._known_keys()
                if self._rule_of_key(key, None)
            }
            self._by_folded[default_schemas] = index
        return index

    def _canonical(self, key: TableKey) -> Table | None:
        declaration = self._declared.get(key)
        if declaration is not None:
            return declaration.table
        schema, name = key
        for metadata in self._metadatas:
            table = metadata.tables.get(f"{schema}.{name}" if schema else name)
            if table is not None:
                return table
        return None

    def _rule_of_key(self, key: TableKey, given: TableClause | None) -> Rule | None:
        rules = self._settled()
        rule = rules.get(key)
        if rule is not None or key in self._declared or not isinstance(given, Table):
            return rule
        # A table of a MetaData that nothing was declared in, a reflected one perhaps.
        known = self._canonical(key)
        return None if known is not None else ties_of(given, None, rules, self._canonical)

    def _settled(self) -> dict[TableKey, Rule]:
        if self._rules is None:
            own: dict[TableKey, Rule] = {}
            others: list[tuple[Table, str | None]] = []
            for key in self._known_keys():
                declaration = self._declared.get(key)
                table = self._canonical(key)
                if isinstance(declaration, OwnColumn):
                    own[key] = declaration
                elif isinstance(declaration, _Through):
                    others.append((declaration.table, declaration.parent))
                elif declaration is None and table is not None:
                    others.append((table, None))
            self._rules = settle(own, others, self._canonical)
        return self._rules

    def _find_references(self, table: Table) -> Iterator[Reference]:
        rule = self._rule_of_key(table_key(table), table)
        owning = {tie.columns for tie in rule.ties} if isinstance(rule, Ties) else set()
        for _, tie in foreign_keys(table, self._canonical):
            parent = self._rule_of_key(table_key(tie.parent), tie.parent)
            if parent is None or carries_tenant(tie, rule, parent):
                continue
            owns = tie.columns in owning
            if owns or table_key(table) not in self._unchecked:
                yield Reference(
                    table_label(table), tie.columns, tie.parent, tie.parent_columns, owns
                )


def _agree(earlier: _Declaration, later: _Declaration) -> bool:
    match earlier, later:
        case OwnColumn(), OwnColumn():
            return earlier.column == later.column and earlier.python_type is later.python_type
        case _Through(), _Through():
            return earlier.parent == later.parent
        case _Shared(), _Shared():
            return True
        case _:
            return False


registry: Final = Registry()
"""The registry of this process."""
