"""The Litestar adapter: a plugin that puts the middleware before routing and turns errors that
the app raises into refusals.
"""

from __future__ import annotations

import logging
from contextlib import nullcontext
from dataclasses import replace
from typing import Any, Final, Unpack

from litestar import Litestar, Request, Response
from litestar.config.app import AppConfig
from litestar.di import Provide
from litestar.plugins.base import InitPluginProtocol, ReceiveRoutePlugin
from litestar.routes import BaseRoute, HTTPRoute
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from tenantshield_mw import ConfigurationError, TenantContext, current_tenant, tenant_scope
from tenantshield_mw.admission import is_bound_later
from tenantshield_mw.asgi import TenantSessionMiddleware
from tenantshield_mw.mount import mounted_scope
from tenantshield_mw.options import ALREADY, ASGIOptions, reusable
from tenantshield_mw.refusal import (
    REFUSAL_KEY,
    REFUSED,
    closing_with_refusal,
    logged_refusal_for,
    refusal_for,
)
from tenantshield_mw.request import TENANT_KEY
from tenantshield_mw.resolution import Resolver

__all__ = ["TenantShieldPlugin"]

_OUTER: Final = "tenantshield_mw.outer"
_SERVED: Final = "tenantshield_mw.served"
_logger: Final = logging.getLogger(__name__)


class TenantShieldPlugin(InitPluginProtocol, ReceiveRoutePlugin):
    """Bind each request and websocket of a Litestar application to its tenant.

    Handlers and dependencies may have a parameter ``tenant: NamedDependency[TenantContext]``.
    Cached responses are kept apart by tenant. Errors in the app become refusals, unless the app
    has a handler for their class. The server must run the app's lifespan, as servers do by
    default.

    Args:
        resolve_tenant: see :class:`~tenantshield_mw.TenantSessionMiddleware`.
        name: the name of the dependency that injects the tenant.
        **options: the middleware's other arguments.

    Raises:
        ConfigurationError: an argument is invalid; or, when the app is created, it has a
            dependency of that name, or this plugin twice.
        TypeError: the middleware has no such argument.
    """

    def __init__(
        self, *, resolve_tenant: Resolver, name: str = "tenant", **options: Unpack[ASGIOptions]
    ) -> None:
        self._name = name
        # The app is created later; a mistake must show now.
        self._kept = reusable(TenantSessionMiddleware, resolve_tenant=resolve_tenant, **options)
        self._is_bound_later = is_bound_later(resolve_tenant)

    def on_app_init(self, app_config: AppConfig) -> AppConfig:
        """Add the middleware, the dependency and the handlers to the app's configuration.

        Raises:
            ConfigurationError: the app has a dependency of that name, or this plugin twice.
        """
        if _require_middleware in app_config.middleware:
            raise ConfigurationError(ALREADY)
        if self._name in app_config.dependencies:
            raise ConfigurationError(
                f"the app already has a dependency {self._name!r}: give the plugin another name="
            )
        app_config.dependencies[self._name] = Provide(current_tenant, sync_to_thread=False)
        app_config.signature_types.append(TenantContext)
        for kind in REFUSED:
            app_config.exception_handlers.setdefault(kind, _refuse)
        app_config.after_exception.append(_note_error)
        app_config.middleware.insert(0, _require_middleware)
        app_config.on_startup.insert(0, self._wrap)
        return app_config

    def receive_route(self, route: BaseRoute) -> None:
        """Add the tenant to the cache keys of a route with its own key builder.

        Raises:
            ConfigurationError: the route has cached responses, and the app binds the tenant too
                late for their keys.
        """
        for handler in route.route_handlers if isinstance(route, HTTPRoute) else ():
            if self._is_bound_later and handler.cache:
                raise ConfigurationError(
                    f"{handler}: with bound_later(), a cached response would be given to every "
                    "tenant, since it is found before the app binds one: leave out cache="
                )
            if build := handler.cache_key_builder:
                handler.cache_key_builder = _apart(build)

    def _wrap(self, app: Litestar) -> None:
        # Inside CORS, since a preflight request names no tenant. Only once, since the lifespan
        # of an app may run again.
        holder: Any = app
        name, handler = "asgi_handler", app.asgi_handler
        while not isinstance(handler, _BeforeRouting):
            inner = getattr(handler, "app", None)
            if inner is None or inner is app.asgi_router:
                app.before_send = [_under_tenant(hook) for hook in app.before_send]
                # A later plugin may have replaced the cache configuration.
                cache = app.response_cache_config
                app.response_cache_config = replace(cache, key_builder=_apart(cache.key_builder))
                return setattr(holder, name, _BeforeRouting(handler, self._kept))
            holder, name, handler = handler, "app", inner
        return None


class _BeforeRouting:
    def __init__(self, handler: Any, options: dict[str, Any]) -> None:
        self._handler: ASGIApp = handler
        self._middleware = TenantSessionMiddleware(self._route, **options)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # Litestar cuts root_path out of the path wherever it finds it. Some servers leave it out
        # of the path, and "/health/root/other" would be exempt here, and "/other" there.
        seen: Any = mounted_scope(scope, "") if scope.get("root_path") else scope
        await self._middleware({**seen, _OUTER: scope}, receive, send)

    async def _route(self, scope: Any, receive: Receive, send: Send) -> None:
        # Litestar's hooks read what routing adds from the scope that they got.
        outer: Scope = scope.pop(_OUTER)
        outer.update(scope, **{_SERVED: scope["litestar_app"]})
        await self._handler(outer, receive, closing_with_refusal(outer, send))


def _under_tenant(hook: Any) -> Any:
    # Litestar calls these hooks in send(), which runs without the tenant. A hook that commits
    # the handler's changes needs it.
    async def under_tenant(message: Message, scope: Any) -> None:
        tenant = scope.get(TENANT_KEY)
        with nullcontext() if tenant is None else tenant_scope(tenant):
            await hook(message, scope)

    return under_tenant


def _apart(build: Any) -> Any:
    def key(request: Any) -> str:
        tenant = request.scope.get(TENANT_KEY)
        return f"{tenant and (tenant.tenant_id,)!r} {build(request)}"

    return key


# Not a guard: Litestar runs plain functions as guards in threads and copies the handler for
# each. A middleware avoids both, and also runs before a cached response.
def _require_middleware(app: ASGIApp) -> ASGIApp:
    async def check(scope: Scope, receive: Receive, send: Send) -> None:
        # If this app is mounted in another one, that one may have bound its own tenant.
        if scope.get(_SERVED) is not scope["litestar_app"]:
            raise ConfigurationError("TenantShieldPlugin: the server must run the app's lifespan")
        await app(scope, receive, send)

    return check


def _refuse(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    refusal = refusal_for(error, request.scope)
    body = refusal.body_for(request.method)
    return Response(body, status_code=refusal.status, headers=dict(refusal.headers))


async def _note_error(error: Exception, scope: Any) -> None:
    if isinstance(error, REFUSED):
        scope["state"][REFUSAL_KEY] = logged_refusal_for(error, _logger, scope)
