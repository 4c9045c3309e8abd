"""Which tables hold tenants' rows, and how a row says whose it is.

The one registry of the process is filled by the declarations (``declare.py``) and read
by everything else. A table is known by schema and name, not by object identity: a
reflected ``Table`` or a bare ``table("invoice")`` is the same table.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias
from weakref import WeakSet

from sqlalchemy import Column, ForeignKeyConstraint, MetaData, Table
from sqlalchemy.exc import NoReferencedTableError
from sqlalchemy.sql.expression import FromClause, TableClause
from sqlalchemy.types import Integer, String, TypeDecorator, TypeEngine, Uuid

from .errors import ConfigurationError, UnguardedStatementError

__all__ = [
    "OwnColumn",
    "Reference",
    "Registry",
    "Rule",
    "Tie",
    "Ties",
    "registry",
    "table_label",
]

TableKey: TypeAlias = tuple[str | None, str]
"""Schema (``None`` for the default one) and name."""


@dataclass(frozen=True, slots=True)
class OwnColumn:
    """The table has a column with the tenant's identifier."""

    table: Table
    column: str
    """The column's name in the database."""
    key: str
    """The column's key in ``table.c``."""
    type_: TypeEngine[Any]
    python_type: type
    """What a tenant id must be an instance of to be compared with the column."""

    @property
    def label(self) -> str:
        return table_label(self.table)


@dataclass(frozen=True, slots=True)
class Tie:
    """One foreign key along which a row belongs to a parent's tenant."""

    columns: tuple[str, ...]
    parent: Table
    parent_columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ties:
    """A row belongs to whom its parents belong to; all of them must agree."""

    table: Table
    ties: tuple[Tie, ...]

    @property
    def label(self) -> str:
        return table_label(self.table)


Rule: TypeAlias = OwnColumn | Ties


@dataclass(frozen=True, slots=True)
class Reference:
    """A foreign key whose value must be looked up before it is written."""

    label: str
    """The table that has the foreign key, for messages."""
    columns: tuple[str, ...]
    parent: Table
    parent_columns: tuple[str, ...]
    owns: bool
    """Whether the row belongs to whom the parent belongs to, so that there must be one."""


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


def table_label(table: FromClause) -> str:
    """Return ``schema.name`` as declared, for messages."""
    schema = getattr(table, "schema", None)
    name = getattr(table, "name", "?")
    return f"{schema}.{name}" if schema else str(name)


def _key(table: TableClause) -> TableKey:
    return (getattr(table, "schema", None), table.name)


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
        self._declare(table, _own_column(table, column))

    def declare_through(self, table: Table, parent: str) -> None:
        """Say that ``table``'s rows belong to whom their row in ``parent`` belongs."""
        if not list(_constraints_to(table, parent)):
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
        self._unchecked.add(_key(table))
        self._renew()

    def _declare(self, table: Table, declaration: _Declaration) -> None:
        earlier = self._declared.get(_key(table))
        if earlier is not None and not _agree(earlier, declaration):
            raise ConfigurationError(
                f"{table_label(table)} is declared twice and differently: a table is "
                "either tenant-aware (by one column, or through one parent) or shared "
                "across tenants; tables of different databases need different names or "
                "schemas"
            )
        self._declared[_key(table)] = declaration
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
        return isinstance(self._declared.get(_key(table)), _Shared)

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
                _key(reference.parent)
                for key in list(self._known_keys())
                if (known := self._canonical(key)) is not None
                for reference in self.references_of(known)
            )
        return _key(table) in self._referred_to

    def _resolve(self, table: TableClause, default_schemas: frozenset[str]) -> TableKey | None:
        """Return the key of the known table that ``table`` is; its own if there is none."""
        key = _key(table)
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
            if not self.is_shared(table) and self._rule_of_key(_key(table), table) is None
        ]

    # -- deriving ----------------------------------------------------------------

    def _is_known(self, key: TableKey) -> bool:
        return key in set(self._known_keys())

    def _known_keys(self) -> Iterator[TableKey]:
        yield from self._declared
        for metadata in self._metadatas:
            for table in metadata.tables.values():
                if _key(table) not in self._declared:
                    yield _key(table)

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
        return None if known is not None else self._ties_of(given, None, rules)

    def _settled(self) -> dict[TableKey, Rule]:
        """Return the rules of all known tables.

        A table can only be tied to one that has a rule already, so that the chain from
        any tied table ends at a tenant column: tables that refer to each other in a
        circle are tied through the one from which a way leads out.
        """
        if self._rules is not None:
            return self._rules
        rules: dict[TableKey, Rule] = {}
        open_: list[tuple[Table, str | None]] = []
        for key in self._known_keys():
            declaration = self._declared.get(key)
            table = self._canonical(key)
            if isinstance(declaration, OwnColumn):
                rules[key] = declaration
            elif table is not None and not isinstance(declaration, _Shared):
                through = declaration.parent if isinstance(declaration, _Through) else None
                open_.append((table, through))
        while True:
            found = {
                _key(table): ties
                for table, through in open_
                if _key(table) not in rules
                and (ties := self._ties_of(table, through, rules)) is not None
            }
            if not found:
                break
            rules.update(found)
        for table, through in open_:
            if through is not None and _key(table) not in rules:
                raise ConfigurationError(
                    f"{table_label(table)} is tenant-aware through {through!r}, which is not "
                    "tenant-aware itself: mark that table too"
                )
            self._tie_to_all(table, through, rules)
        self._rules = rules
        return rules

    def _tie_to_all(self, table: Table, through: str | None, rules: dict[TableKey, Rule]) -> None:
        """Tie ``table`` to its other parents too, where that makes no circle."""
        rule = rules.get(_key(table))
        if not isinstance(rule, Ties):
            return
        ties = self._ties_of(table, through, rules)
        more = [
            tie
            for tie in (() if ties is None else ties.ties)
            if tie not in rule.ties and not _leads_to(_key(tie.parent), _key(table), rules)
        ]
        rules[_key(table)] = Ties(table, (*rule.ties, *more))

    def _ties_of(
        self, table: Table, through: str | None, rules: Mapping[TableKey, Rule]
    ) -> Ties | None:
        ties = [
            (constraint, tie)
            for constraint, tie in self._foreign_keys(table)
            if tie.parent is not table
            and (through is None or _is_named(tie.parent, through))
            and _key(tie.parent) in rules
        ]
        owning = [
            tie for constraint, tie in ties if through is not None or not _is_nullable(constraint)
        ]
        if not owning and _is_association(table):
            owning = [tie for _, tie in ties]
        return Ties(table, tuple(owning)) if owning else None

    def _foreign_keys(self, table: Table) -> Iterator[tuple[ForeignKeyConstraint, Tie]]:
        for constraint in sorted(
            table.foreign_key_constraints, key=lambda each: [c.name for c in each.columns]
        ):
            columns = tuple(element.parent.name for element in constraint.elements)
            try:
                parent = constraint.referred_table
                referred = tuple(element.column.name for element in constraint.elements)
            except NoReferencedTableError:
                # The table alone was reflected, say. Its parent is found by name among
                # the known tables; one that is not there is not tenant-aware.
                target = constraint.elements[0].target_fullname.rpartition(".")[0]
                schema, _, name = target.rpartition(".")
                known = self._canonical((schema or None, name))
                if known is None:
                    continue
                parent = known
                referred = tuple(
                    element.target_fullname.rpartition(".")[2] for element in constraint.elements
                )
            yield constraint, Tie(columns, parent, referred)

    def _find_references(self, table: Table) -> Iterator[Reference]:
        rule = self._rule_of_key(_key(table), table)
        owning = {tie.columns for tie in rule.ties} if isinstance(rule, Ties) else set()
        for _, tie in self._foreign_keys(table):
            parent = self._rule_of_key(_key(tie.parent), tie.parent)
            if parent is None or _carries_tenant(tie, rule, parent):
                continue
            owns = tie.columns in owning
            if owns or _key(table) not in self._unchecked:
                yield Reference(
                    table_label(table), tie.columns, tie.parent, tie.parent_columns, owns
                )


