"""The adapter for Starlette and FastAPI.

It registers the middleware, puts the tenant into ``request.state``, and turns errors that the
app raises into refusals.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final, Unpack

from starlette.applications import Starlette
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketState

from tenantshield_mw import (
    TENANT_KEY,
    ConfigurationError,
    TenantContext,
    TenantSessionMiddleware,
    current_tenant,
)
from tenantshield_mw.options import ALREADY, ASGIOptions, reusable
from tenantshield_mw.refusal import POLICY_VIOLATION, REFUSED, logged_refusal_for, send_refusal
from tenantshield_mw.resolution import Resolver
from tenantshield_mw.resolvers.principal import PrincipalAttribute
from tenantshield_mw.resolvers.session import SessionEntry

if TYPE_CHECKING:
    from fastapi.security.base import SecurityBase

__all__ = ["add_refusal_handlers", "install", "tenant_dependency"]

_logger: Final = logging.getLogger(__name__)


def install(app: Starlette, *, resolve_tenant: Resolver, **options: Unpack[ASGIOptions]) -> None:
    """Bind each request and websocket of ``app`` to its tenant.

    ::

        install(app, resolve_tenant=resolvers.header("X-Tenant-ID"), exempt=["/health"])

    Middleware that was added before runs inside, with the tenant, and what is added later runs
    outside, without it. Only Starlette's ``CORSMiddleware`` always runs outside, so that it
    answers preflights and adds its headers to refusals. The tenant is in
    ``request.state.tenant``, which is ``None`` if a request runs without one. Errors in the app
    become refusals, see :func:`add_refusal_handlers`.

    Args:
        app: a Starlette or FastAPI application.
        resolve_tenant: see :class:`~tenantshield_mw.TenantSessionMiddleware`.
        **options: the middleware's other arguments.

    Raises:
        ConfigurationError: an argument is invalid, or ``app`` already has the middleware;
            when the app starts, Advanced Alchemy's middleware is outside.
        TypeError: the middleware has no such argument.
    """
    if any(each is TenantSessionMiddleware for each, *_ in app.user_middleware):
        raise ConfigurationError(ALREADY)
    # Starlette creates its middleware on the first request; a mistake must show now.
    kept = reusable(TenantSessionMiddleware, resolve_tenant=resolve_tenant, **options)
    _check_inside(app, resolve_tenant)
    app.add_middleware(_TenantInState, starlette=app)
    app.add_middleware(TenantSessionMiddleware, **kept)
    # A stable sort: the rest keeps its order.
    app.user_middleware.sort(key=lambda each: not _is_cors(each.cls))
    add_refusal_handlers(app)


def add_refusal_handlers(app: Starlette) -> None:
    """Turn errors of the app into refusals.

    The errors are :class:`~tenantshield_mw.TenantResolutionError`,
    :class:`~tenantshield_mw.MissingTenantContextError`,
    :class:`~tenantshield_mw.CrossTenantAccessError` and
    :class:`~tenantshield_mw.PlacementUnavailableError`. An exception handler of the app for one of
    these classes has precedence, even if it is added later.

    :func:`install` does this. A mounted Starlette or FastAPI application handles its own errors,
    so call this for it too.

    Args:
        app: a Starlette or FastAPI application.
    """
    for kind in REFUSED:
        app.exception_handlers.setdefault(kind, _refuse)


def _is_cors(middleware: object) -> bool:
    return isinstance(middleware, type) and issubclass(middleware, CORSMiddleware)


# By their modules, which need packages of their own.
_NEEDED: Final[dict[type, str]] = {
    SessionEntry: "starlette.middleware.sessions",
    PrincipalAttribute: "starlette.middleware.authentication",
}


def _check_inside(app: Starlette, resolver: object) -> None:
    module = _NEEDED.get(type(resolver))
    for each, *_ in app.user_middleware:
        if module is not None and getattr(each, "__module__", "") == module:
            raise ConfigurationError(
                f"the resolver reads what {each.__name__} puts into the request, which must "
                f"therefore run outside the tenant middleware: add {each.__name__} after install()"
            )


def _commits(middleware: object) -> bool:
    """Return whether a middleware is Advanced Alchemy's, which may commit after the response and
    hides the error if it cannot.
    """
    module = str(getattr(middleware, "__module__", ""))
    return module.startswith("advanced_alchemy.extensions.")


def _check_order(app: Starlette) -> None:
    for each, *_ in app.user_middleware:
        if each is TenantSessionMiddleware:
            return
        if _commits(each):
            raise ConfigurationError(
                "Advanced Alchemy's middleware is outside the tenant middleware, so it would "
                "commit without a tenant: call install() after AdvancedAlchemy(...) was given "
                "the app"
            )


class _TenantInState:
    """Puts the tenant that the middleware has bound into ``request.state``."""

    def __init__(self, app: ASGIApp, starlette: Starlette) -> None:
        # Starlette creates its middleware when the app starts; by now all of it was added.
        _check_order(starlette)
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket"):
            # Each request has its own state (ASGI, "Lifespan State"). It is not copied, since
            # outer middleware may read what the app puts there.
            scope.setdefault("state", {})["tenant"] = scope[TENANT_KEY]
        await self.app(scope, receive, send)


async def _refuse(connection: HTTPConnection, error: Exception) -> Any:
    refusal = logged_refusal_for(error, _logger, connection.scope)
    if not isinstance(connection, WebSocket):
        body = refusal.body_for(connection.scope.get("method"))
        return Response(body, refusal.status, dict(refusal.headers))
    if connection.application_state is WebSocketState.CONNECTING:
        await send_refusal(refusal, connection.scope, connection.send)
    elif connection.application_state is WebSocketState.CONNECTED:
        await connection.close(POLICY_VIOLATION)
    return None


async def _tenant() -> TenantContext:
    return current_tenant()


def tenant_dependency(*, header: str | None = None, security: SecurityBase | None = None) -> Any:
    """Return a FastAPI dependency that returns the tenant, for ``Annotated``.

    ::

        Tenant = Annotated[TenantContext, tenant_dependency(header="X-Tenant-ID")]

        @app.get("/invoices")
        async def invoices(tenant: Tenant) -> list[InvoiceOut]: ...

    The middleware determines the tenant. The arguments only document its source in the OpenAPI
    schema; FastAPI then also requires that source in each request.

    Args:
        header: the name of a request header, shown as a parameter.
        security: an object from ``fastapi.security``, shown as a security scheme.

    Raises:
        ConfigurationError: both were given.
        MissingTenantContextError: from the dependency, if a request runs without a tenant.
    """
    from fastapi import Depends, Header, Security

    if header is not None and security is not None:
        raise ConfigurationError("tenant_dependency() takes header= or security=, not both")
    # FastAPI calls the dependencies before it validates parameters, so a missing tenant is
    # refused first.
    tenant = Depends(_tenant)
    if header is None and security is None:
        return tenant
    scheme: Any = security
    source: Any = Header(alias=header) if scheme is None else Security(scheme)

    async def documented(_named: Any = source, bound: Any = tenant) -> TenantContext:
        if not isinstance(bound, TenantContext):
            raise ConfigurationError(
                "what replaces tenant_dependency() in dependency_overrides must return a "
                "TenantContext"
            )
        return bound

    return Depends(documented)
