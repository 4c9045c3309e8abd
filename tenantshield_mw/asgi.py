"""The ASGI middleware."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from .admission import Authorize, admission, is_bound_later
from .context import bind, binding_var, unbind
from .directory import Lookup, TenantDirectory
from .errors import ConfigurationError, TenantResolutionError
from .exempt import Exempt, exemption
from .mount import Mounted, mount_of, mounted_scope
from .preflight import is_preflight, preflight_prefix
from .refusal import (
    OnMissingTenant,
    check_on_missing_tenant,
    refusal_or_error,
    send_refusal,
)
from .refusal_app import asgi_refusal_app
from .request import TENANT_KEY, UNNAMED_KEY
from .resolution import (
    TWICE_AWAITABLE,
    Resolver,
    another_tenant,
    is_awaitable,
    tenant_named,
    tenant_of,
)
from .server_context import channel_wrapper
from .tenant import TenantContext
from .types import ASGIApp, Receive, Send
from .vary import chosen

__all__ = ["TenantSessionMiddleware"]

# Bound once: looking them up would cost a tenth of all that is added to a request.
_get: Final = binding_var.get
_set: Final = binding_var.set
_reset: Final = binding_var.reset

_NO_ENVIRON: Final[dict[str, Any]] = {}

_plain_channel: Final = channel_wrapper()


class TenantSessionMiddleware:
    """Bind each HTTP request and websocket of an ASGI 3 application to its tenant.

    The tenant is bound while the application's call runs, and is in the scope under
    :data:`~tenantshield_mw.request.TENANT_KEY`::

        app = TenantSessionMiddleware(app, resolve_tenant=resolvers.header("X-Tenant-ID"))

    The server's ``receive()`` and ``send()``, and those of middleware around this one, run
    without it: a server may start the next request from there.

    A CORS preflight runs without a tenant, since it cannot name one; the application's CORS
    middleware answers it.

    Args:
        app: the application.
        resolve_tenant: a callable, sync or async, that takes the scope and returns a
            tenant id, a :class:`~tenantshield_mw.TenantContext` or ``None``.
        on_missing_tenant: what to do with a request whose resolver returns ``None``.
            ``"reject"`` refuses it with 400, ``"raise"`` raises
            :class:`~tenantshield_mw.MissingTenantContextError`, ``"allow_unbound"`` runs
            it without a tenant. A request whose resolver raises
            :class:`~tenantshield_mw.TenantResolutionError` never runs: it is refused with
            400, 401 (credentials), 403 (suspended, not authorized), 404 (not found) or 503
            (not in time); with ``"raise"`` the error is raised.
        exempt: paths that run without a tenant, each with everything below it, or a
            predicate that takes the scope. The resolver is not called.
        directory: a :class:`~tenantshield_mw.TenantDirectory`, or a lookup, sync or
            async, for one with default arguments. Only requests of active tenants run.
        authorize: a callable, sync or async, that takes the scope and the tenant, and
            returns whether the caller may act for the tenant.
        timeout: how long resolver, directory and ``authorize`` may take together, in
            seconds; above 0. Only what is awaited can be stopped: wrap a resolver that
            blocks in :func:`~tenantshield_mw.resolvers.in_thread`.
        on_refused: an ASGI app that answers refused requests instead of the problem
            detail. It finds the :class:`~tenantshield_mw.Refusal` in the scope under
            :data:`~tenantshield_mw.REFUSAL_KEY`, in a scope
            of type ``http`` even for a websocket, which gets the answer as its denial
            response, or is closed.
        vary: the request headers that responses name in ``Vary``. By default those that
            the resolver reads, and those in the attribute ``varies_on`` of ``authorize``;
            ``()`` for none, if there is no cache in between.

    Raises:
        ConfigurationError: an argument is invalid.
    """

    __slots__ = (
        "_is_bound_later",
        "_is_exempt",
        "_mount",
        "_on_missing_tenant",
        "_on_refused",
        "_resolve",
        "_resolver",
        "_vary",
        "_wrap_channel",
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
        self._resolver = resolve_tenant
        self._mount = mount_of(resolve_tenant)
        self._resolve = admission(resolve_tenant, directory, authorize, timeout)
        self._on_missing_tenant: OnMissingTenant = on_missing_tenant
        self._is_exempt = exemption(exempt)
        self._is_bound_later = is_bound_later(resolve_tenant, directory, authorize)
        self._vary = chosen(vary, resolve_tenant, authorize)
        self._wrap_channel = channel_wrapper(self._vary)
        self._on_refused = None if on_refused is None else asgi_refusal_app(on_refused, self._vary)

    async def __call__(  # noqa: C901
        self,
        scope: Any,  # Each library has a type of its own for it.
        receive: Receive,
        send: Send,
    ) -> None:
        """Serve one connection."""
        # Long and with many branches, since each further call would cost every request.
        if scope["type"] not in ("http", "websocket"):
            return await self.app(scope, receive, send)

        if self._is_exempt is not None and self._is_exempt(scope):
            tenant = None
            wrap = _plain_channel
        elif scope.get("method") == "OPTIONS" and is_preflight(scope):
            tenant = None
            wrap = _plain_channel
            if self._mount is not None:
                prefix = await preflight_prefix(self._resolver, self._mount, scope)
                scope = mounted_scope(scope, prefix) if prefix else scope
            scope = {**scope, UNNAMED_KEY: True}
        else:
            wrap = self._wrap_channel if scope["type"] == "http" else _plain_channel
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
                return await self._refuse(error, scope, receive, send)
            if tenant is None and not self._is_bound_later:
                if self._on_missing_tenant != "allow_unbound":
                    return await self._refuse(None, scope, receive, send)
                scope = {**scope, UNNAMED_KEY: True}
            # a2wsgi hands over the environ, which has the tenant of a WSGI middleware around it.
            outer = scope.get(TENANT_KEY) or scope.get("wsgi_environ", _NO_ENVIRON).get(TENANT_KEY)
            if outer is not None and tenant is not None and tenant != outer:
                return await self._refuse(another_tenant(), scope, receive, send)

        scope = scope.copy()
        scope[TENANT_KEY] = tenant
        # bind() and unbind() written out, since the calls would cost a third of the
        # middleware's own time. The app does not see the server's bindings, and the token also
        # removes bindings that the app has left.
        binding = (tenant, None, None)
        receive, send = wrap(receive, send, _get())
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
        error: TenantResolutionError | TimeoutError | None,
        scope: Any,
        receive: Receive,
        send: Send,
    ) -> None:
        refusal = refusal_or_error(error, self._on_missing_tenant)
        if self._on_refused is None:
            return await send_refusal(refusal, scope, send, self._vary)
        receive, send = _plain_channel(receive, send, _get())
        binding = bind(None)
        try:
            await self._on_refused(refusal, scope, receive, send)
        finally:
            unbind(binding)
        return None
