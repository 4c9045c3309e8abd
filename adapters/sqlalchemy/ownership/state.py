"""What was declared up to one moment, and the ownership of every table that follows from it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, cast
from weakref import ReferenceType, ref

from sqlalchemy import MetaData, Table, util
from sqlalchemy.sql.expression import TableClause

from ..databases import ExactText
from ..errors import ConfigurationError, UnguardedStatementError
from .declaration import Declaration, Shared, Through, refuse_shared_and_tied
from .definitions import all_of, fits_in_all, limited_by_all
from .derivation import (
    derive_all,
    derive_through_parents,
    foreign_keys,
    is_finished,
    is_made_by_database,
    is_not_null,
    is_numbered,
    refuse_composite_keys,
)
from .model import (
    ColumnOwnership,
    Ownership,
    ParentKey,
    ParentOwnership,
    Reference,
    TableKey,
    carries_tenant,
    may_be_shared,
    table_key,
    table_label,
    without_tenant,
)
from .namesakes import find_namesakes, may_be_found_by, way_of
from .schema_effects import refused_tables

__all__ = ["State", "tables_in"]

MOST_INDEXES: Final = 16
"""How many sets of default schemas have an index of the tables at a time.

There is one for each database with its own default schema, and they share few: an
application with a schema for each customer would fill the memory.
"""


def tables_in(metadata: MetaData) -> list[Table]:
    """Return the tables of ``metadata``, to which other threads may be adding."""
    return [each for each in list(metadata.tables.values()) if is_finished(each)]


def _folded(key: TableKey, default_schemas: frozenset[str]) -> TableKey:
    """Return ``key`` in a form that is equal for all names a database may take for one.

    Case is folded on every database, even where quoted names are case-sensitive: mistaking
    two tables for one ends in a refusal, mistaking one for two in a leak.
    """
    schema, name = key
    schema = None if schema is None else schema.casefold()
    return (None if schema in default_schemas else schema, name.casefold())


@dataclass(frozen=True, eq=False)
class State:
    """The declarations of one moment, and what is derived from them.

    A declaration does not change a state, it replaces it. What a thread derives in the
    meantime stays with the state that it was derived from and is never mistaken for what
    follows from the later one, so no thread has to wait for another.
    """

    declared: Mapping[TableKey, Declaration]
    metadatas: tuple[ReferenceType[MetaData], ...]
    unchecked: frozenset[TableKey]
    required: tuple[MetaData, ...]
    apart: tuple[Table, ...] = ()
    """Shared tables of another database, with the names of tenant-aware ones."""
    implied: frozenset[TableKey] = frozenset()
    """The tables whose declaration comes from a mixin or a base, so that another may replace it."""
    observed: frozenset[TableKey] | None = frozenset()
    """The tables that are observed instead of protected; ``None`` for all."""
    _by_folded: dict[frozenset[str], dict[TableKey, TableKey]] = field(
        default_factory=dict, init=False
    )
    _references: dict[tuple[TableKey, ExactText], tuple[Reference, ...]] = field(
        default_factory=dict, init=False
    )

    def knows(self, metadata: MetaData) -> bool:
        """Return whether something was declared in ``metadata``."""
        return any(each() is metadata for each in self.metadatas)

    def metadatas_with(self, metadata: MetaData) -> tuple[ReferenceType[MetaData], ...]:
        """Return the known metadatas that are still alive, and ``metadata``."""
        if self.knows(metadata):
            return self.metadatas
        return (*(each for each in self.metadatas if each() is not None), ref(metadata))

    # Not functools.cached_property, which holds a lock meanwhile in Python 3.11.
    @util.ro_memoized_property
    def tables(self) -> dict[TableKey, Table]:
        """The declared tables, and the others of every ``MetaData`` that has one."""
        return {key: each[0] for key, each in self.definitions.items()}

    @util.ro_memoized_property
    def definitions(self) -> dict[TableKey, list[Table]]:
        """Every object for each of these tables, which may define it in part: the declared first.

        Two ``MetaData`` may have a table each for one of the database's, one of them without its
        foreign keys.
        """
        found = {key: [each.table] for key, each in self.declared.items()}
        for each in self.metadatas:
            metadata = each()
            for table in () if metadata is None else tables_in(metadata):
                known = found.setdefault(table_key(table), [])
                if not (any(other is table for other in known) or self.is_apart(table)):
                    known.append(table)
        return {key: tables for key, tables in found.items() if tables}

    @util.ro_memoized_property
    def ownerships(self) -> dict[TableKey, Ownership]:
        """How each table's rows are assigned to a tenant, for the tables where they are."""
        own: dict[TableKey, ColumnOwnership] = {}
        others: list[tuple[Table, str | None]] = []
        for key, tables in self.definitions.items():
            match self.declared.get(key):
                case ColumnOwnership() as ownership:
                    own[key] = limited_by_all(ownership, tables)
                case Through(parent=parent):  # by the foreign keys of each
                    others += ((table, parent) for table in tables)
                case None:
                    others += ((table, None) for table in tables)
                case Shared():
                    pass
        ownerships = derive_all(own, others, self.find, self.apart)

        def tie_of(table: Table) -> ParentOwnership | None:
            return derive_through_parents(table, None, ownerships, self.find, self.apart)

        refuse_shared_and_tied(self.declared, self.definitions, tie_of)
        if any(each.shared_rows is not None for each in own.values()):
            refuse_composite_keys(self.all_definitions(), ownerships, self.find)
        return ownerships

    @util.ro_memoized_property
    def refused(self) -> dict[TableKey, str]:
        """The tables whose definition reaches rows of other tenants, and why."""
        shared = frozenset(key for key, each in self.declared.items() if isinstance(each, Shared))
        return refused_tables(self.all_definitions(), self.ownerships, shared)

    @util.ro_memoized_property
    def namesakes(self) -> Mapping[str, Collection[TableKey]]:
        """The tables of one name, case folded, that belong to tenants in different ways."""
        return find_namesakes(self.tables, self.ownerships)

    def check_namesakes(
        self, key: TableKey, default_schemas: frozenset[str], search_path: frozenset[str]
    ) -> None:
        """Refuse a name that stands for several tables which belong to tenants differently.

        Args:
            key: a schema and a name, as the database gets them.
            default_schemas: the database's names, in lower case, for its default schema.
            search_path: all schemas, in lower case, in which an unqualified table is looked for.

        Raises:
            ConfigurationError: it is such a name.
        """
        if self._differ((key,), default_schemas, search_path):
            raise ConfigurationError(
                f"{key[1]} stands for several tables here, which belong to tenants in different "
                "ways, since one of them is in a schema that is searched for names without one on "
                "this connection: give each of them its schema, or declare them alike"
            )

    def check_moved(
        self,
        key: TableKey,
        schema: str | None,
        default_schemas: frozenset[str],
        search_path: frozenset[str],
    ) -> None:
        """Refuse a table that is looked for in another schema; see ``Registry.check_moved()``."""
        if self._differ((key, (schema, key[1])), default_schemas, search_path):
            raise ConfigurationError(
                f"{key[1]} is moved to a schema whose table of that name belongs to tenants in "
                "another way: leave it out of the schema_translate_map, or declare both alike"
            )

    def _differ(
        self,
        keys: tuple[TableKey, ...],
        default_schemas: frozenset[str],
        search_path: frozenset[str],
    ) -> bool:
        """Return whether what these keys may stand for belongs to tenants in different ways."""
        ways = {
            way_of(self.ownerships.get(each))
            for each in self.namesakes.get(keys[0][1].casefold(), ())
            for key in keys
            if _folded(each, default_schemas) == _folded(key, default_schemas)
            or may_be_found_by(each, key, search_path)
            or may_be_found_by(key, each, search_path)
        }
        return len(ways) > 1

    @util.ro_memoized_property
    def names(self) -> frozenset[str]:
        """The names of the tables that belong to tenants, case folded."""
        return frozenset(name.casefold() for _, name in self.ownerships)

    @util.ro_memoized_property
    def kept_from_raw_sql(self) -> frozenset[str]:
        """The same, and the names of the tables that no statement may use."""
        return self.names.union(name.casefold() for _, name in self.refused)

    @util.ro_memoized_property
    def referred_to(self) -> frozenset[TableKey]:
        """The tables that a foreign key refers to which must be checked."""
        return frozenset(
            table_key(reference.parent)
            for table in self.tables.values()
            for reference in self.references_of(table)
        )

    def all_definitions(self) -> list[Table]:
        """Return every object for each of the known tables."""
        return [table for tables in self.definitions.values() for table in tables]

    def definitions_of(self, table: Table) -> list[Table]:
        """Return every object for the table that ``table`` is one for."""
        return self.definitions.get(table_key(table), [table])

    def is_apart(self, table: TableClause) -> bool:
        """Return whether ``table`` was declared to be another one than its name says."""
        return any(each is table for each in self.apart)

    def check_engine(
        self, table: TableClause, default_schemas: frozenset[str], used: dict[TableKey, bool]
    ) -> None:
        """Refuse a table next to the one of another database; see ``Registry.check_engine()``."""
        key = _folded(table_key(table), default_schemas)
        if all(_folded(table_key(each), default_schemas) != key for each in self.apart):
            return
        is_apart = self.is_apart(table)
        if used.setdefault(key, is_apart) is not is_apart:
            raise ConfigurationError(
                f"{table_label(table)} is tenant-aware and is also declared with "
                "shared_across_tenants(in_another_database=True), and both are used on one engine, "
                "which has only one table of this name: remove that declaration, or use the other "
                "database's engine"
            )

    def find(self, key: TableKey) -> Table | None:
        """Return the known table of that name, unless it was removed from its ``MetaData``."""
        table = self.tables.get(key)
        if table is None or key in self.declared or table.key in table.metadata.tables:
            return table
        return None

    def resolve(
        self, table: TableClause, default_schemas: frozenset[str] = frozenset()
    ) -> TableKey:
        """Return the key of the known table that ``table`` names, or else its own key.

        Raises:
            UnguardedStatementError: it could be a tenant-aware table of another schema.
        """
        key = table_key(table)
        if key in self.declared or (isinstance(table, Table) and self.ownership_of(key, table)):
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
            index = {
                _folded(key, default_schemas): key for key in self.tables if key in self.ownerships
            }
            if len(self._by_folded) >= MOST_INDEXES:
                self._by_folded.clear()
            self._by_folded[default_schemas] = index
        return index

    def ownership_of(self, key: TableKey, given: TableClause) -> Ownership | None:
        """Return the ownership of the table called ``key``, which a statement has as ``given``."""
        if self.apart and self.is_apart(given):
            return None
        ownership = self.ownerships.get(key)
        if ownership is not None or not isinstance(given, Table) or self.find(key) is not None:
            return ownership
        # A table of a MetaData that nothing was declared in, a reflected one perhaps.
        return derive_through_parents(given, None, self.ownerships, self.find, self.apart)

    def _ownership_of_known(self, table: TableClause) -> Ownership | None:
        return self.ownership_of(table_key(table), table)

    def check_definition(
        self, table: TableClause, default_schemas: frozenset[str], search_path: frozenset[str]
    ) -> None:
        """Refuse a table whose definition reaches rows of other tenants.

        Raises:
            ConfigurationError: ``table`` is such a table.
        """
        if self.namesakes and not self.is_apart(table):
            self.check_namesakes(table_key(table), default_schemas, search_path)
        if not self.refused or self.is_apart(table):
            return
        given = _folded(table_key(table), default_schemas)
        for key, reason in self.refused.items():
            if _folded(key, default_schemas) == given:
                raise ConfigurationError(reason)

    def references_of(
        self,
        table: TableClause,
        default_schemas: frozenset[str] = frozenset(),
        exact_text: ExactText = ExactText.EQUALS,
    ) -> tuple[Reference, ...]:
        """Return the foreign keys of ``table`` that must be checked when they are written."""
        if self.is_apart(table):
            return ()
        key = self.resolve(table, default_schemas)
        references = self._references.get((key, exact_text))
        if references is None:
            known = self.find(key)
            if known is None and not isinstance(table, Table):
                return ()
            tables = [cast("Table", table)] if known is None else self.definitions[key]
            found = all_of(each for table in tables for each in self._find_references(table))
            references = tuple(each for each in found if each.matters_on(exact_text))
            if known is not None:
                self._references[key, exact_text] = references
        return references

    def owned_parents(self, table: Table) -> Iterator[tuple[ParentKey, Ownership]]:
        """Yield the foreign keys of ``table`` to owned tables, with their ownership."""
        for _, key in foreign_keys(table, self.find):
            parent = self.ownership_of(table_key(key.parent), key.parent)
            if parent is not None:
                yield key, parent

    def _find_references(self, table: Table) -> Iterator[Reference]:
        ownership = self.ownership_of(table_key(table), table)
        owning = (
            {each.columns for each in ownership.parent_keys}
            if isinstance(ownership, ParentOwnership)
            else set()
        )
        to_own = bool(owning) and may_be_shared(table, self._ownership_of_known)
        for key, parent in self.owned_parents(table):
            names, parent_names, folded = key.columns, key.parent_columns, None
            if carries_tenant(key, ownership, parent):
                names, parent_names, folded = without_tenant(
                    key, cast("ColumnOwnership", ownership), cast("ColumnOwnership", parent)
                )
                if not names or folded is None:
                    continue
            owns = key.columns in owning
            if owns or table_key(table) not in self.unchecked:
                columns = [each for each in table.columns if each.name in names]
                yield Reference(
                    table_label(table),
                    names,
                    key.parent,
                    parent_names,
                    owns,
                    owns and to_own,
                    frozenset(each.name for each in columns if is_made_by_database(each)),
                    any(each.computed is not None for each in columns),
                    folded,
                    fits_in_all(table, names, self.definitions_of(key.parent), parent_names),
                    frozenset(each.name for each in columns if is_not_null(each)),
                    frozenset(each.name for each in columns if is_numbered(each)),
                )
