"""This project."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, ClassVar

from sqlalchemy import ForeignKeyConstraint, MetaData, Table, TypeDecorator

from tenantshield_mw import TenantShieldError, system_scope, tenant_scope
from tenantshield_mw.adapters.sqlalchemy import (
    SessionScope,
    rls,
    shared_across_tenants,
    tenant_aware,
    tenant_foreign_key,
)
from tenantshield_mw.context import carry_tenant
from tests.policy_database import is_refused_by_policy

from . import Protection, T

__all__ = ["protection"]


class _Ours(Protection):
    reviewed: ClassVar[dict[str, Any]] = {"tenantshield_reviewed": True}

    def aware(self, model: T) -> T:
        return tenant_aware(model)

    def aware_shared(self, value: Any) -> Callable[[T], T]:
        return tenant_aware(shared_rows=value)

    def aware_column(self, column: str) -> Callable[[T], T]:
        return tenant_aware(column=column)

    def aware_table(self, table: Table) -> None:
        tenant_aware(table)

    def through(self, parent: str) -> Callable[[T], T]:
        return tenant_aware(through=parent)

    def shared(self, model: T) -> T:
        return shared_across_tenants(model)

    def shared_elsewhere(self, table: Table) -> Table:
        return shared_across_tenants(table, in_another_database=True)

    def tenant_key(self, column: str, parent: str) -> ForeignKeyConstraint:
        return tenant_foreign_key(column, f"{parent}.id")

    def scope(self, tenant: Any) -> AbstractContextManager[Any]:
        return SessionScope() if tenant is None else tenant_scope(tenant)

    def system(self) -> AbstractContextManager[Any]:
        return system_scope("to see whether it sees everything", at=self.at)

    def policies(self, metadata: MetaData) -> list[str]:
        if not self.has_policies:
            return []
        # The database compares the tenant as it is in the scope, not as a type converts it.
        taken = MetaData()
        for table in metadata.sorted_tables:
            if not any(isinstance(each.type, TypeDecorator) for each in table.columns):
                table.to_metadata(taken)
        return rls.policy_statements(taken)

    def is_refusal(self, error: Exception) -> bool:
        return super().is_refusal(error) or (self.has_policies and is_refused_by_policy(error))

    def carry(self, function: Callable[..., Any]) -> Callable[..., Any]:
        return carry_tenant(function)


def protection(*, has_policies: bool = False) -> Protection:
    return _Ours(
        refusals=(TenantShieldError,),
        has_policies=has_policies,
        features=Protection.features | {"tenant_keys"},
    )
