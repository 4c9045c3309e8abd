"""Operations that add the tenant column to a table, in steps that block others only briefly.

Each step is a separate transaction, and can be run again after a failure.

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
from ..rls.sql import literal, quoted, table_name
from .execution import LOCK_TIMEOUT, steps
from .filling import fill
from .lifting import policies_lifted

__all__ = ["AddTenantColumnOp", "FillTenantColumnOp", "RequireTenantColumnOp"]

CHECK: Final = "tenantshield_not_null"


@Operations.register_operation("add_tenant_column")
@dataclass(eq=False)
class AddTenantColumnOp(MigrateOperation):
    """Adds a nullable column, so that no rows are rewritten."""

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
        """Add a nullable column, so that no rows are rewritten.

        An existing column is kept.

        Args:
            operations: filled in by Alembic.
            table: the table's name.
            column: the new column's name.
            type_: its type; ``String(255)`` if left out.
            default: the tenant of new rows from an application that does not know the
                column yet. Existing rows do not get it.
            schema: the table's schema; ``None`` for the default one.
            lock_timeout: how many milliseconds each of ten attempts waits for the lock on
                the table, and blocks others while it waits.

        Raises:
            ConfigurationError: the database is not PostgreSQL, or the transaction was begun
                outside of Alembic.
        """
        operations.invoke(
            cls(table, column, type_, default=default, schema=schema, lock_timeout=lock_timeout)
        )

    def reverse(self) -> MigrateOperation:
        """Return the operation that reverts this one."""
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
    """Makes a column ``NOT NULL`` without scanning the table under a blocking lock."""

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
        """Make a column ``NOT NULL`` without scanning the table under a blocking lock.

        A check constraint is added for new rows first and validated while the application
        runs. PostgreSQL then accepts it as proof that no row is NULL.

        Args:
            operations: filled in by Alembic.
            table: the table's name.
            column: the column's name.
            schema: the table's schema; ``None`` for the default one.
            lock_timeout: see ``add_tenant_column``.

        Raises:
            ConfigurationError: the database is not PostgreSQL, or the transaction was begun
                outside of Alembic.
            sqlalchemy.exc.IntegrityError: there is a row without a tenant.
        """
        operations.invoke(cls(table, column, schema=schema, lock_timeout=lock_timeout))

    def reverse(self) -> MigrateOperation:
        """Return the operation that reverts this one."""
        return AlterColumnOp(self.table, self.column, schema=self.schema, modify_nullable=True)


@Operations.implementation_for(RequireTenantColumnOp)
def _require(operations: Operations, operation: RequireTenantColumnOp) -> None:
    table, column = table_name(operation.schema, operation.table), quoted(operation.column)
    with steps(operations, operation.lock_timeout) as step:
        # One statement, which also replaces the constraint of an earlier, failed run.
        step.lock(
            f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {CHECK}, "
            f"ADD CONSTRAINT {CHECK} CHECK ({column} IS NOT NULL) NOT VALID"
        )
        step.run(f"ALTER TABLE {table} VALIDATE CONSTRAINT {CHECK}")
        # Two statements: in one, PostgreSQL would drop the proof before it needs it.
        step.lock(f"ALTER TABLE {table} ALTER COLUMN {column} SET NOT NULL")
        step.lock(f"ALTER TABLE {table} DROP CONSTRAINT {CHECK}")


@Operations.register_operation("fill_tenant_column")
@dataclass(eq=False)
class FillTenantColumnOp(MigrateOperation):
    """Assigns a tenant to all rows that have none, in batches."""

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
                f'fill_tenant_column("{self.table}") takes either value= or sql=: the tenant of '
                "all rows, or an expression for the tenant of each row"
            )
        if self.batch_rows < 1:
            raise ConfigurationError("batch_rows= must be at least 1")
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
        """Assign a tenant to all rows that have none, in batches.

        Each batch is one transaction. Rows that another transaction has locked are left for
        the next pass. After a failure, the next run continues with the remaining rows.
        Progress is logged to ``alembic.tenantshield``.

        Tables with policies may be filled and read by their owner, whom the policies do not bind
        for the time of this operation: those that ``sql`` names, and the table itself. If the
        process is killed, ``alembic check`` finds their policies "not forced".

        Args:
            operations: filled in by Alembic.
            table: the table's name.
            column: the tenant column's name.
            value: the tenant of all rows.
            sql: instead of ``value``, an expression for a row's tenant. The row is called
                ``filled``: ``SELECT c.tenant_id FROM customer c
                WHERE c.id = filled.customer_id``.
            batch_rows: how many rows to write in one transaction.
            schema: the table's schema; ``None`` for the default one.

        Raises:
            ConfigurationError: the database is not PostgreSQL, or the transaction was begun
                outside of Alembic, or both or neither of ``value`` and ``sql`` were given,
                or the expression is NULL for some rows.
        """
        operations.invoke(
            cls(table, column, value=value, sql=sql, batch_rows=batch_rows, schema=schema)
        )

    def reverse(self) -> MigrateOperation:
        """Return an operation that does nothing: the rows keep their tenant."""
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
        # If policies hide rows from this role, PostgreSQL raises instead of skipping them.
        step.run("SET row_security = off")
        try:
            with policies_lifted(step, operation):
                fill(step, operation)
        finally:
            step.run("RESET row_security")
