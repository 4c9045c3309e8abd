"""softtenant, from its docstrings: a mixin, hooks on the session class, a context.

The tenant column has the fixed name ``company_id`` and is an integer. A model is scoped
by the mixin, which brings the column along, so a table without one cannot be marked.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from importlib import import_module
from typing import Any

from sqlalchemy.orm import Session

from . import Protection

__all__ = ["protection"]


class _SoftTenant(Protection):
    def finish(self, models: Any) -> None:
        import_module("softtenant").install_scoping_hooks(Session)

    def system(self) -> AbstractContextManager[Any]:
        bypass: AbstractContextManager[Any] = import_module("softtenant").bypass_tenant_scope()
        return bypass

    def scope(self, tenant: Any) -> AbstractContextManager[Any]:
        if tenant is None:
            # Its context has no way to say so inside of another one.
            return nullcontext()
        scope: AbstractContextManager[Any] = import_module("softtenant").tenant_context(tenant)
        return scope


def protection() -> Protection:
    package = import_module("softtenant")
    return _SoftTenant(
        key="company_id",
        mine=1,
        theirs=2,
        own=package.TenantScopedMixin,
        refusals=(import_module("softtenant.exceptions").SoftTenantError,),
        features=frozenset({"keys", "concrete", "ambient", "system"}),
    )
