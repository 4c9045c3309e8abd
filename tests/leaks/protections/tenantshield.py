"""tenantshield, from its docstrings: ``@tenant_aware`` on models, ``SessionScope``.

Its middleware can refuse requests without a tenant, which is outside of what is tried
here. A model without a ``tenant_id`` column of its own cannot be marked.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from importlib import import_module
from typing import Any

from . import Protection, T

__all__ = ["protection"]


class _TenantShield(Protection):
    def aware(self, model: T) -> T:
        marked: T = self._adapter.tenant_aware(model)
        return marked

    def subclass(self, model: T) -> T:
        # Its listeners on a base are not handed on to subclasses.
        table: Any = getattr(model, "__table__", None)
        return self.aware(model) if self.key in table.columns else model

    @property
    def _adapter(self) -> Any:
        return import_module("tenantshield.adapters.sqlalchemy")

    def scope(self, tenant: Any) -> AbstractContextManager[Any]:
        scope: AbstractContextManager[Any] = self._adapter.SessionScope(tenant=tenant)
        return scope


def protection() -> Protection:
    errors = import_module("tenantshield.exceptions")
    return _TenantShield(
        refusals=(errors.TenantShieldError,),
        features=frozenset({"keys", "concrete", "ambient"}),
    )
