"""Operations that give a table its tenant column, in steps that keep nobody waiting for long.

Each step is a transaction of its own, and can be run again after it failed.

https://www.postgresql.org/docs/current/sql-altertable.html, "Notes"
"""

from __future__ import annotations

import uuid
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, Final

from alembic.operations import MigrateOperation, Operations
from alembic.operations.ops import AlterColumnOp, DropColumnOp
from sqlalchemy.types import String, TypeEngine

from ..errors import ConfigurationError
from ..rls.policies import literal, quoted, table_name
from .execution import LOCK_TIMEOUT, steps
from .filling import fill

__all__ = ["AddTenantColumnOp", "FillTenantColumnOp", "RequireTenantColumnOp"]

CHECK: Final = "tenantshield_not_null"


@Operations.register_operation("add_tenant_column")
@dataclass(eq=False)
class AddTenantColumnOp(MigrateOperation):
    """Adds a column that may be NULL, so that no row is written."""

    table: str
    column: str = "tenant_id"
    type_: TypeEngine[Any] | None = None
    _: KW_ONLY
    default: str | int | uuid.UUID | None = None
    schema: str | None = None
    lock_timeout: int = LOCK_TIMEOUT

    @classmethod
    def add_tenant_column(
        cls,
        operations: Operations,
        table: str,
        column: str = "tenant_id",
        type_: TypeEngine[Any] | None = None,
        *,
        default: str | int | uuid.UUID | None = None,
        schema: str | None = None,
        lock_timeout: int = LOCK_TIMEOUT,
    ) -> None:
        """Add a column that may be NULL, so that no row is written.

        A column that is there stays.

        Args:
            operations: filled in by Alembic.
            table: the table's name.
            column: the new column's name.
            type_: its type; ``String(255)`` if left out.
            default: the tenant of the rows that come from an application which does not
                know the column yet. Those that are there are not given it.
            schema: the table's schema; ``None`` for the default one.
            lock_timeout: how long to wait, and keep others waiting, for the lock on the
                table at each of ten attempts, in milliseconds.

        Raises:
            ConfigurationError: the database is not PostgreSQL, or env.py has begun the
                transaction.
        """
        operations.invoke(
            cls(table, column, type_, default=default, schema=schema, lock_timeout=lock_timeout)
        )

    def reverse(self) -> MigrateOperation:
        """Return what undoes this."""
        return DropColumnOp(self.table, self.column, schema=self.schema)


@Operations.implementation_for(AddTenantColumnOp)
def _add(operations: Operations, operation: AddTenantColumnOp) -> None:
    wanted = String(255) if operation.type_ is None else operation.type_
    type_ = wanted.compile(dialect=operations.get_context().dialect)
    table, column = table_name(operation.schema, operation.table), quoted(operation.column)
    with steps(operations, operation.lock_timeout) as step:
        step.lock(f"ALTER TABLE {table} ADD COLUMN IF NOT EXISTS {column} {type_}")
        if operation.default is not None:
            default = literal(operation.default)
            step.lock(f"ALTER TABLE {table} ALTER COLUMN {column} SET DEFAULT {default}")


@Operations.register_operation("require_tenant_column")
@dataclass(eq=False)
class RequireTenantColumnOp(MigrateOperation):
    """Makes a column ``NOT NULL`` without reading the table under a lock that blocks."""

    table: str
    column: str = "tenant_id"
    _: KW_ONLY
    schema: str | None = None
    lock_timeout: int = LOCK_TIMEOUT

    @classmethod
    def require_tenant_column(
        cls,
        operations: Operations,
        table: str,
        column: str = "tenant_id",
        *,
        schema: str | None = None,
        lock_timeout: int = LOCK_TIMEOUT,
    ) -> None:
        """Make a column ``NOT NULL`` without reading the table under a lock that blocks.

        A check that holds for new rows comes first; it is validated beside the running
        application, and PostgreSQL takes it for the proof.

        Args:
            operations: filled in by Alembic.
            table: the table's name.
            column: the column's name.
            schema: the table's schema; ``None`` for the default one.
            lock_timeout: see ``add_tenant_column``.

        Raises:
            ConfigurationError: the database is not PostgreSQL, or env.py has begun the
                transaction.
            sqlalchemy.exc.IntegrityError: there is a row without a tenant.
        """
        operations.invoke(cls(table, column, schema=schema, lock_timeout=lock_timeout))

    def reverse(self) -> MigrateOperation:
        """Return what undoes this."""
        return AlterColumnOp(self.table, self.column, schema=self.schema, modify_nullable=True)


