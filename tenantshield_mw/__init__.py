"""Keep the rows of one tenant away from every other tenant in a web application."""

from __future__ import annotations

from .asgi import TenantSessionMiddleware
from .context import (
    SystemContext,
    atenant_scope,
    carry_tenant,
    current_tenant,
    system_scope,
    tenant_scope,
    try_current_tenant,
)
from .errors import (
    ConfigurationError,
    CrossTenantAccessError,
    MissingTenantContextError,
    ScopeMismatchError,
    TenantNotFoundError,
    TenantResolutionError,
    TenantShieldError,
    TenantSuspendedError,
    UnguardedStatementError,
)
from .resolvers import header
from .tenant import TenantContext, TenantId
from .wsgi import TenantSessionMiddlewareWSGI

__all__ = [
    "ConfigurationError",
    "CrossTenantAccessError",
    "MissingTenantContextError",
    "ScopeMismatchError",
    "SystemContext",
    "TenantContext",
    "TenantId",
    "TenantNotFoundError",
    "TenantResolutionError",
    "TenantSessionMiddleware",
    "TenantSessionMiddlewareWSGI",
    "TenantShieldError",
    "TenantSuspendedError",
    "UnguardedStatementError",
    "atenant_scope",
    "carry_tenant",
    "current_tenant",
    "header",
    "system_scope",
    "tenant_scope",
    "try_current_tenant",
]
