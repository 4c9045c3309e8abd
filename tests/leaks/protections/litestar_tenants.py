"""litestar-tenants in its mode for every database (``orm-scoped``), from its README.

A mixin brings the column ``tenant``. The tenant is bound to each session object when it
is made, as its Litestar provider does; code outside of a session has none. Its other
mode is PostgreSQL's row-level security, which is not what is compared here.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from sqlalchemy.orm import Session

from . import Protection, remembered

__all__ = ["protection"]


class _LitestarTenants(Protection):
    def finish(self, models: Any) -> None:
        self._scoped.register_tenant_scoping()

    def opened(self, session: Session) -> None:
        if remembered() is not None:
            self._scoped.scope_session_to_tenant(session, remembered())

    @property
    def _scoped(self) -> Any:
        return import_module("litestar_tenants.orm_scoped")


def protection() -> Protection:
    return _LitestarTenants(
        key="tenant",
        own=import_module("litestar_tenants.orm_scoped").TenantMixin,
        refusals=(import_module("litestar_tenants.exceptions").LitestarTenantsError,),
        features=frozenset({"keys", "concrete"}),
    )
