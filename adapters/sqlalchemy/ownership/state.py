"""What was declared up to one moment, and the ownership of every table that follows from it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, cast
from weakref import ReferenceType, WeakSet, ref

from sqlalchemy import MetaData, Table, util
from sqlalchemy.sql.expression import TableClause

from ..databases import ExactText
from ..errors import ConfigurationError, UnguardedStatementError
from .declaration import Declaration, Shared, Through, refuse_shared_and_tied
from .definitions import all_of, limited_by_all, with_facts
from .derivation import (
    derive_all,
    derive_through_parents,
    foreign_keys,
    refuse_composite_keys,
    tables_in,
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
from .namesakes import (
    by_name,
    find_namesakes,
    folded_key,
    may_be_found_by,
    refuse_namesake,
    same_tables,
    way_of,
)
from .schema_effects import refused_tables

__all__ = ["State"]

MOST_INDEXES: Final = 16
"""How many sets of default schemas have an index of the tables at a time.

There is one for each database with its own default schema, and they share few: an
application with a schema for each customer would fill the memory.
"""


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
    others: tuple[ReferenceType[MetaData], ...] = ()
    """Those in which nothing was declared, where a table may reach tenants' rows all the same."""
    observed: frozenset[TableKey] | None = frozenset()
    """The tables that are observed instead of protected; ``None`` for all."""
    _by_folded: dict[frozenset[str], dict[TableKey, TableKey]] = field(
        default_factory=dict, init=False
    )
    _references: dict[tuple[TableKey, frozenset[str], ExactText], tuple[Reference, ...]] = field(
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

    def others_with(self, metadata: MetaData) -> tuple[ReferenceType[MetaData], ...]:
        """Return the others that are still alive, and ``metadata``."""
        return (*(each for each in self.others if each() not in (None, metadata)), ref(metadata))

    @util.ro_memoized_property
    def known(self) -> WeakSet[MetaData]:
        """Every ``MetaData`` whose tables count."""
        found = (each() for each in (*self.metadatas, *self.others))
        return WeakSet(each for each in found if each is not None)

    # Not functools.cached_property, which holds a lock meanwhile in Python 3.11.
    @util.ro_memoized_property
    def tables(self) -> dict[TableKey, Table]:
        """The declared tables, and those of every ``MetaData`` that may have to do with them."""
        return {key: each[0] for key, each in self.definitions.items()}

    @util.ro_memoized_property
    def definitions(self) -> dict[TableKey, list[Table]]:
        """Every object for each of these tables, which may define it in part: the declared first.

        Two ``MetaData`` may have a table each for one of the database's, one of them without its
        foreign keys.
        """
        found = {key: [each.table] for key, each in self.declared.items()}
        for each in (*self.metadatas, *self.others):
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
            if not self.knows(table.metadata):
                # A copy, perhaps, of which nothing was said.
                return None
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
        self, key: TableKey, default_schemas: frozenset[str], search_path: frozenset[str] | None
    ) -> None:
        """Refuse a name that stands for several tables which belong to tenants differently.

        Args:
            key: a schema and a name, as the database gets them.
            default_schemas: the database's names, in lower case, for its default schema.
            search_path: all schemas, in lower case, in which an unqualified table is looked for;
                ``None`` if they are unknown.

        Raises:
            ConfigurationError: it is such a name.
        """
        if self._differ((key,), default_schemas, search_path):
            refuse_namesake(key[1], search_path)

    def check_moved(
        self,
        key: TableKey,
        schema: str | None,
        default_schemas: frozenset[str],
        search_path: frozenset[str] | None,
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
        search_path: frozenset[str] | None,
    ) -> bool:
        """Return whether what these keys may stand for belongs to tenants in different ways."""
        ways = {
            way_of(self.ownerships.get(each))
            for each in self.namesakes.get(keys[0][1].casefold(), ())
            for key in keys
            if folded_key(each, default_schemas) == folded_key(key, default_schemas)
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

    def is_apart(self, table: TableClause) -> bool:
        """Return whether ``table`` was declared to be another one than its name says."""
        return any(each is table for each in self.apart)

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
        same = self._index(default_schemas).get(folded_key(key, default_schemas))
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
                folded_key(key, default_schemas): key
                for key in self.tables
                if key in self.ownerships
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
        if ownership is not None or not isinstance(given, Table) or self._is_among(key, given):
            return ownership
        # One that was removed from its MetaData, for example, or is of an unknown one.
        return derive_through_parents(given, None, self.ownerships, self.find, self.apart)

    def _is_among(self, key: TableKey, table: Table) -> bool:
        return any(each is table for each in self.definitions.get(key, ()))

    def _ownership_of_known(self, table: TableClause) -> Ownership | None:
        return self.ownership_of(table_key(table), table)

    def check_definition(
        self,
        table: TableClause,
        default_schemas: frozenset[str],
        search_path: frozenset[str] | None,
    ) -> None:
        """Refuse a table whose definition reaches rows of other tenants.

        Raises:
            ConfigurationError: ``table`` is such a table.
        """
        if self.namesakes and not self.is_apart(table):
            self.check_namesakes(table_key(table), default_schemas, search_path)
        if not self.refused or self.is_apart(table):
            return
        given = folded_key(table_key(table), default_schemas)
        for key, reason in self.refused.items():
            if folded_key(key, default_schemas) == given:
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
        if isinstance(table, Table) and not self._is_among(key, table):
            return self._references_in([*self._objects_of(key, default_schemas), table], exact_text)
        # Only with a namesake does it depend on the database.
        has_namesake = len(self._by_name.get(key[1].casefold(), ())) > 1
        known = (key, default_schemas if has_namesake else frozenset(), exact_text)
        references = self._references.get(known)
        if references is None:
            references = self._references_in(self._objects_of(key, default_schemas), exact_text)
            self._references[known] = references
        return references

    @util.ro_memoized_property
    def _by_name(self) -> Mapping[str, list[TableKey]]:
        return by_name(self.definitions)

    def _objects_of(self, key: TableKey, default_schemas: frozenset[str]) -> list[Table]:
        keys = same_tables(key, self._by_name, default_schemas)
        return [table for each in keys for table in self.definitions.get(each, ())]

    def _references_in(
        self, tables: Collection[Table], exact_text: ExactText
    ) -> tuple[Reference, ...]:
        found = all_of(each for table in tables for each in self._find_references(table))
        return tuple(
            with_facts(
                each, tables, self.definitions.get(table_key(each.parent), [each.parent])
            ).on(exact_text)
            for each in found
            if each.matters_on(exact_text)
        )

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
                yield Reference(
                    table_label(table),
                    names,
                    key.parent,
                    parent_names,
                    owns,
                    owns and to_own,
                    folded=folded,
                )
