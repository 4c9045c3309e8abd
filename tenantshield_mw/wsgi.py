"""The WSGI middleware."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final, final

from .admission import Authorize, blocking_admission, is_bound_later
from .context import Binding, binding_var
from .directory import Lookup, TenantDirectory
from .errors import ConfigurationError, TenantResolutionError
from .exempt import Exempt, exemption
from .mount import Mounted, mount_environ, mount_of
from .preflight import blocking_preflight_prefix, is_preflight
from .refusal import (
    OnMissingTenant,
    check_on_missing_tenant,
    refusal_or_error,
    start_refusal,
)
from .refusal_app import wsgi_refusal_app
from .request import TENANT_KEY, UNNAMED_KEY
from .resolution import CANNOT_AWAIT, SyncResolver, another_tenant, tenant_named, tenant_of
from .tenant import TenantContext
from .vary import chosen, varying_wsgi

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

__all__ = ["TenantSessionMiddlewareWSGI"]

# Bound once, as in the ASGI middleware.
_get: Final = binding_var.get
_set: Final = binding_var.set
_reset: Final = binding_var.reset

_NO_SCOPE: Final[dict[str, Any]] = {}


class TenantSessionMiddlewareWSGI:
    """Bind each request of a WSGI application to its tenant.

    The tenant is bound while the application's call runs, and at each step and the close of
    its body; in between, the server runs without it. The tenant is also in the environ under
    :data:`~tenantshield_mw.request.TENANT_KEY`::

        app = TenantSessionMiddlewareWSGI(app, resolve_tenant=resolvers.header("X-Tenant-ID"))

    All of it happens in the server's own ``contextvars.Context``: what the application sets in
    other context variables is the server's to see, as without the middleware.

    A CORS preflight runs without a tenant, since it cannot name one; the application answers
    it.

    Args:
        app: the application.
        resolve_tenant: a sync callable that takes the environ and returns a tenant id, a
            :class:`~tenantshield_mw.TenantContext` or ``None``.
        on_missing_tenant: what to do with a request whose resolver returns ``None``.
            ``"reject"`` refuses it with 400, ``"raise"`` raises
            :class:`~tenantshield_mw.MissingTenantContextError`, ``"allow_unbound"`` runs
            it without a tenant. A request whose resolver raises
            :class:`~tenantshield_mw.TenantResolutionError` never runs: it is refused with
            400, 401 (credentials), 403 (suspended, not authorized), 404 (not found) or 503
            (not in time); with ``"raise"`` the error is raised.
        exempt: paths that run without a tenant, each with everything below it, or a
            predicate that takes the environ. The resolver is not called.
        directory: a :class:`~tenantshield_mw.TenantDirectory` with a sync lookup, or
            such a lookup, for one with default arguments. Only requests of active tenants
            run.
        authorize: a sync callable that takes the environ and the tenant, and
            returns whether the caller may act for the tenant.
        timeout: how long resolver, directory and ``authorize`` may take together, in
            seconds; above 0. They then run in a thread of their own, which cannot be
            stopped: it continues after its request was refused.
        on_refused: a WSGI app that answers refused requests instead of the problem
            detail. It finds the :class:`~tenantshield_mw.Refusal` in the environ under
            :data:`~tenantshield_mw.REFUSAL_KEY`.
        vary: the request headers that responses name in ``Vary``. By default those that
            the resolver reads, and those in the attribute ``varies_on`` of ``authorize``;
            ``()`` for none, if there is no cache in between.

    Raises:
        ConfigurationError: an argument is invalid.
    """

    __slots__ = (
        "_inner",
        "_is_bound_later",
        "_is_exempt",
        "_mount",
        "_on_missing_tenant",
        "_on_refused",
        "_resolve",
        "_resolver",
        "_vary",
        "app",
    )

    def __init__(
        self,
        app: WSGIApplication,
        *,
        resolve_tenant: SyncResolver,
        on_missing_tenant: OnMissingTenant = "reject",
        exempt: Exempt = (),
        directory: TenantDirectory | Lookup | None = None,
        authorize: Authorize | None = None,
        timeout: float | None = None,
        on_refused: WSGIApplication | None = None,
        vary: Iterable[str] | None = None,
    ) -> None:
        if not callable(app):
            raise ConfigurationError("app must be a WSGI application, a callable")
        check_on_missing_tenant(on_missing_tenant)
        self.app = app
        self._resolver = resolve_tenant
        self._mount = mount_of(resolve_tenant)
        self._resolve = blocking_admission(resolve_tenant, directory, authorize, timeout)
        self._on_missing_tenant: OnMissingTenant = on_missing_tenant
        self._is_exempt = exemption(exempt)
        self._is_bound_later = is_bound_later(resolve_tenant, directory, authorize)
        self._vary = chosen(vary, resolve_tenant, authorize)
        self._inner = varying_wsgi(app, self._vary) if self._vary else app
        self._on_refused = None if on_refused is None else wsgi_refusal_app(on_refused, self._vary)

    def __call__(  # noqa: C901
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Serve one request.

        Raises:
            ConfigurationError: the resolver returned an awaitable.
        """
        # Long and with many branches, since each further call would cost every request.
        if self._is_exempt is not None and self._is_exempt(environ):
            tenant = None
            app = self.app
        elif environ.get("REQUEST_METHOD") == "OPTIONS" and is_preflight(environ):
            tenant = None
            app = self.app
            if self._mount is not None:
                prefix = blocking_preflight_prefix(self._resolver, self._mount, environ)
                if prefix:
                    mount_environ(environ, prefix)
            environ[UNNAMED_KEY] = True
        else:
            app = self._inner
            try:
                answer: object = self._resolve(environ)
                if type(answer) is TenantContext:
                    tenant = answer
                elif type(answer) is str:
                    tenant = tenant_named[answer]
                elif type(answer) is Mounted:
                    mount_environ(environ, answer.prefix)
                    tenant = answer.tenant
                else:
                    tenant = tenant_of(answer, if_awaitable=CANNOT_AWAIT)
            except (TenantResolutionError, TimeoutError) as error:
                return self._refuse(error, environ, start_response)
            if tenant is None and not self._is_bound_later:
                if self._on_missing_tenant != "allow_unbound":
                    return self._refuse(None, environ, start_response)
                environ[UNNAMED_KEY] = True
            # a2wsgi hands over the scope, which has the tenant of an ASGI middleware around it.
            outer = environ.get(TENANT_KEY) or environ.get("asgi.scope", _NO_SCOPE).get(TENANT_KEY)
            if outer is not None and tenant is not None and tenant != outer:
                return self._refuse(another_tenant(), environ, start_response)

        # Middleware may change the environ (PEP 3333, "environ Variables"), and middleware
        # further out may read what the app puts there: no copy.
        environ[TENANT_KEY] = tenant
        wrapper: Any = environ.get("wsgi.file_wrapper")
        if wrapper is not None and not isinstance(wrapper, type):
            wrapper = environ["wsgi.file_wrapper"] = _RecordingFileWrapper(wrapper)
        # The app does not see the server's bindings, and the token also removes bindings that
        # the app has left.
        token = _set((tenant, None, None))
        try:
            body = app(environ, start_response)
            kind = type(body)
            if kind is list or kind is tuple or (wrapper is not None and _is_file(body, wrapper)):
                return body
            return _BoundBody(body, _get())
        finally:
            _reset(token)

    def _refuse(
        self,
        error: TenantResolutionError | TimeoutError | None,
        environ: WSGIEnvironment,
        start_response: StartResponse,
    ) -> Iterable[bytes]:
        refusal = refusal_or_error(error, self._on_missing_tenant)
        if self._on_refused is None:
            return start_refusal(refusal, environ, start_response, self._vary)
        token = _set((None, None, None))
        try:
            body = self._on_refused(refusal, environ, start_response)
            return body if type(body) is list else _BoundBody(body, _get())
        finally:
            _reset(token)


