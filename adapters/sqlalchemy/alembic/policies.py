"""Operations that create and drop the policies of a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from alembic.operations import MigrateOperation, Operations

from tenantshield_mw.context import system_scope

from ..errors import ConfigurationError
from ..rls.distributed import refuse_distributed
from ..rls.policies import functions_of, statements_to_create, statements_to_drop
from ..rls.specification import TablePolicySpec
from ..rls.sql import table_name
from .execution import execute, require_postgresql

__all__ = ["DropTenantPoliciesOp", "PutTenantPoliciesOp"]


@Operations.register_operation("put_tenant_policies")
class PutTenantPoliciesOp(MigrateOperation):
    """Creates the policies of one table, and replaces earlier ones of this package."""

    def __init__(
        self,
        spec: TablePolicySpec,
        *,
        among: Sequence[TablePolicySpec] = (),
        before: TablePolicySpec | None = None,
        leave_enabled: bool = False,
    ) -> None:
        self.spec = spec
        self.among = tuple(among)
        self.before = before
        self.leave_enabled = leave_enabled

    @classmethod
    def put_tenant_policies(
        cls,
        operations: Operations,
        spec: TablePolicySpec,
        *,
        among: Sequence[TablePolicySpec] = (),
        before: TablePolicySpec | None = None,
        leave_enabled: bool = False,
    ) -> None:
        """Create the policies of one table, and replace earlier ones of this package.

        Row-level security is enabled and forced. Policies that this package did not create
        are kept.

        Args:
            operations: filled in by Alembic.
            spec: the specification of the table's policies.
            among: the specifications of the tied tables that lead from the table's
                references back to it.
            before: the specification of the existing policies, if there are any; a
                downgrade restores these.
            leave_enabled: whether a downgrade leaves row-level security enabled.

        Raises:
            ConfigurationError: the database is not PostgreSQL, or ``spec`` has neither a
                tenant column nor ties, or Citus has distributed the table; offline, the last
                is not checked.
        """
        operations.invoke(cls(spec, among=among, before=before, leave_enabled=leave_enabled))

    def statements(self) -> Iterator[str]:
        """Yield the operation's statements.

        Raises:
            ConfigurationError: the table has neither a tenant column nor ties.
        """
        if self.spec.column is None and not self.spec.ties:
            raise ConfigurationError(
                f"put_tenant_policies() for {table_name(self.spec.schema, self.spec.name)}: "
                "the specification does not say how rows are assigned to a tenant, because the "
                "earlier policies had been altered by hand: add column= or ties= to the "
                "TablePolicySpec"
            )
        yield from statements_to_create(self.spec, self.among)
        if self.before is not None:
            wanted = {each.name for each in functions_of(self.spec, self.among)}
            for function in functions_of(self.before, self.among):
                if function.name not in wanted:
                    yield f"DROP FUNCTION IF EXISTS {table_name(function.schema, function.name)}"

    def reverse(self) -> MigrateOperation:
        """Return the operation that reverts this one."""
        if self.before is not None:
            return PutTenantPoliciesOp(self.before, among=self.among, before=self.spec)
        return DropTenantPoliciesOp(self.spec, among=self.among, leave_enabled=self.leave_enabled)

    def to_diff_tuple(self) -> tuple[Any, ...]:
        """Return what ``alembic check`` prints."""
        return ("put_tenant_policies", self.spec)


@Operations.register_operation("drop_tenant_policies")
class DropTenantPoliciesOp(MigrateOperation):
    """Drops the policies of one table."""

    def __init__(
        self,
        spec: TablePolicySpec,
        *,
        among: Sequence[TablePolicySpec] = (),
        leave_enabled: bool = False,
    ) -> None:
        self.spec = spec
        self.among = tuple(among)
        self.leave_enabled = leave_enabled

    @classmethod
    def drop_tenant_policies(
        cls,
        operations: Operations,
        spec: TablePolicySpec,
        *,
        among: Sequence[TablePolicySpec] = (),
        leave_enabled: bool = False,
    ) -> None:
        """Drop the policies of one table.

        Args:
            operations: filled in by Alembic.
            spec: the specification of the table's policies.
            among: see ``put_tenant_policies``.
            leave_enabled: whether row-level security stays enabled, because new policies
                follow or because the table has policies from elsewhere. A table with
                row-level security and no policies shows no rows.

        Raises:
            ConfigurationError: the database is not PostgreSQL.
        """
        operations.invoke(cls(spec, among=among, leave_enabled=leave_enabled))

    def statements(self) -> Iterator[str]:
        """Yield the operation's statements."""
        for statement in statements_to_drop(self.spec, self.among):
            if not (self.leave_enabled and statement.startswith("ALTER TABLE")):
                yield statement

    def reverse(self) -> MigrateOperation:
        """Return the operation that reverts this one."""
        return PutTenantPoliciesOp(self.spec, among=self.among, leave_enabled=self.leave_enabled)

    def to_diff_tuple(self) -> tuple[Any, ...]:
        """Return what ``alembic check`` prints."""
        return ("drop_tenant_policies", self.spec)


@Operations.implementation_for(PutTenantPoliciesOp)
@Operations.implementation_for(DropTenantPoliciesOp)
def _implement(
    operations: Operations, operation: PutTenantPoliciesOp | DropTenantPoliciesOp
) -> None:
    if isinstance(operation, PutTenantPoliciesOp) and not operations.get_context().as_sql:
        require_postgresql(operations)
        with system_scope("database migration"):
            refuse_distributed(operations.get_bind(), [operation.spec])
    execute(operations, operation.statements())
