"""Keep the rows of one tenant away from every other tenant in a web application."""

from __future__ import annotations

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
from .dispatch import Answer, Resolver, SyncResolver
from .errors import (
    ConfigurationError,
    CrossTenantAccessError,
    MissingTenantContextError,
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
from .refusal import REFUSAL_KEY, OnMissingTenant, Refusal
from .request import PRINCIPAL_KEY, SESSION_KEY, TENANT_KEY
from .resolvers import (
    agree,
    api_key,
    cached,
    client_certificate,
    cookie,
    domain,
    first_of,
    header,
    in_thread,
    jwt_claim,
    path_prefix,
    principal,
    query,
    session,
    subdomain,
)
from .tenant import TenantContext, TenantId
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
    "Lookup",
    "LookupResult",
    "MissingTenantContextError",
    "OnMissingTenant",
    "Refusal",
    "Resolver",
    "Scope",
    "ScopeMismatchError",
    "SyncResolver",
    "SystemContext",
    "TenantContext",
    "TenantDirectory",
    "TenantId",
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
    "agree",
    "api_key",
    "atenant_scope",
    "cached",
    "carry_tenant",
    "client_certificate",
    "cookie",
    "current_tenant",
    "domain",
    "first_of",
    "header",
    "in_thread",
    "jwt_claim",
    "path_prefix",
    "principal",
    "query",
    "session",
    "subdomain",
    "system_scope",
    "tenant_scope",
    "try_current_tenant",
]
