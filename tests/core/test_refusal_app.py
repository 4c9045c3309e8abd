"""Refused requests that the user's own app answers."""

from __future__ import annotations

from typing import Any

import pytest

from tenantshield_mw import (
    REFUSAL_KEY,
    TENANT_KEY,
    ConfigurationError,
    Refusal,
    TenantSessionMiddleware,
    TenantSessionMiddlewareWSGI,
    TenantUnauthenticatedError,
    resolvers,
    tenant_scope,
    try_current_tenant,
)

from .calling import (
    Response,
    Seen,
    as_environ,
    asgi_messages,
    call_asgi,
    call_wsgi,
    http_scope,
    websocket_scope,
)


class Page:
    """An app for both interfaces that answers with a page, and records its arguments."""

    def __init__(self, status: int = 0, *fields: tuple[str, str]) -> None:
        self.status = status
        self.fields = [("content-type", "text/html"), *fields]
        self.requests: list[Any] = []
        self.tenants: list[Any] = []

    def page(self, request: Any) -> tuple[int, bytes]:
        self.requests.append(request)
        self.tenants.append(try_current_tenant())
        refusal: Refusal = request[REFUSAL_KEY]
        return self.status or refusal.status.value, f"<p>{refusal.code}".encode()

    async def asgi(self, scope: Any, receive: Any, send: Any) -> None:
        status, body = self.page(scope)
        assert await receive() == {"type": "http.request", "body": b"", "more_body": False}
        fields = [(name.encode(), value.encode()) for name, value in self.fields]
        await send({"type": "http.response.start", "status": status, "headers": fields})
        await send({"type": "http.response.body", "body": body})

    def wsgi(self, environ: Any, start_response: Any) -> list[bytes]:
        status, body = self.page(environ)
        start_response(f"{status} Whatever", list(self.fields))
        return [body]


def unauthenticated(request: Any) -> str:
    raise TenantUnauthenticatedError("no", challenge="Own")


async def answers(page: Page, resolver: Any) -> Response:
    """Return the response, which is the same through both middlewares."""
    seen = Seen()
    with tenant_scope("server"):
        over_asgi = await call_asgi(
            TenantSessionMiddleware(seen.asgi, resolve_tenant=resolver, on_refused=page.asgi),
            http_scope(),
        )
        over_wsgi = call_wsgi(
            TenantSessionMiddlewareWSGI(seen.wsgi, resolve_tenant=resolver, on_refused=page.wsgi),
            as_environ(),
        )
    assert over_asgi == over_wsgi
    assert seen.tenants == []
    return over_asgi


async def test_the_answer_is_the_apps_own() -> None:
    response = await answers(Page(), lambda request: None)
    assert response.status == 400
    assert response.body == b"<p>tenant_missing"
    assert response.headers == {"content-type": "text/html", "cache-control": "no-store"}


async def test_the_app_may_answer_with_another_status() -> None:
    page = Page(303, ("location", "/login"), ("cache-control", "private"))
    response = await answers(page, unauthenticated)
    assert response.status == 303
    assert response.headers == {
        "content-type": "text/html",
        "location": "/login",
        "cache-control": "private",
    }


async def test_a_401_has_a_challenge_even_if_the_app_adds_none() -> None:
    assert (await answers(Page(), unauthenticated)).headers["www-authenticate"] == "Own"
    page = Page(0, ("www-authenticate", "Other"))
    assert (await answers(page, unauthenticated)).headers["www-authenticate"] == "Other"


async def test_vary_is_merged_with_the_apps_vary() -> None:
    response = await answers(Page(0, ("vary", "Cookie")), resolvers.header("X-Tenant-ID"))
    assert response.headers["vary"] == "Cookie, X-Tenant-ID"


async def test_the_app_runs_without_a_tenant() -> None:
    page = Page()
    await answers(page, lambda request: None)
    assert page.tenants == [None, None]
    assert [request[TENANT_KEY] for request in page.requests] == [None, None]


async def test_the_scope_is_a_copy() -> None:
    scope = http_scope()
    before = dict(scope)
    app = TenantSessionMiddleware(
        Seen().asgi, resolve_tenant=lambda request: None, on_refused=Page().asgi
    )
    await call_asgi(app, scope)
    assert scope == before


async def test_a_websocket_that_cannot_be_denied_with_a_response_is_closed() -> None:
    page = Page()
    app = TenantSessionMiddleware(
        Seen().asgi, resolve_tenant=lambda request: None, on_refused=page.asgi
    )
    messages = await asgi_messages(app, websocket_scope())
    assert messages == [{"type": "websocket.close", "code": 1008}]
    assert page.requests == []


async def test_a_websocket_is_denied_with_the_apps_response_if_the_server_supports_it() -> None:
    page = Page()
    app = TenantSessionMiddleware(
        Seen().asgi, resolve_tenant=resolvers.header("X-Tenant-ID"), on_refused=page.asgi
    )
    scope = websocket_scope(
        scheme="wss", extensions={"websocket.http.response": {}, "tls": {"x": 1}}
    )
    start, body = await asgi_messages(app, scope)
    assert start["type"] == "websocket.http.response.start"
    assert start["status"] == 400
    assert dict(start["headers"]) == {
        b"content-type": b"text/html",
        b"cache-control": b"no-store",
        b"vary": b"X-Tenant-ID",
    }
    assert body == {"type": "websocket.http.response.body", "body": b"<p>tenant_missing"}
    (request,) = page.requests
    assert (request["type"], request["method"], request["scheme"]) == ("http", "GET", "https")
    assert request["extensions"] == {"tls": {"x": 1}}


async def test_the_app_is_told_that_the_client_of_a_websocket_has_disconnected() -> None:
    received: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        received.extend([await receive(), await receive()])

    incoming = iter([{"type": "websocket.connect"}, {"type": "websocket.disconnect"}])

    async def receive() -> Any:
        return next(incoming)

    async def send(message: Any) -> None: ...

    middleware = TenantSessionMiddleware(
        Seen().asgi, resolve_tenant=lambda request: None, on_refused=app
    )
    scope = websocket_scope(extensions={"websocket.http.response": {}})
    await middleware(scope, receive, send)
    assert [message["type"] for message in received] == ["http.request", "http.disconnect"]


def test_a_streamed_answer_is_generated_and_closed_without_a_tenant() -> None:
    seen: list[Any] = []

    def app(environ: Any, start_response: Any) -> Any:
        start_response("400 Bad Request", [])
        try:
            seen.append(try_current_tenant())
            yield b"no"
        finally:
            seen.append(try_current_tenant())

    middleware = TenantSessionMiddlewareWSGI(
        Seen().wsgi, resolve_tenant=lambda environ: None, on_refused=app
    )
    with tenant_scope("server"):
        assert call_wsgi(middleware, as_environ()).body == b"no"
    assert seen == [None, None]


@pytest.mark.parametrize("middleware", [TenantSessionMiddleware, TenantSessionMiddlewareWSGI])
def test_an_app_that_is_not_callable_is_refused(middleware: Any) -> None:
    with pytest.raises(ConfigurationError, match="on_refused"):
        middleware(Seen().asgi, resolve_tenant=lambda request: "acme", on_refused="page.html")
