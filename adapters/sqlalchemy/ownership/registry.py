"""The registry: which tables hold tenants' rows.

The one registry of the process is filled by the declarations (``declare.py``) and read
by everything else. A table is known by schema and name, not by object identity: a
reflected ``Table`` or a bare ``table("invoice")`` is the same table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, Final

from sqlalchemy import MetaData, Table
from sqlalchemy.sql.elements import Null
from sqlalchemy.sql.expression import TableClause

from tenantshield_mw.forking import forkable_lock, renewed_in_child
from tenantshield_mw.tenant import TenantId

from ..databases import ExactText
from ..errors import ConfigurationError
from .changes import Changes, adding, declaring, declaring_apart, requiring
from .declaration import Declaration, Shared, Through
from .derivation import has_foreign_key_to, may_reach_tenants, tables_in
from .model import (
    ColumnOwnership,
    Ownership,
    ParentKey,
    ParentOwnership,
    Reference,
    TableKey,
    carries_tenant,
    column_ownership,
    table_key,
    table_label,
)
from .namesakes import check_engine
from .state import State

__all__ = ["Registry", "registry"]


class Registry:
    """The declarations, and the ownership that follows from them.

    ``generation`` changes with every declaration and with every table that is added to a
    ``MetaData`` which counts: one with declarations, or with a foreign key. What was compiled
    under an older one is not used again. Threads may declare and query at the same time. To cache
    something derived from the answers, read the generation first and query afterwards.
    """

    def __init__(self) -> None:
        self.generation = 0
        self.is_empty = True
        self._state = State({}, (), frozenset(), ())
        self._published = self._state
        # Held while something is declared, never while anything is derived or queried.
        self._lock = forkable_lock()
        renewed_in_child(self)

    def renew_in_child(self) -> None:
        """Finish in a forked child what a thread of the parent was declaring."""
        if self._published is not self._state:
            self._publish()

    # -- declaring ---------------------------------------------------------------

    def declare_column(
        self,
        table: Table,
        column: str,
        shared_rows: Null | TenantId | None = None,
        *,
        implied: bool = False,
    ) -> None:
        """Declare that ``column`` of ``table`` (a name or a key) holds the tenant.

        Args:
            table: the table.
            column: the name or key of its column.
            shared_rows: what it holds in the rows that every tenant reads, if there are any.
            implied: whether a mixin or a base says so, which gives way to what the model says.
        """
        self._declare(table, column_ownership(table, column, shared_rows), implied=implied)

    def declare_through(self, table: Table, parent: str, *, implied: bool = False) -> None:
        """Declare that a row of ``table`` belongs to its parent's tenant."""
        if not has_foreign_key_to(table, parent):
            raise ConfigurationError(
                f"{table_label(table)} has no foreign key to {parent!r}: name the table "
                "that its foreign key refers to, or give it a tenant column"
            )
        self._declare(table, Through(table, parent), implied=implied)

    def declare_shared(self, table: Table) -> None:
        """Declare that ``table`` is the same for all tenants, on purpose."""
        if not self.is_apart(table):
            self._declare(table, Shared(table))

    def declare_apart(self, table: Table) -> None:
        """Declare the same of a table of another database, where another one may have its name."""
        self._change(lambda state: declaring_apart(state, table))

    def leave_references_unchecked(self, table: Table) -> None:
        """Write foreign keys of ``table`` without looking up the rows that they refer to."""
        key = table_key(table)
        self._change(lambda state: {"unchecked": state.unchecked | {key}})

    def _declare(self, table: Table, declaration: Declaration, *, implied: bool = False) -> None:
        self._change(lambda state: declaring(state, table, declaration, implied=implied))

    def observe(self, tables: Iterable[Table] | None) -> None:
        """Observe ``tables`` from now on instead of protecting them; ``None`` for all."""
        keys = None if tables is None else frozenset(map(table_key, tables))
        self._renew(observed=keys)

    def table_added(self, table: Table) -> None:
        """Renew what is derived, if it may depend on ``table``."""
        counts = may_reach_tenants(table)
        self._change(lambda state: adding(state, table, counts=counts))

    def _notice(self, table: TableClause) -> None:
        """Learn of a table in a statement that was defined before this package was imported."""
        if isinstance(table, Table) and table.metadata not in self._state.known:
            self.table_added(table)

    def _renew(self, **changes: Any) -> None:
        self._change(lambda state: changes)

    def _change(self, changes_to: Callable[[State], Changes]) -> None:
        """Replace the state by one with changes to it.

        Args:
            changes_to: returns the changes to a state, or ``None`` if there is nothing to do. It
                may be called again, and raises what is to be raised for the declaration.
        """
        with self._lock:
            while True:
                state = self._state
                changes = changes_to(state)
                if changes is None:
                    return
                changed = replace(state, **changes)
                # The lock does not keep a finalizer out that this thread runs meanwhile, and that
                # may execute a statement or declare. What it has changed must not be lost.
                if self._state is state:
                    self._state = changed
                    break
            self._publish()

    def _publish(self) -> None:
        state = self._state
        self.is_empty = not (state.declared or state.required)
        # Last, so that no answer from the old state is cached under the new generation.
        self.generation += 1
        self._published = state

    # -- querying ----------------------------------------------------------------

    def any_own_column(self) -> ColumnOwnership | None:
        """Return one of the tables that were declared with a tenant column, if there is one."""
        declared = self._state.declared.values()
        return next((each for each in declared if isinstance(each, ColumnOwnership)), None)

    @property
    def observes_all(self) -> bool:
        """Whether all tables are observed instead of protected."""
        return self._state.observed is None

    def is_observed(self, table: TableClause) -> bool:
        """Return whether ``table`` is observed instead of protected."""
        observed = self._state.observed
        return observed is None or table_key(table) in observed

    def is_shared(self, table: TableClause) -> bool:
        """Return whether ``table`` was declared as shared across tenants."""
        state = self._state
        return state.is_apart(table) or isinstance(state.declared.get(table_key(table)), Shared)

    def says_shared(self, table: Table) -> bool:
        """Return whether ``table`` was declared as shared itself, in its own ``MetaData``."""
        declared = self._state.declared.get(table_key(table))
        is_shared = isinstance(declared, Shared) and declared.says(table.metadata)
        return is_shared or self._state.is_apart(table)

    def ownership_of(
        self, table: TableClause, default_schemas: frozenset[str] = frozenset()
    ) -> Ownership | None:
        """Return how ``table``'s rows are assigned to a tenant; ``None`` if they are not.

        Args:
            table: any table construct, compared by schema and name.
            default_schemas: the database's names, in lower case, for its default schema.

        Raises:
            UnguardedStatementError: a table of this name in another schema is tenant-aware,
                and this one was never declared; it could be the same table.
        """
        state = self._state
        if state.apart and state.is_apart(table):
            return None
        return state.ownership_of(state.resolve(table, default_schemas), table)

    def ownership_in_statement(
        self,
        table: TableClause,
        default_schemas: frozenset[str],
        search_path: frozenset[str] | None = frozenset(),
    ) -> Ownership | None:
        """Return the same for a table that a statement reads or writes.

        Args:
            table: any table construct, compared by schema and name.
            default_schemas: the database's names, in lower case, for its default schema.
            search_path: all schemas, in lower case, in which an unqualified table is looked for;
                ``None`` if they are unknown.

        Raises:
            UnguardedStatementError: a table of this name in another schema is tenant-aware.
            ConfigurationError: the table's definition makes the database reach rows of other
                tenants.
        """
        self._notice(table)
        self._state.check_definition(table, default_schemas, search_path)
        return self.ownership_of(table, default_schemas)

    def check_moved(
        self,
        key: TableKey,
        schema: str | None,
        default_schemas: frozenset[str],
        search_path: frozenset[str] | None = frozenset(),
    ) -> None:
        """Refuse to read or write a table in another schema than its own.

        Args:
            key: the table.
            schema: the schema in which it is.
            default_schemas: the database's names, in lower case, for its default schema.
            search_path: all schemas, in lower case, in which an unqualified table is looked for;
                ``None`` if they are unknown.

        Raises:
            ConfigurationError: the table of that name there belongs to tenants differently.
        """
        self._state.check_moved(key, schema, default_schemas, search_path)

    def check_engine(
        self, table: TableClause, default_schemas: frozenset[str], used: dict[TableKey, bool]
    ) -> None:
        """Refuse a table where another one of its name is used that was said to be elsewhere.

        Args:
            table: the table that a statement reads or writes.
            default_schemas: the database's names, in lower case, for its default schema.
            used: of these tables, which of the two was used on the engine; added to.

        Raises:
            ConfigurationError: the other one was used on the same engine.
        """
        if self._state.apart:
            check_engine(table, self._state.apart, default_schemas, used)

    @property
    def has_namesakes(self) -> bool:
        """Whether tables of one name in several schemas belong to tenants differently."""
        return bool(self._state.namesakes)

    def references_of(
        self,
        table: TableClause,
        default_schemas: frozenset[str] = frozenset(),
        exact_text: ExactText = ExactText.EQUALS,
    ) -> tuple[Reference, ...]:
        """Return the foreign keys of ``table`` that must be checked when they are written.

        Args:
            table: any table construct, compared by schema and name.
            default_schemas: the database's names, in lower case, for its default schema.
            exact_text: how the database compares texts: where it takes different ones for equal,
                a foreign key that includes the tenant does not keep to it.
        """
        return self._state.references_of(table, default_schemas, exact_text)

    def keys_with_tenant(self, table: Table) -> list[ParentKey]:
        """Return the foreign keys of ``table`` that include the tenant."""
        own = self.ownership_of(table)
        parents = self._state.owned_parents(table)
        return [key for key, parent in parents if carries_tenant(key, own, parent)]

    def is_referred_to(self, table: Table) -> bool:
        """Return whether a foreign key that must be checked refers to ``table``."""
        return table_key(table) in self._state.referred_to

    def key_of_parent(
        self, table: TableClause, default_schemas: frozenset[str] = frozenset()
    ) -> tuple[str, ...]:
        """Return the primary key of ``table`` if other tables are tied to it.

        Without a primary key, return the columns that the first of them refers to.
        """
        state = self._state
        if state.is_apart(table):
            return ()
        key = state.resolve(table, default_schemas)
        for ownership in state.ownerships.values():
            for each in ownership.parent_keys if isinstance(ownership, ParentOwnership) else ():
                if table_key(each.parent) == key:
                    names = tuple(column.name for column in each.parent.primary_key)
                    return names or each.parent_columns
        return ()

    def tables(self) -> list[Table]:
        """Return all tables of every ``MetaData`` that may have to do with tenants' rows."""
        return list(self._state.tables.values())

    def definitions(self) -> list[Table]:
        """Return every object for each of these tables, as each may define a part of it."""
        return self._state.all_definitions()

    def definitions_of(self, table: TableClause) -> list[Table]:
        """Return every object for ``table``."""
        return self._state.definitions.get(table_key(table), [])

    def is_known(self, table: Table) -> bool:
        """Return whether this very ``table`` is among :meth:`tables`."""
        return self._state.tables.get(table_key(table)) is table

    def is_apart(self, table: TableClause) -> bool:
        """Return whether ``table`` was declared to be another one than its name says."""
        return self._state.is_apart(table)

    def names(self) -> frozenset[str]:
        """Return the names, case folded, of all tables that raw SQL must not name."""
        return self._state.kept_from_raw_sql

    def require(self, metadata: MetaData) -> None:
        """Require from now on that every table of ``metadata`` is declared."""
        self._change(lambda state: requiring(state, metadata))

    def check_required(self) -> None:
        """Check that every ``MetaData`` given to :meth:`require` is declared completely.

        Raises:
            ConfigurationError: there are undeclared tables; the message lists them.
        """
        state = self._state
        tables = [
            table
            for metadata in state.required
            for table in sorted(tables_in(metadata), key=lambda each: each.fullname)
            if not state.is_apart(table)
            and not isinstance(state.declared.get(table_key(table)), Shared)
            and state.ownership_of(table_key(table), table) is None
        ]
        if tables:
            raise ConfigurationError(
                "these tables are neither tenant-aware, nor tied to a table that is, nor "
                f"shared: {', '.join(map(table_label, tables))}; mark each with @tenant_aware "
                "or @shared_across_tenants"
            )


registry: Final = Registry()
"""The registry of this process."""
