"""The responses to requests that cannot be bound to a tenant."""

from __future__ import annotations

from typing import Any

import pytest

from tenantshield_mw import (
    ConfigurationError,
    CrossTenantAccessError,
    MissingTenantContextError,
    PlacementUnavailableError,
    TenantNotAuthorizedError,
    TenantNotFoundError,
    TenantResolutionError,
    TenantSessionMiddleware,
    TenantSessionMiddlewareWSGI,
    TenantSuspendedError,
    TenantUnauthenticatedError,
    TenantUnavailableError,
    resolvers,
    tenant_scope,
)
from tenantshield_mw.refusal import REFUSED, refusal_for

from .calling import (
    Seen,
    as_environ,
    asgi_messages,
    call_asgi,
    call_wsgi,
    http_scope,
    websocket_scope,
)

ECHO = "<script>unchecked</script>"


def raising(error: type[Exception]) -> Any:
    def resolver(request: Any) -> str:
        raise error(ECHO)

    return resolver


def nobody(request: Any) -> None:
    return None


CASES: list[Any] = [
    pytest.param(nobody, 400, "Bad Request", "tenant_missing", id="missing"),
    pytest.param(
        raising(TenantResolutionError), 400, "Bad Request", "tenant_malformed", id="malformed"
    ),
    pytest.param(raising(TenantNotFoundError), 404, "Not Found", "tenant_unknown", id="unknown"),
    pytest.param(
        raising(TenantSuspendedError), 403, "Forbidden", "tenant_suspended", id="suspended"
    ),
    pytest.param(
        raising(TenantUnauthenticatedError),
        401,
        "Unauthorized",
        "tenant_unauthenticated",
        id="unauthenticated",
    ),
    pytest.param(
        raising(TenantNotAuthorizedError),
        403,
        "Forbidden",
        "tenant_not_authorized",
        id="not authorized",
    ),
    pytest.param(
        raising(TenantUnavailableError),
        503,
        "Service Unavailable",
        "tenant_unavailable",
        id="unavailable",
    ),
    pytest.param(
        raising(TimeoutError), 503, "Service Unavailable", "tenant_unavailable", id="timed out"
    ),
]


@pytest.mark.parametrize(("resolver", "status", "title", "code"), CASES)
async def test_a_refusal_is_a_problem_detail_in_both_interfaces(
    resolver: Any, status: int, title: str, code: str
) -> None:
    seen = Seen()
    over_asgi = await call_asgi(
        TenantSessionMiddleware(seen.asgi, resolve_tenant=resolver), http_scope()
    )
    over_wsgi = call_wsgi(
        TenantSessionMiddlewareWSGI(seen.wsgi, resolve_tenant=resolver), as_environ()
    )
    assert over_asgi == over_wsgi
    assert over_asgi.status == status
    problem = over_asgi.problem
    assert problem.pop("detail")
    assert problem == {"type": "about:blank", "title": title, "status": status, "code": code}
    assert over_asgi.headers["content-length"] == str(len(over_asgi.body))
    assert over_asgi.headers["cache-control"] == "no-store"
    assert ECHO.encode() not in over_asgi.body
    assert seen.tenants == []


@pytest.mark.parametrize(("resolver", "status", "title", "code"), CASES)
async def test_head_gets_the_same_headers_and_no_body(
    resolver: Any, status: int, title: str, code: str
) -> None:
    asgi = TenantSessionMiddleware(Seen().asgi, resolve_tenant=resolver)
    wsgi = TenantSessionMiddlewareWSGI(Seen().wsgi, resolve_tenant=resolver)
    with_body = await call_asgi(asgi, http_scope())
    for head in (
        await call_asgi(asgi, http_scope(method="HEAD")),
        call_wsgi(wsgi, as_environ(REQUEST_METHOD="HEAD")),
    ):
        assert (head.status, head.headers) == (with_body.status, with_body.headers)
        assert head.body == b""


@pytest.mark.parametrize("extensions", [{}, None, {"tls": {}}])
@pytest.mark.parametrize(("resolver", "status", "title", "code"), CASES)
async def test_a_websocket_is_closed_before_it_is_accepted(
    resolver: Any, status: int, title: str, code: str, extensions: Any
) -> None:
    seen = Seen()
    app = TenantSessionMiddleware(seen.asgi, resolve_tenant=resolver)
    messages = await asgi_messages(app, websocket_scope(extensions=extensions))
    assert messages == [{"type": "websocket.close", "code": 1008}]
    assert seen.tenants == []


async def test_a_websocket_is_closed_where_the_server_offers_no_extensions_at_all() -> None:
    app = TenantSessionMiddleware(Seen().asgi, resolve_tenant=nobody)
    messages = await asgi_messages(app, websocket_scope())
    assert messages == [{"type": "websocket.close", "code": 1008}]


@pytest.mark.parametrize(("resolver", "status", "title", "code"), CASES)
async def test_a_websocket_gets_the_denial_response_where_the_server_offers_it(
    resolver: Any, status: int, title: str, code: str
) -> None:
    seen = Seen()
    app = TenantSessionMiddleware(seen.asgi, resolve_tenant=resolver)
    start, body = await asgi_messages(
        app, websocket_scope(extensions={"websocket.http.response": {}})
    )
    plain = await call_asgi(app, http_scope())
    assert start["type"] == "websocket.http.response.start"
    assert start["status"] == status
    assert body == {"type": "websocket.http.response.body", "body": plain.body}
    assert seen.tenants == []


