"""The SQLAlchemy adapter: every statement is confined to the tenant in scope."""

# ruff: noqa: E402
from __future__ import annotations

from .internals import check_internals

# Before anything is imported that relies on it.
check_internals()

from tenantshield_mw import TenantSessionMiddleware, TenantSessionMiddlewareWSGI

from . import install
from .observe import observe
from .ownership.declare import require_declared, shared_across_tenants, tenant_aware
from .ownership.foreign_key import tenant_foreign_key
from .scopes import (
    AsyncSessionScope,
    SessionScope,
    bind_async_session_to_tenant,
    bind_session_to_tenant,
)
from .tenants.invalidation import invalidate_on_commit
from .tenants.lookup import tenants_in

__all__ = [
    "AsyncSessionScope",
    "SessionScope",
    "TenantSessionMiddleware",
    "TenantSessionMiddlewareWSGI",
    "bind_async_session_to_tenant",
    "bind_session_to_tenant",
    "invalidate_on_commit",
    "observe",
    "require_declared",
    "shared_across_tenants",
    "tenant_aware",
    "tenant_foreign_key",
    "tenants_in",
]

install.install()
