"""The ASGI middleware."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeAlias

from .context import _binding, unbind
from .dispatch import Resolver, callable_directly, is_awaitable, tenant_of
from .errors import ConfigurationError, MissingTenantContextError, TenantResolutionError
from .exempt import Exempt, exemption
from .refusal import (
    MISSING,
    NO_TENANT,
    OnMissingTenant,
    check_on_missing_tenant,
    refusal_for,
    send_refusal,
)
from .request import TENANT_KEY
from .tenant import TenantContext

__all__ = ["ASGIApp", "TenantSessionMiddleware"]

ASGIApp: TypeAlias = Callable[[Any, Any, Any], Awaitable[None]]
"""An ASGI 3 application, whichever library's types it is annotated with."""

# Bound once: looking them up would cost a tenth of all that is added to a request.
_set: Final = _binding.set
_reset: Final = _binding.reset


class TenantSessionMiddleware:
    """Bind each HTTP request and websocket of an ASGI 3 application to its tenant.

    The tenant is bound for as long as the application's call runs, and stands in the
    scope under :data:`~tenantshield_mw.request.TENANT_KEY`::

        app = TenantSessionMiddleware(app, resolve_tenant=header("X-Tenant-ID"))

    Args:
        app: the application.
        resolve_tenant: a callable, sync or async, that takes the scope and returns a
            tenant id, a :class:`~tenantshield_mw.TenantContext` or ``None``.
        on_missing_tenant: what becomes of a request for which the resolver returns
            ``None``. ``"reject"`` refuses it with 400, ``"raise"`` raises
            :class:`~tenantshield_mw.MissingTenantContextError`, ``"allow_unbound"`` runs
            it without a tenant. A request whose resolver raises
            :class:`~tenantshield_mw.TenantResolutionError` never runs: it is refused with
            400, 403 (suspended) or 404 (not found), and with ``"raise"`` the error goes on.
        exempt: paths that run without a tenant, each with all that lies below it, or a
            predicate that takes the scope. The resolver is not asked.

    Raises:
        ConfigurationError: an argument is not one of these.
    """

    __slots__ = ("_is_exempt", "_on_missing_tenant", "_resolve", "app")

    def __init__(
        self,
        app: ASGIApp,
        *,
        resolve_tenant: Resolver,
        on_missing_tenant: OnMissingTenant = "reject",
        exempt: Exempt = (),
    ) -> None:
        if not callable(app):
            raise ConfigurationError("app must be an ASGI 3 application, a callable")
        check_on_missing_tenant(on_missing_tenant)
        self.app = app
        self._resolve = callable_directly(resolve_tenant)
        self._on_missing_tenant = on_missing_tenant
        self._is_exempt = exemption(exempt)

    async def __call__(
        self,
        scope: Any,  # Each library has a type of its own for it.
        receive: Callable[[], Awaitable[Any]],
        send: Callable[[Any], Awaitable[None]],
    ) -> None:
        """Serve one connection."""
        if scope["type"] not in ("http", "websocket"):
            return await self.app(scope, receive, send)

        if self._is_exempt is not None and self._is_exempt(scope):
            tenant = None
        else:
            try:
                answer: object = self._resolve(scope)
                if type(answer) is TenantContext:
                    tenant = answer
                else:
                    if is_awaitable(answer):
                        answer = await answer
                    tenant = tenant_of(
                        answer,
                        if_awaitable="awaiting what the resolver returned gave another "
                        "awaitable; await that inside the resolver",
                    )
            except TenantResolutionError as error:
                if self._on_missing_tenant == "raise":
                    raise
                return await send_refusal(refusal_for(error), scope, send)
            if tenant is None and self._on_missing_tenant != "allow_unbound":
                if self._on_missing_tenant == "raise":
                    raise MissingTenantContextError(NO_TENANT)
                return await send_refusal(MISSING, scope, send)

        scope = scope.copy()
        scope[TENANT_KEY] = tenant
        # bind() and unbind(), written out, since the two calls would cost a third of all
        # that is added here. Nothing of the server's own bindings is seen from inside,
        # and the token takes back even what the app left bound.
        binding = (tenant, None, None)
        token = _set(binding)
        try:
            await self.app(scope, receive, send)
        finally:
            try:
                _reset(token)
            except ValueError:
                # Closed from another context, which may have been copied from this one.
                unbind(binding)
        return None
