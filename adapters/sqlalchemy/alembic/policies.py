"""Operations that put the policies of a table in place, and take them away."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from alembic.operations import MigrateOperation, Operations

from ..errors import ConfigurationError
from ..rls.policies import functions_of, statements_to_create, statements_to_drop, table_name
from ..rls.specification import TablePolicySpec
from .execution import execute

__all__ = ["DropTenantPoliciesOp", "PutTenantPoliciesOp"]


@Operations.register_operation("put_tenant_policies")
class PutTenantPoliciesOp(MigrateOperation):
    """Puts the policies of one table in place, over whatever this package has put there."""

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
        """Put the policies of one table in place, over whatever this package has put there.

        Row-level security is enabled and forced. What was different before is replaced;
        other people's policies stay.

        Args:
            operations: filled in by Alembic.
            spec: the table, and what its policies are made from.
            among: the tables along whose own ties a way leads from what this one refers to
                back to it.
            before: what the policies that are in place were made from, if there are any;
                undoing this puts those back.
            leave_enabled: whether undoing this leaves row-level security as it is.

        Raises:
            ConfigurationError: the database is not PostgreSQL, or ``spec`` has neither a
                tenant column nor ties.
        """
        operations.invoke(cls(spec, among=among, before=before, leave_enabled=leave_enabled))

    def statements(self) -> Iterator[str]:
        """Yield the operation as SQL.

        Raises:
            ConfigurationError: the table has neither a tenant column nor ties.
        """
        if self.spec.column is None and not self.spec.ties:
            raise ConfigurationError(
                f"put_tenant_policies() for {table_name(self.spec.schema, self.spec.name)}: "
                "nothing says whose its rows are; what was in place before had been altered "
                "by hand, so give the TablePolicySpec its column= or its ties="
            )
        yield from statements_to_create(self.spec, self.among)
        if self.before is not None:
            wanted = {each.name for each in functions_of(self.spec, self.among)}
            for function in functions_of(self.before, self.among):
                if function.name not in wanted:
                    yield f"DROP FUNCTION IF EXISTS {table_name(function.schema, function.name)}"

    def reverse(self) -> MigrateOperation:
        """Return what undoes this."""
        if self.before is not None:
            return PutTenantPoliciesOp(self.before, among=self.among, before=self.spec)
        return DropTenantPoliciesOp(self.spec, among=self.among, leave_enabled=self.leave_enabled)

    def to_diff_tuple(self) -> tuple[Any, ...]:
        """Return what ``alembic check`` shows."""
        return ("put_tenant_policies", self.spec)


@Operations.register_operation("drop_tenant_policies")
class DropTenantPoliciesOp(MigrateOperation):
    """Takes the policies of one table away."""

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
        """Take the policies of one table away.

        Args:
            operations: filled in by Alembic.
            spec: the table, and what its policies were made from.
            among: see ``put_tenant_policies``.
            leave_enabled: whether row-level security stays enabled: for the time until new
                policies are put in place, or because there are other people's policies.
                A table on which it is enabled and that has no policies shows no row.

        Raises:
            ConfigurationError: the database is not PostgreSQL.
        """
        operations.invoke(cls(spec, among=among, leave_enabled=leave_enabled))

    def statements(self) -> Iterator[str]:
        """Yield the operation as SQL."""
        for statement in statements_to_drop(self.spec, self.among):
            if not (self.leave_enabled and statement.startswith("ALTER TABLE")):
                yield statement

    def reverse(self) -> MigrateOperation:
        """Return what undoes this."""
        return PutTenantPoliciesOp(self.spec, among=self.among, leave_enabled=self.leave_enabled)

    def to_diff_tuple(self) -> tuple[Any, ...]:
        """Return what ``alembic check`` shows."""
        return ("drop_tenant_policies", self.spec)


@Operations.implementation_for(PutTenantPoliciesOp)
@Operations.implementation_for(DropTenantPoliciesOp)
def _implement(
    operations: Operations, operation: PutTenantPoliciesOp | DropTenantPoliciesOp
) -> None:
    execute(operations, operation.statements())
