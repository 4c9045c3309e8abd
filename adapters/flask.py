"""The Flask adapter: an extension that registers the WSGI middleware, and turns errors that the
app raises into refusals.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial, wraps
from typing import Any, Final, ParamSpec, TypeVar, Unpack

import click
from flask import Flask, Response, request
from werkzeug.local import LocalProxy

import tenantshield_mw
from tenantshield_mw import (
    SESSION_KEY,
    TENANT_KEY,
    ConfigurationError,
    MissingTenantContextError,
    ScopeMismatchError,
    TenantContext,
    TenantDirectory,
    TenantId,
    TenantResolutionError,
    TenantSessionMiddlewareWSGI,
    tenant_scope,
)
from tenantshield_mw.context import (
    Bound,
    as_tenant_context,
    bind,
    current_binding,
    try_current_tenant,
)
from tenantshield_mw.directory import Lookup, as_directory
from tenantshield_mw.options import ALREADY, WSGIOptions, reusable
from tenantshield_mw.refusal import REFUSAL_KEY, REFUSED, logged_refusal_for, start_refusal
from tenantshield_mw.resolution import SyncResolver
from tenantshield_mw.resolvers.identifier import Kind, parser_for

__all__ = ["TenantShield", "current_tenant", "enter_tenant", "tenant_option"]

P = ParamSpec("P")
R = TypeVar("R")

_EXTENSION: Final = "tenantshield"
_OPTION: Final = "tenantshield_tenant"
_BINDING: Final = "tenantshield_mw.flask.binding"

_logger: Final = logging.getLogger(__name__)


class _UnboundProxyError(MissingTenantContextError, RuntimeError):
    """A ``RuntimeError``, which ``LocalProxy`` treats as unbound.

    So ``isinstance`` and ``repr`` work without a tenant; ``flask --app`` calls ``isinstance`` on
    everything in a module.
    """


def _current() -> TenantContext:
    try:
        return tenantshield_mw.current_tenant()
    except MissingTenantContextError as error:
        raise _UnboundProxyError(*error.args) from None


current_tenant: TenantContext = LocalProxy(_current)  # type: ignore[assignment]
"""The tenant of the request; raises :class:`~tenantshield_mw.MissingTenantContextError` if there
is none."""


class TenantShield:
    """Bind each request of a Flask application to its tenant::

        tenants = TenantShield(
            app, resolve_tenant=resolvers.header("X-Tenant-ID"), exempt=["/health"]
        )

    or without ``app``, with ``tenants.init_app(app)`` in the application factory. Errors in the
    app become refusals, unless the app has an error handler for their class, which may be added
    later. The answer to a refused request passes through the app's ``after_request`` functions,
    which may add CORS headers.

    Args:
        app: the application; ``None`` to call :meth:`init_app` later.
        resolve_tenant: see :class:`~tenantshield_mw.TenantSessionMiddlewareWSGI`.
        **options: the middleware's other arguments.

    Raises:
        ConfigurationError: an argument is invalid, or ``app`` already has the extension.
        TypeError: the middleware has no such argument.
    """

    def __init__(
        self,
        app: Flask | None = None,
        *,
        resolve_tenant: SyncResolver,
        **options: Unpack[WSGIOptions],
    ) -> None:
        self._kept = reusable(TenantSessionMiddlewareWSGI, resolve_tenant=resolve_tenant, **options)
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Register with ``app``; one extension may serve several applications.

        Args:
            app: the application.

        Raises:
            ConfigurationError: ``app`` already has the extension.
        """
        if _EXTENSION in app.extensions:
            raise ConfigurationError(ALREADY)
        answer = self._kept.get("on_refused") or _answer_refused
        options = {**self._kept, "on_refused": _through_flask(app, answer)}
        middleware = TenantSessionMiddlewareWSGI(_noting_binding(app.wsgi_app), **options)
        handled = app.error_handler_spec[None][None]
        for kind in REFUSED:
            if kind not in handled:
                app.register_error_handler(kind, _refuse)
        app.extensions[_EXTENSION] = self
        app.wsgi_app = _with_session(app, middleware)  # type: ignore[method-assign]


def _with_session(app: Flask, middleware: Any) -> Any:
    """Return a WSGI app that lets resolvers read Flask's own session."""

    def serve(environ: Any, start_response: Any) -> Any:
        given = environ.get(SESSION_KEY)
        # One that middleware has put there counts, but not that of a Flask app around this one,
        # which has another cookie and another secret.
        if given is None or getattr(given, "func", None) is _session_of:
            environ[SESSION_KEY] = partial(_session_of, app, environ)
        return middleware(environ, start_response)

    return serve


def _noting_binding(app: Any) -> Any:
    """Return a WSGI app that notes the middleware's binding, which ends with the request."""

    def serve(environ: Any, start_response: Any) -> Any:
        environ[_BINDING] = current_binding()
        return app(environ, start_response)

    return serve


