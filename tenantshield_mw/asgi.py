"""The ASGI middleware."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final

from .admission import TWICE_AWAITABLE, Authorize, admission
from .context import _binding, bind, unbind
from .directory import Lookup, TenantDirectory
from .dispatch import Resolver, is_awaitable, tenant_named, tenant_of
from .errors import ConfigurationError, MissingTenantContextError, TenantResolutionError
from .exempt import Exempt, exemption
from .mount import Mounted, mounted_scope
from .on_refused import answering_asgi
from .outside import outside
from .refusal import (
    MISSING,
    NO_TENANT,
    OnMissingTenant,
    Refusal,
    check_on_missing_tenant,
    logged_refusal_for,
    raise_resolution_error,
    send_refusal,
)
from .request import TENANT_KEY
from .tenant import TenantContext
from .vary import ASGIApp, chosen

__all__ = ["ASGIApp", "TenantSessionMiddleware"]

# Bound once: looking them up would cost a tenth of all that is added to a request.
_get: Final = _binding.get
_set: Final = _binding.set
_reset: Final = _binding.reset

_outside: Final = outside()


class TenantSessionMiddleware:
    """Bind each HTTP request and websocket of an ASGI 3 application to its tenant.

    The tenant is bound for as long as the application's call runs, and stands in the
    scope under :data:`~tenantshield_mw.request.TENANT_KEY`::

        app = TenantSessionMiddleware(app, resolve_tenant=header("X-Tenant-ID"))

    Inside of ``receive()`` and ``send()`` it is not bound, neither in the server nor in a
    middleware around this one: a server may begin the next request from there.

    Args:
        app: the application.
        resolve_tenant: a callable, sync or async, that takes the scope and returns a
            tenant id, a :class:`~tenantshield_mw.TenantContext` or ``None``.
        on_missing_tenant: what becomes of a request for which the resolver returns
            ``None``. ``"reject"`` refuses it with 400, ``"raise"`` raises
            :class:`~tenantshield_mw.MissingTenantContextError`, ``"allow_unbound"`` runs
            it without a tenant. A request whose resolver raises
            :class:`~tenantshield_mw.TenantResolutionError` never runs: it is refused with
            400, 401 (credentials), 403 (suspended, not authorized), 404 (not found) or 503
            (not in time), and with ``"raise"`` the error goes on.
        exempt: paths that run without a tenant, each with all that lies below it, or a
            predicate that takes the scope. The resolver is not asked.
        directory: a :class:`~tenantshield_mw.TenantDirectory`, or its lookup, sync or
            async, with what that class assumes by default. Only a tenant that is active
            there runs.
        authorize: a callable, sync or async, that takes the scope and the tenant, and
            returns whether whoever sent the request may act for the tenant.
        timeout: how long all of these may take together, in seconds; above 0. Only what
            is awaited can be stopped: what blocks belongs into
            :func:`~tenantshield_mw.in_thread`.
        on_refused: an ASGI app that answers refused requests in place of the problem
            detail. It finds the :class:`~tenantshield_mw.Refusal` in the scope under
            :data:`~tenantshield_mw.REFUSAL_KEY`, and its scope is always of type
            ``http``: a websocket gets its answer as the denial response, or a close.
        vary: the request headers that responses name in ``Vary``. By default those that
            the resolver reads, and that ``authorize`` names in its attribute ``varies_on``;
            ``()`` for none, where no cache can be in between.

    Raises:
        ConfigurationError: an argument is not one of these.
    """

    __slots__ = (
        "_is_exempt",
        "_on_missing_tenant",
        "_on_refused",
        "_outside",
        "_resolve",
        "_vary",
        "app",
    )

    def __init__(
        self,
        app: ASGIApp,
        *,
        resolve_tenant: Resolver,
        on_missing_tenant: OnMissingTenant = "reject",
        exempt: Exempt = (),
        directory: TenantDirectory | Lookup | None = None,
        authorize: Authorize | None = None,
        timeout: float | None = None,
        on_refused: ASGIApp | None = None,
        vary: Iterable[str] | None = None,
    ) -> None:
        if not callable(app):
            raise ConfigurationError("app must be an ASGI 3 application, a callable")
        check_on_missing_tenant(on_missing_tenant)
        self.app = app
        self._resolve = admission(resolve_tenant, directory, authorize, timeout)
        self._on_missing_tenant = on_missing_tenant
        self._is_exempt = exemption(exempt)
        self._vary = chosen(vary, resolve_tenant, authorize)
        self._outside = outside(self._vary)
        self._on_refused = None if on_refused is None else answering_asgi(on_refused, self._vary)

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
            kept_outside = _outside
        else:
            kept_outside = self._outside if scope["type"] == "http" else _outside
            try:
                answer: object = self._resolve(scope)
                if type(answer) is TenantContext:
                    tenant = answer
                elif type(answer) is str:
                    tenant = tenant_named[answer]
                else:
                    if is_awaitable(answer):
                        answer = await answer
                    if type(answer) is Mounted:
                        scope = mounted_scope(scope, answer.prefix)
                        tenant = answer.tenant
                    else:
                        tenant = tenant_of(answer, if_awaitable=TWICE_AWAITABLE)
            except (TenantResolutionError, TimeoutError) as error:
                if self._on_missing_tenant == "raise":
                    raise_resolution_error(error)
                return await self._refuse(logged_refusal_for(error), scope, receive, send)
            if tenant is None and self._on_missing_tenant != "allow_unbound":
                if self._on_missing_tenant == "raise":
                    raise MissingTenantContextError(NO_TENANT)
                return await self._refuse(MISSING, scope, receive, send)

        scope = scope.copy()
        scope[TENANT_KEY] = tenant
        # bind() and unbind(), written out, since the two calls would cost a third of all
        # that is added here. Nothing of the server's own bindings is seen from inside,
        # and the token takes back even what the app left bound.
        binding = (tenant, None, None)
        receive, send = kept_outside(receive, send, _get())
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

    async def _refuse(
        self,
        refusal: Refusal,
        scope: Any,
        receive: Callable[[], Awaitable[Any]],
        send: Callable[[Any], Awaitable[None]],
    ) -> None:
        if self._on_refused is None:
            return await send_refusal(refusal, scope, send, self._vary)
        receive, send = _outside(receive, send, _get())
        binding = bind(None)
        try:
            await self._on_refused(refusal, scope, receive, send)
        finally:
            unbind(binding)
        return None