def _leads_to(start: TableKey, goal: TableKey, rules: Mapping[TableKey, Rule]) -> bool:
    rule = rules.get(start)
    return start == goal or (
        isinstance(rule, Ties)
        and any(_leads_to(_key(tie.parent), goal, rules) for tie in rule.ties)
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


def _carries_tenant(tie: Tie, child: Rule | None, parent: Rule) -> bool:
    """Say whether the foreign key has the tenant in it and so cannot cross."""
    return (
        isinstance(child, OwnColumn)
        and isinstance(parent, OwnColumn)
        and (child.column, parent.column) in set(zip(tie.columns, tie.parent_columns, strict=True))
    )


def _is_named(table: Table, name: str) -> bool:
    return name in (table.name, table.fullname, table.key)


def _constraints_to(table: Table, parent: str) -> Iterator[ForeignKeyConstraint]:
    for constraint in table.foreign_key_constraints:
        # The text of the target, since the parent's class may not be defined yet.
        target = constraint.elements[0].target_fullname.rpartition(".")[0]
        if parent in (target, target.rpartition(".")[2]):
            yield constraint


def _is_nullable(constraint: ForeignKeyConstraint) -> bool:
    return any(column.nullable for column in constraint.columns)


def _is_association(table: Table) -> bool:
    """Say whether ``table`` only connects others: every column is part of a foreign key."""
    return len(table.foreign_key_constraints) > 1 and all(c.foreign_keys for c in table.columns)


def _own_column(table: Table, column: str) -> OwnColumn:
    found = table.c.get(column)
    if found is None:
        found = next((each for each in table.columns if each.name == column), None)
    if found is None:
        raise ConfigurationError(
            f"{table_label(table)} is marked as tenant-aware and has no column {column!r}. "
            f"Add it:\n\n    {column}: Mapped[str] = mapped_column(String(255), index=True)\n\n"
            f"(in Core: Column({column!r}, String(255), nullable=False, index=True)), "
            'or name the column that it has: @tenant_aware(column="...")'
        )
    if found.onupdate is not None or found.computed is not None:
        raise ConfigurationError(
            f"{table_label(table)}.{found.name} is computed or has an onupdate: a row never "
            "changes tenant; remove it"
        )
    return OwnColumn(table, found.name, found.key, found.type, _python_type(table, found))


def _python_type(table: Table, column: Column[Any]) -> type:
    kind: Any = column.type
    while isinstance(kind, TypeDecorator):
        # A decorator may say itself what it takes; if not, its impl does.
        try:
            declared: type | None = kind.python_type
        except NotImplementedError:
            declared = None
        if declared is not None and declared in _TENANT_ID_TYPES:
            return declared
        kind = kind.impl_instance
    if isinstance(kind, Uuid):
        return uuid.UUID if kind.as_uuid else str
    if isinstance(kind, Integer):
        return int
    if isinstance(kind, String) and kind.python_type is str:
        return str
    raise ConfigurationError(
        f"{table_label(table)}.{column.name} is a {kind!r}: a tenant column is a String, "
        "an Integer or a Uuid"
    )


_TENANT_ID_TYPES: Final[tuple[type, ...]] = (str, int, uuid.UUID)

registry: Final = Registry()
"""The registry of this process."""
