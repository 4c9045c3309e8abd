"""Keep the rows of one tenant away from every other tenant in a web application."""

from __future__ import annotations

from . import resolvers
from .admission import Authorize
from .asgi import TenantSessionMiddleware
from .context import (
    AsyncScope,
    Scope,
    SystemContext,
    atenant_scope,
    carry_tenant,
    current_tenant,
    system_scope,
    tenant_scope,
    try_current_tenant,
)
from .directory import Lookup, LookupResult, TenantDirectory, TenantState
from .errors import (
    ConfigurationError,
    CrossTenantAccessError,
    MissingTenantContextError,
    PlacementError,
    PlacementUnavailableError,
    ScopeMismatchError,
    TenantNotAuthorizedError,
    TenantNotFoundError,
    TenantResolutionError,
    TenantShieldError,
    TenantSuspendedError,
    TenantUnauthenticatedError,
    TenantUnavailableError,
    UnguardedStatementError,
)
from .exempt import Exempt
from .incidents import Incident, on_incident
from .keys import tenant_key
from .log_fields import TenantLogFilter
from .refusal import REFUSAL_KEY, OnMissingTenant, Refusal
from .request import PRINCIPAL_KEY, SESSION_KEY, TENANT_KEY
from .resolution import Answer, Resolver, SyncResolver
from .tenant import TenantContext, TenantId
from .tenant_from import tenant_from
from .wsgi import TenantSessionMiddlewareWSGI

__all__ = [
    "PRINCIPAL_KEY",
    "REFUSAL_KEY",
    "SESSION_KEY",
    "TENANT_KEY",
    "Answer",
    "AsyncScope",
    "Authorize",
    "ConfigurationError",
    "CrossTenantAccessError",
    "Exempt",
    "Incident",
    "Lookup",
    "LookupResult",
    "MissingTenantContextError",
    "OnMissingTenant",
    "PlacementError",
    "PlacementUnavailableError",
    "Refusal",
    "Resolver",
    "Scope",
    "ScopeMismatchError",
    "SyncResolver",
    "SystemContext",
    "TenantContext",
    "TenantDirectory",
    "TenantId",
    "TenantLogFilter",
    "TenantNotAuthorizedError",
    "TenantNotFoundError",
    "TenantResolutionError",
    "TenantSessionMiddleware",
    "TenantSessionMiddlewareWSGI",
    "TenantShieldError",
    "TenantState",
    "TenantSuspendedError",
    "TenantUnauthenticatedError",
    "TenantUnavailableError",
    "UnguardedStatementError",
    "atenant_scope",
    "carry_tenant",
    "current_tenant",
    "on_incident",
    "resolvers",
    "system_scope",
    "tenant_from",
    "tenant_key",
    "tenant_scope",
    "try_current_tenant",
]
