"""The middlewares' arguments can be annotated with public types."""

from __future__ import annotations

from typing import Any

from tenantshield_mw import (
    Answer,
    AsyncScope,
    Authorize,
    Exempt,
    Lookup,
    LookupResult,
    OnMissingTenant,
    Resolver,
    Scope,
    SyncResolver,
    SystemContext,
    TenantContext,
    TenantDirectory,
    TenantId,
    TenantSessionMiddleware,
    TenantSessionMiddlewareWSGI,
    atenant_scope,
    system_scope,
    tenant_scope,
)

from .calling import Seen, as_environ, call_asgi, call_wsgi, http_scope


def name(request: Any) -> Answer:
    return "acme"


async def name_later(request: Any) -> Answer:
    return name(request)


def find(tenant_id: TenantId) -> LookupResult:
    return TenantContext(tenant_id)


ON_MISSING: OnMissingTenant = "raise"
EXEMPT: Exempt = ("/health",)
LOOKUP: Lookup = find
AUTHORIZE: Authorize = lambda request, tenant: True  # noqa: E731


def around_asgi(app: Any, resolver: Resolver) -> TenantSessionMiddleware:
    return TenantSessionMiddleware(
        app,
        resolve_tenant=resolver,
        on_missing_tenant=ON_MISSING,
        exempt=EXEMPT,
        directory=TenantDirectory(LOOKUP),
        authorize=AUTHORIZE,
    )


def around_wsgi(app: Any, resolver: SyncResolver) -> TenantSessionMiddlewareWSGI:
    return TenantSessionMiddlewareWSGI(
        app, resolve_tenant=resolver, exempt=EXEMPT, directory=LOOKUP, authorize=AUTHORIZE
    )


async def test_the_arguments_of_the_middlewares_have_public_types() -> None:
    seen = Seen()
    for resolver in (name, name_later):
        await call_asgi(around_asgi(seen.asgi, resolver), http_scope())
    call_wsgi(around_wsgi(seen.wsgi, name), as_environ())
    assert seen.ids == ["acme"] * 3


async def test_the_scopes_have_public_types() -> None:
    scope: Scope[TenantContext] = tenant_scope("acme")
    system: Scope[SystemContext] = system_scope("a reason")
    later: AsyncScope[TenantContext] = atenant_scope("acme")
    assert isinstance(scope, Scope)
    assert isinstance(system, Scope)
    assert isinstance(later, AsyncScope)
    with scope as tenant:
        async with later as same:
            assert tenant == same