@final
class _BoundBody:
    """A body that is iterated and closed under its request's binding.

    The binding is put in place for each step and taken out again, with the scopes that the body
    holds open from one step to the next. So bodies that are iterated in turn, in one context or
    in several, never see each other's.
    """

    __slots__ = ("_binding", "_body", "_closed", "_next")

    def __init__(self, body: Iterable[bytes], binding: Binding | None) -> None:
        self._body = body
        self._binding = binding
        self._closed = False
        self._next: Callable[[], bytes] = self._first

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        token = _set(self._binding)
        try:
            return self._next()
        finally:
            if not self._closed:
                self._binding = _get()
            _reset(token)

    def _first(self) -> bytes:
        self._next = iter(self._body).__next__
        return self._next()

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        token = _set(self._binding)
        self._binding = None
        try:
            close = getattr(self._body, "close", None)
            if close is not None:
                close()
        finally:
            _reset(token)


@final
class _RecordingFileWrapper:
    """A ``wsgi.file_wrapper`` that is a function, like uWSGI's; records what it returns."""

    __slots__ = ("_wrap", "wrapped")

    def __init__(self, wrap: Callable[..., object]) -> None:
        self._wrap = wrap
        self.wrapped: list[object] = []

    def __call__(self, *args: Any, **kwargs: Any) -> object:
        self.wrapped.append(self._wrap(*args, **kwargs))
        return self.wrapped[-1]


def _is_file(body: object, wrapper: type | _RecordingFileWrapper) -> bool:
    """Return whether the server has its own way to send ``body``, which it recognizes by class
    or identity (PEP 3333, "Optional Platform-Specific File Handling").
    """
    if isinstance(wrapper, type):
        return isinstance(body, wrapper)
    return any(body is file for file in wrapper.wrapped)
