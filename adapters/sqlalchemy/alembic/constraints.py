"""Operations for indexes and constraints that include the tenant, while the application runs.

Each step is a separate transaction, and can be run again after a failure.

https://www.postgresql.org/docs/current/sql-createindex.html, "Building Indexes Concurrently"
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass

from alembic.operations import MigrateOperation, Operations
from alembic.operations.ops import DropConstraintOp, DropIndexOp

from ..errors import ConfigurationError
from ..rls.sql import literal, quoted, table_name
from .execution import LOCK_TIMEOUT, Steps, steps

__all__ = ["CreateTenantForeignKeyOp", "CreateTenantIndexOp", "CreateTenantUniqueOp"]


@Operations.register_operation("create_tenant_index")
@dataclass(eq=False)
class CreateTenantIndexOp(MigrateOperation):
    """Builds an index concurrently."""

    name: str
    table: str
    columns: Sequence[str] = ("tenant_id",)
    _: KW_ONLY
    schema: str | None = None

    @classmethod
    def create_tenant_index(
        cls,
        operations: Operations,
        name: str,
        table: str,
        columns: Sequence[str] = ("tenant_id",),
        *,
        schema: str | None = None,
    ) -> None:
        """Build an index concurrently, so that the table stays writable.

        An invalid index of this name, left by a failed run, is dropped first. A valid one is
        kept, and nothing happens.

        Args:
            operations: filled in by Alembic.
            name: the index's name.
            table: the table's name; the table must not be partitioned.
            columns: the index's columns, the tenant column first.
            schema: the table's schema; ``None`` for the default one.

        Raises:
            ConfigurationError: the database is not PostgreSQL, or the transaction was begun
                outside of Alembic, or another object has this name.
        """
        operations.invoke(cls(name, table, tuple(columns), schema=schema))

    def reverse(self) -> MigrateOperation:
        """Return the operation that reverts this one."""
        return DropIndexOp(self.name, self.table, schema=self.schema)


@Operations.implementation_for(CreateTenantIndexOp)
def _create_index(operations: Operations, operation: CreateTenantIndexOp) -> None:
    with steps(operations, LOCK_TIMEOUT) as step:
        _build_index(step, operation, unique=False)


@Operations.register_operation("create_tenant_unique")
@dataclass(eq=False)
class CreateTenantUniqueOp(MigrateOperation):
    """Adds a unique constraint, based on an index that is built concurrently."""

    name: str
    table: str
    columns: Sequence[str] = ("tenant_id", "id")
    _: KW_ONLY
    schema: str | None = None
    lock_timeout: int = LOCK_TIMEOUT

    @classmethod
    def create_tenant_unique(
        cls,
        operations: Operations,
        name: str,
        table: str,
        columns: Sequence[str] = ("tenant_id", "id"),
        *,
        schema: str | None = None,
        lock_timeout: int = LOCK_TIMEOUT,
    ) -> None:
        """Add a unique constraint, based on an index that is built concurrently.

        Composite foreign keys refer to it. An existing constraint is kept.

        Args:
            operations: filled in by Alembic.
            name: the name of the constraint and its index.
            table: the table's name; the table must not be partitioned.
            columns: the constraint's columns, the tenant column first.
            schema: the table's schema; ``None`` for the default one.
            lock_timeout: see ``add_tenant_column``.

        Raises:
            ConfigurationError: the database is not PostgreSQL, or the transaction was begun
                outside of Alembic, or another object has this name.
            sqlalchemy.exc.IntegrityError: some rows are not unique.
        """
        operations.invoke(
            cls(name, table, tuple(columns), schema=schema, lock_timeout=lock_timeout)
        )

    def reverse(self) -> MigrateOperation:
        """Return the operation that reverts this one."""
        return DropConstraintOp(self.name, self.table, "unique", schema=self.schema)


@Operations.implementation_for(CreateTenantUniqueOp)
def _create_unique(operations: Operations, operation: CreateTenantUniqueOp) -> None:
    table = table_name(operation.schema, operation.table)
    with steps(operations, operation.lock_timeout) as step:
        _build_index(step, operation, unique=True)
        if not _has_constraint(step, table, operation.name):
            step.lock(
                f"ALTER TABLE {table} ADD CONSTRAINT {quoted(operation.name)} "
                f"UNIQUE USING INDEX {quoted(operation.name)}"
            )


@Operations.register_operation("create_tenant_foreign_key")
@dataclass(eq=False)
class CreateTenantForeignKeyOp(MigrateOperation):
    """Adds a foreign key for new rows first, and validates it for existing rows afterwards."""

    name: str
    table: str
    columns: Sequence[str]
    parent: str
    parent_columns: Sequence[str]
    _: KW_ONLY
    ondelete: str | None = None
    schema: str | None = None
    parent_schema: str | None = None
    lock_timeout: int = LOCK_TIMEOUT

    @classmethod
    def create_tenant_foreign_key(
        cls,
        operations: Operations,
        name: str,
        table: str,
        columns: Sequence[str],
        parent: str,
        parent_columns: Sequence[str],
        *,
        ondelete: str | None = None,
        schema: str | None = None,
        parent_schema: str | None = None,
        lock_timeout: int = LOCK_TIMEOUT,
    ) -> None:
        """Add a foreign key for new rows first, and validate it for existing rows afterwards.

        Args:
            operations: filled in by Alembic.
            name: the constraint's name.
            table: the table's name.
            columns: the columns of the foreign key, including the tenant column.
            parent: the name of the table that they refer to.
            parent_columns: the columns that they refer to, in the same order.
            ondelete: the action in SQL, such as ``CASCADE``.
            schema: the table's schema; ``None`` for the default one.
            parent_schema: the parent's schema; ``None`` for the default one.
            lock_timeout: see ``add_tenant_column``. Both tables are locked.

        Raises:
            ConfigurationError: the database is not PostgreSQL, or the transaction was begun
                outside of Alembic.
            sqlalchemy.exc.IntegrityError: a row refers to another tenant's row, or to a
                missing one.
        """
        # Longer than 40 lines because of its documented parameters; it has one statement.
        operations.invoke(
            cls(
                name,
                table,
                tuple(columns),
                parent,
                tuple(parent_columns),
                ondelete=ondelete,
                schema=schema,
                parent_schema=parent_schema,
                lock_timeout=lock_timeout,
            )
        )

    def reverse(self) -> MigrateOperation:
        """Return the operation that reverts this one."""
        return DropConstraintOp(self.name, self.table, "foreignkey", schema=self.schema)


@Operations.implementation_for(CreateTenantForeignKeyOp)
def _create_foreign_key(operations: Operations, operation: CreateTenantForeignKeyOp) -> None:
    table, name = table_name(operation.schema, operation.table), quoted(operation.name)
    parent = table_name(operation.parent_schema, operation.parent)
    with steps(operations, operation.lock_timeout) as step:
        # One statement, which also replaces the constraint of an earlier, failed run.
        step.lock(
            f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {name}, ADD CONSTRAINT {name} "
            f"FOREIGN KEY ({_list(operation.columns)}) "
            f"REFERENCES {parent} ({_list(operation.parent_columns)})"
            f"{f' ON DELETE {operation.ondelete}' if operation.ondelete else ''} NOT VALID"
        )
        step.run(f"ALTER TABLE {table} VALIDATE CONSTRAINT {name}")


def _list(columns: Sequence[str]) -> str:
    return ", ".join(map(quoted, columns))


def _build_index(
    step: Steps, operation: CreateTenantIndexOp | CreateTenantUniqueOp, *, unique: bool
) -> None:
    table = table_name(operation.schema, operation.table)
    index = table_name(operation.schema, operation.name)
    # It waits for other transactions to end, but does not block any.
    step.run("SET lock_timeout = 0")
    try:
        if _left_over(step, operation, table, unique=unique):
            step.run(f"DROP INDEX CONCURRENTLY IF EXISTS {index}")
        step.run(
            f"CREATE {'UNIQUE ' if unique else ''}INDEX CONCURRENTLY IF NOT EXISTS "
            f"{quoted(operation.name)} ON {table} ({_list(operation.columns)})"
        )
    finally:
        step.run("RESET lock_timeout")


def _left_over(
    step: Steps,
    operation: CreateTenantIndexOp | CreateTenantUniqueOp,
    table: str,
    *,
    unique: bool,
) -> bool:
    """Return whether a failed run has left an invalid index of this name.

    Raises:
        ConfigurationError: another object has this name.
    """
    if step.as_sql:
        # Offline, it is not known what exists. A valid plain index is rebuilt; PostgreSQL
        # refuses to drop the index of a constraint.
        return True
    columns = ", ".join(map(literal, operation.columns))
    found = step.rows(
        "SELECT i.indisvalid, pg_get_indexdef(c.oid), i.indrelid = t.oid AND i.indisunique = "
        f"{unique} AND ARRAY(SELECT a.attname::text FROM unnest(i.indkey) WITH ORDINALITY AS "
        "k(number, place) LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND "
        f"a.attnum = k.number ORDER BY k.place) = ARRAY[{columns}] AND "
        "i.indpred IS NULL "
        "FROM pg_catalog.pg_class t JOIN pg_catalog.pg_class c USING (relnamespace) "
        "LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid "
        f"WHERE t.oid = {literal(table)}::regclass AND c.relname = {literal(operation.name)}"
    )
    if not found:
        return False
    [(is_valid, definition, is_same)] = found
    if not is_same:
        raise ConfigurationError(
            f"another object in the schema of {table} is called {operation.name!r} "
            f"({definition or 'it is not an index'}): choose another name"
        )
    return not is_valid


def _has_constraint(step: Steps, table: str, name: str) -> bool:
    return bool(
        step.rows(
            "SELECT 1 FROM pg_catalog.pg_constraint "
            f"WHERE conrelid = to_regclass({literal(table)}) AND conname = {literal(name)}"
        )
    )