def _session_of(app: Flask, environ: Any) -> Any:
    found = app.session_interface.open_session(app, app.request_class(environ))
    if found is None:
        raise ConfigurationError("the app has no session: set its SECRET_KEY")
    return found


def enter_tenant(tenant: TenantContext | TenantId) -> None:
    """Bind the tenant for the rest of the request, for ``before_request``::

        TenantShield(app, resolve_tenant=resolvers.bound_later())


        @app.before_request
        def bind_tenant() -> None:
            if current_user.is_authenticated:
                enter_tenant(current_user.organization_id)

    The view, ``after_request`` and teardown functions and a streamed body see it. It ends with
    the request.

    Args:
        tenant: an identifier or a :class:`~tenantshield_mw.TenantContext`.

    Raises:
        ConfigurationError: the request did not pass :class:`TenantShield`, which ends it; or this
            code does not run in the request, but in a thread or after its end.
        ScopeMismatchError: the request is bound to another tenant.
        TenantResolutionError: ``tenant`` cannot name a tenant.
    """
    if TENANT_KEY not in request.environ:
        raise ConfigurationError(
            "enter_tenant() needs TenantShield(app, ...), which ends the tenant with the request"
        )
    bound = _bound_in_request()
    if not bound:
        raise ConfigurationError(
            "enter_tenant() was called in a thread that has the request's context, or after the "
            "request, where nothing would end the tenant: enter tenant_scope(...) there"
        )
    entered = as_tenant_context(tenant)
    # Also a tenant outside a system scope, which ends before the request does.
    for each in (*bound, request.environ[TENANT_KEY]):
        if isinstance(each, TenantContext) and each != entered:
            raise ScopeMismatchError(
                "the request is bound to another tenant than enter_tenant() names: name it once"
            )
    if try_current_tenant() is None:
        bind(entered)
        request.environ[TENANT_KEY] = entered


def _bound_in_request() -> list[Bound]:
    """Return what is bound, up to the binding of the request's middleware; nothing if that one is
    not among the bindings, so that they do not end with it.
    """
    of_request = request.environ.get(_BINDING)
    bound: list[Bound] = []
    binding = current_binding()
    while binding is not None:
        bound.append(binding[0])
        if binding is of_request:
            return bound
        binding = binding[1]
    return []


def _answer_refused(environ: Any, start_response: Any) -> Any:
    return start_refusal(environ[REFUSAL_KEY], environ, start_response)


def _through_flask(app: Flask, answer: Any) -> Any:
    """Return a WSGI app that gives the app's ``after_request`` functions the answer to a refused
    request, as they get every other response. CORS headers come from there.
    """

    def answer_through_flask(environ: Any, start_response: Any) -> Any:
        response: Any = app.response_class.from_app(answer, environ)
        try:
            with app.request_context(environ):
                response = app.process_response(response)
        # That the request was refused must not depend on what fails without a tenant.
        except Exception:
            _logger.exception("the app failed to process the answer to a refused request")
        return response(environ, start_response)

    return answer_through_flask


def _refuse(error: Exception) -> Response:
    refusal = logged_refusal_for(error, _logger, request.environ)
    return Response(refusal.body, refusal.status, list(refusal.headers))


def tenant_option(
    *,
    type: Kind = str,  # noqa: A002
    directory: TenantDirectory | Lookup | None = None,
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Return a decorator that adds ``--tenant`` to a command and runs it under that tenant.

    ::

        @app.cli.command()
        @tenant_option()
        def remind() -> None:
            for invoice in db.session.scalars(select(Invoice)): ...

    Args:
        type: ``str``, ``int`` or ``uuid.UUID``, the type of the tenant columns. The id is
            parsed as in the resolvers: a UUID with hyphens, an integer without ``+``.
        directory: a :class:`~tenantshield_mw.TenantDirectory` or a sync lookup, asked inside the
            application's context. A tenant that it does not have, or that is suspended, is an
            error of the command line.

    Raises:
        ConfigurationError: ``type`` is anything else.
    """
    parse = parser_for(type)
    found = as_directory(directory)

    def read(ctx: click.Context, param: click.Parameter, value: str) -> TenantContext:  # noqa: ARG001
        try:
            return parse(value)
        except TenantResolutionError as error:
            raise click.BadParameter(str(error)) from None

    def decorate(command: Callable[P, R]) -> Callable[P, R]:
        def run(*args: P.args, **kwargs: P.kwargs) -> R:
            tenant: Any = kwargs.pop(_OPTION)
            if found is not None:
                try:
                    tenant = found.find(tenant.tenant_id, blocking=True)
                except TenantResolutionError as error:
                    raise click.BadParameter(str(error), param_hint="--tenant") from None
            with tenant_scope(tenant):
                return command(*args, **kwargs)

        option = click.option(
            "--tenant", _OPTION, required=True, callback=read, help="The tenant to run for."
        )
        return option(wraps(command)(run))

    return decorate