@Operations.implementation_for(RequireTenantColumnOp)
def _require(operations: Operations, operation: RequireTenantColumnOp) -> None:
    table, column = table_name(operation.schema, operation.table), quoted(operation.column)
    with steps(operations, operation.lock_timeout) as step:
        # In one statement, so that one that an earlier run has left is no obstacle.
        step.lock(
            f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {CHECK}, "
            f"ADD CONSTRAINT {CHECK} CHECK ({column} IS NOT NULL) NOT VALID"
        )
        step.run(f"ALTER TABLE {table} VALIDATE CONSTRAINT {CHECK}")
        # In two: in one, PostgreSQL would drop the proof before it asks for it.
        step.lock(f"ALTER TABLE {table} ALTER COLUMN {column} SET NOT NULL")
        step.lock(f"ALTER TABLE {table} DROP CONSTRAINT {CHECK}")


@Operations.register_operation("fill_tenant_column")
@dataclass(eq=False)
class FillTenantColumnOp(MigrateOperation):
    """Gives a tenant to all rows that have none, some at a time."""

    table: str
    column: str = "tenant_id"
    _: KW_ONLY
    value: str | int | uuid.UUID | None = None
    sql: str | None = None
    batch_rows: int = 5000
    schema: str | None = None
    expression: str = field(init=False)

    def __post_init__(self) -> None:
        if (self.value is None) == (self.sql is None):
            raise ConfigurationError(
                f'fill_tenant_column("{self.table}") takes one of value= and sql=: the tenant of '
                "all rows, or an expression that says it for each"
            )
        if self.batch_rows < 1:
            raise ConfigurationError("batch_rows= is how many rows to write at a time, at least 1")
        self.expression = f"({self.sql})" if self.value is None else literal(self.value)

    @classmethod
    def fill_tenant_column(
        cls,
        operations: Operations,
        table: str,
        column: str = "tenant_id",
        *,
        value: str | int | uuid.UUID | None = None,
        sql: str | None = None,
        batch_rows: int = 5000,
        schema: str | None = None,
    ) -> None:
        """Give a tenant to all rows that have none, some at a time.

        Each batch is a transaction. Rows that somebody else has locked are left for the
        next pass. After a failure the rows that are done are not done again. How far it is
        goes to the log ``alembic.tenantshield``.

        Args:
            operations: filled in by Alembic.
            table: the table's name.
            column: the tenant column's name.
            value: the tenant that all rows belong to.
            sql: instead of ``value``, an expression for a row's tenant. The row's own
                columns go by the name ``filled``: ``SELECT c.tenant_id FROM customer c
                WHERE c.id = filled.customer_id``.
            batch_rows: how many rows to write in one transaction.
            schema: the table's schema; ``None`` for the default one.

        Raises:
            ConfigurationError: the database is not PostgreSQL, or env.py has begun the
                transaction, or both or neither of ``value`` and ``sql`` were given, or the
                expression says nothing for some rows.
        """
        operations.invoke(
            cls(table, column, value=value, sql=sql, batch_rows=batch_rows, schema=schema)
        )

    def reverse(self) -> MigrateOperation:
        """Return what undoes this: nothing, the rows keep their tenant."""
        return _Nothing()


class _Nothing(MigrateOperation):
    """Does nothing."""

    def reverse(self) -> MigrateOperation:
        return self


@Operations.implementation_for(_Nothing)
def _do_nothing(operations: Operations, operation: _Nothing) -> None:
    pass


@Operations.implementation_for(FillTenantColumnOp)
def _fill(operations: Operations, operation: FillTenantColumnOp) -> None:
    with steps(operations, LOCK_TIMEOUT) as step:
        # Where policies would hide rows from this role, it is an error, not a shorter run.
        step.run("SET row_security = off")
        try:
            fill(step, operation)
        finally:
            step.run("RESET row_security")