async def test_raise_raises_for_a_missing_tenant() -> None:
    seen = Seen()
    options: Any = {"resolve_tenant": nobody, "on_missing_tenant": "raise"}
    with pytest.raises(MissingTenantContextError):
        await call_asgi(TenantSessionMiddleware(seen.asgi, **options), http_scope())
    with pytest.raises(MissingTenantContextError):
        await asgi_messages(TenantSessionMiddleware(seen.asgi, **options), websocket_scope())
    with pytest.raises(MissingTenantContextError):
        call_wsgi(TenantSessionMiddlewareWSGI(seen.wsgi, **options), as_environ())
    assert seen.tenants == []


@pytest.mark.parametrize(
    "error", [TenantResolutionError, TenantNotFoundError, TenantSuspendedError]
)
async def test_raise_raises_the_error_of_the_resolver(error: type[Exception]) -> None:
    seen = Seen()
    options: Any = {"resolve_tenant": raising(error), "on_missing_tenant": "raise"}
    with pytest.raises(error, match=ECHO):
        await call_asgi(TenantSessionMiddleware(seen.asgi, **options), http_scope())
    with pytest.raises(error, match=ECHO):
        call_wsgi(TenantSessionMiddlewareWSGI(seen.wsgi, **options), as_environ())
    assert seen.tenants == []


async def test_raise_raises_if_the_tenant_was_not_found_in_time() -> None:
    options: Any = {"resolve_tenant": raising(TimeoutError), "on_missing_tenant": "raise"}
    with pytest.raises(TenantUnavailableError) as caught:
        await call_asgi(TenantSessionMiddleware(Seen().asgi, **options), http_scope())
    assert isinstance(caught.value.__cause__, TimeoutError)
    with pytest.raises(TenantUnavailableError):
        call_wsgi(TenantSessionMiddlewareWSGI(Seen().wsgi, **options), as_environ())


async def test_invalid_credentials_are_answered_with_a_challenge() -> None:
    def resolver(request: Any) -> str:
        raise TenantUnauthenticatedError("no", challenge='Own realm="here"')

    asgi = TenantSessionMiddleware(Seen().asgi, resolve_tenant=resolver)
    for response in (
        await call_asgi(asgi, http_scope()),
        call_wsgi(TenantSessionMiddlewareWSGI(Seen().wsgi, resolve_tenant=resolver), as_environ()),
    ):
        assert response.status == 401
        assert response.headers["www-authenticate"] == 'Own realm="here"'
    start, _ = await asgi_messages(
        asgi, websocket_scope(extensions={"websocket.http.response": {}})
    )
    assert (b"www-authenticate", b'Own realm="here"') in start["headers"]


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (MissingTenantContextError("x"), 500, "tenant_not_in_scope"),
        (CrossTenantAccessError("x"), 403, "cross_tenant"),
        (PlacementUnavailableError("x"), 503, "placement_unavailable"),
        (TenantNotFoundError("x"), 404, "tenant_unknown"),
    ],
)
def test_errors_of_the_app_have_refusals_too(error: Exception, status: int, code: str) -> None:
    assert isinstance(error, REFUSED)
    refusal = refusal_for(error)
    assert (refusal.status, refusal.code) == (status, code)


async def test_allow_unbound_runs_the_request_without_a_tenant() -> None:
    seen = Seen()
    options: Any = {"resolve_tenant": nobody, "on_missing_tenant": "allow_unbound"}
    with tenant_scope("server"):
        await call_asgi(TenantSessionMiddleware(seen.asgi, **options), http_scope())
        call_wsgi(TenantSessionMiddlewareWSGI(seen.wsgi, **options), as_environ())
    assert seen.tenants == [None, None]


@pytest.mark.parametrize(("resolver", "status", "title", "code"), CASES[1:])
async def test_allow_unbound_refuses_a_malformed_tenant(
    resolver: Any, status: int, title: str, code: str
) -> None:
    seen = Seen()
    options: Any = {"resolve_tenant": resolver, "on_missing_tenant": "allow_unbound"}
    over_asgi = await call_asgi(TenantSessionMiddleware(seen.asgi, **options), http_scope())
    over_wsgi = call_wsgi(TenantSessionMiddlewareWSGI(seen.wsgi, **options), as_environ())
    assert (over_asgi.status, over_asgi.problem["code"]) == (status, code)
    assert (over_wsgi.status, over_wsgi.problem["code"]) == (status, code)
    assert seen.tenants == []


async def test_an_error_of_the_app_is_never_taken_for_the_resolvers() -> None:
    async def asgi_app(scope: Any, receive: Any, send: Any) -> None:
        raise TenantNotFoundError

    def wsgi_app(environ: Any, start_response: Any) -> list[bytes]:
        raise TenantNotFoundError

    options: Any = {"resolve_tenant": lambda request: "acme"}
    with pytest.raises(TenantNotFoundError):
        await call_asgi(TenantSessionMiddleware(asgi_app, **options), http_scope())
    with pytest.raises(TenantNotFoundError):
        call_wsgi(TenantSessionMiddlewareWSGI(wsgi_app, **options), as_environ())


@pytest.mark.parametrize("middleware", [TenantSessionMiddleware, TenantSessionMiddlewareWSGI])
@pytest.mark.parametrize("value", ["ignore", "", None, True, 400, ["reject"]])
def test_another_on_missing_tenant_is_refused_and_the_error_lists_the_three(
    middleware: Any, value: Any
) -> None:
    with pytest.raises(ConfigurationError, match=r'"reject", "raise" or "allow_unbound"'):
        middleware(
            Seen().asgi, resolve_tenant=resolvers.header("X-Tenant-ID"), on_missing_tenant=value
        )


@pytest.mark.parametrize("middleware", [TenantSessionMiddleware, TenantSessionMiddlewareWSGI])
def test_an_app_that_is_not_callable_is_refused_at_construction(middleware: Any) -> None:
    with pytest.raises(ConfigurationError, match="app"):
        middleware(None, resolve_tenant=resolvers.header("X-Tenant-ID"))
