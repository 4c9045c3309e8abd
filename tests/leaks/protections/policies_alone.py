"""This project's policies in PostgreSQL, and no guard: the models are not declared here.

A process of its own works out the policies, since declarations hold for a whole process.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Final

from sqlalchemy import MetaData, String
from sqlalchemy.orm import Mapped, declared_attr, mapped_column

from tenantshield_mw import TenantShieldError, system_scope, tenant_scope, try_current_tenant
from tenantshield_mw.adapters.sqlalchemy import SessionScope
from tenantshield_mw.context import carry_tenant
from tests.policy_database import is_refused_by_policy

from . import Protection

__all__ = ["protection"]


def _tenant_in_scope() -> Any:
    tenant = try_current_tenant()
    return None if tenant is None else tenant.tenant_id


class FilledColumn:
    """A tenant column as an application writes it that trusts in the database alone."""

    @declared_attr
    def tenant_id(cls) -> Mapped[str]:  # noqa: N805
        return mapped_column(String(40), index=True, default=_tenant_in_scope)


class _PoliciesAlone(Protection):
    def policies(self, metadata: MetaData) -> list[str]:
        done = subprocess.run(
            [sys.executable, "-c", _POLICIES], capture_output=True, text=True, check=True
        )
        schema, statements = json.loads(done.stdout)
        from tests.leaks.schema import SCHEMA

        return [each.replace(schema, SCHEMA) for each in statements]

    def is_refusal(self, error: Exception) -> bool:
        return super().is_refusal(error) or is_refused_by_policy(error)

    def scope(self, tenant: Any) -> AbstractContextManager[Any]:
        return SessionScope() if tenant is None else tenant_scope(tenant)

    def system(self) -> AbstractContextManager[Any]:
        return system_scope("to see whether it sees everything")

    def carry(self, function: Callable[..., Any]) -> Callable[..., Any]:
        return carry_tenant(function)


_POLICIES: Final = """
import json
from tests.leaks.protections import ours
from tests.leaks.schema import SCHEMA, Models
protection = ours.protection(has_policies=True)
print(json.dumps([SCHEMA, protection.policies(Models(protection).metadata)]))
"""


def protection() -> Protection:
    return _PoliciesAlone(own=FilledColumn, refusals=(TenantShieldError,), has_policies=True)
