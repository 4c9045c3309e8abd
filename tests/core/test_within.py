"""An application with a middleware of its own within one that has a middleware, too."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from a2wsgi import ASGIMiddleware, WSGIMiddleware

from tenantshield_mw import (
    TenantContext,
    TenantSessionMiddleware,
    TenantSessionMiddlewareWSGI,
    resolvers,
)
from tenantshield_mw.request import TENANT_KEY

from .calling import as_environ, asgi_messages, call_wsgi, http_scope
from .wsgi_calls import ACME, around, tenant_bytes, tenant_id

TEXT = [("Content-Type", "text/plain; charset=utf-8")]


def asgi_around(app: Any, **options: Any) -> TenantSessionMiddleware:
    return TenantSessionMiddleware(app, resolve_tenant=resolvers.header("X-Tenant-ID"), **options)


async def ignored(*_: Any) -> None: ...


@pytest.mark.parametrize(
    ("inner", "status", "seen"),
    [
        (lambda _: "acme", 200, ["acme", "acme"]),
        (lambda _: TenantContext("acme", {"plan": "gold"}), 200, ["acme", "acme"]),
        # What was proved to the outer middleware is not replaced.
        (lambda _: "globex", 400, ["acme"]),
        (lambda _: 1, 400, ["acme"]),
    ],
)
async def test_an_asgi_app_within_another_one_is_for_the_same_tenant(
    inner: Any, status: int, seen: list[object]
) -> None:
    found: list[object] = []

    async def innermost(scope: Any, receive: Any, send: Any) -> None:
        found.append(tenant_id())
        await send({"type": "http.response.start", "status": 200, "headers": []})

    mounted = TenantSessionMiddleware(innermost, resolve_tenant=inner)

    async def outermost(scope: Any, receive: Any, send: Any) -> None:
        await mounted(scope, receive, send)
        found.append(tenant_id())
        assert scope[TENANT_KEY].tenant_id == "acme"

    sent = await asgi_messages(asgi_around(outermost), http_scope(headers=ACME))
    assert sent[0]["status"] == status
    assert found == seen


@pytest.mark.parametrize("outer", [{"exempt": ["/in"]}, {"on_missing_tenant": "allow_unbound"}])
async def test_an_asgi_app_may_name_a_tenant_where_the_one_around_it_has_none(
    outer: Any,
) -> None:
    found: list[object] = []

    async def innermost(scope: Any, receive: Any, send: Any) -> None:
        found.append(tenant_id())

    mounted = TenantSessionMiddleware(innermost, resolve_tenant=lambda _: "globex")
    await asgi_around(mounted, **outer)(http_scope("/in"), ignored, ignored)
    assert found == ["globex"]


@pytest.mark.parametrize(
    ("inner", "status", "seen"),
    [
        (lambda _: "acme", 200, ["acme", "acme"]),
        (lambda _: TenantContext("acme", {"plan": "gold"}), 200, ["acme", "acme"]),
        # What was proved to the outer middleware is not replaced.
        (lambda _: "globex", 400, ["acme"]),
        (lambda _: 1, 400, ["acme"]),
    ],
)
def test_a_wsgi_app_within_another_one_is_for_the_same_tenant(
    inner: Any, status: int, seen: list[object]
) -> None:
    found: list[object] = []

    def innermost(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        found.append(tenant_id())
        yield b""

    mounted = TenantSessionMiddlewareWSGI(innermost, resolve_tenant=inner)

    def outermost(environ: Any, start_response: Any) -> Iterator[bytes]:
        yield from mounted(environ, start_response)
        found.append(tenant_id())

    assert call_wsgi(around(outermost), as_environ(headers=ACME)).status == status
    assert found == seen


@pytest.mark.parametrize("outer", [{"exempt": ["/in"]}, {"on_missing_tenant": "allow_unbound"}])
def test_a_wsgi_app_may_name_a_tenant_where_the_one_around_it_has_none(outer: Any) -> None:
    def innermost(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        yield tenant_bytes()

    mounted = TenantSessionMiddlewareWSGI(innermost, resolve_tenant=lambda _: "globex")
    assert call_wsgi(around(mounted, **outer), as_environ("/in")).body == b"globex"


@pytest.mark.parametrize(
    ("headers", "outcome"),
    [
        ({"X-Outer": "acme", "X-Tenant-ID": "acme"}, (200, b"acme")),
        ({"X-Outer": "acme", "X-Tenant-ID": "globex"}, (400, None)),
        ({"X-Tenant-ID": "globex"}, (200, b"globex")),
    ],
)
async def test_a_wsgi_app_in_an_asgi_app_is_for_the_same_tenant(
    headers: dict[str, str], outcome: Any
) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", TEXT)
        return [tenant_bytes()]

    bridge: Any = WSGIMiddleware
    both = TenantSessionMiddleware(
        bridge(around(app)),
        resolve_tenant=resolvers.header("X-Outer"),
        on_missing_tenant="allow_unbound",
    )
    transport = httpx.ASGITransport(both)
    async with httpx.AsyncClient(transport=transport, base_url="http://app") as client:
        response = await client.get("/", headers=headers)
    status, body = outcome
    assert response.status_code == status
    if body is None:
        assert response.json()["code"] == "tenant_malformed"
    else:
        assert response.content == body


@pytest.mark.parametrize(("inner", "status"), [(b"acme", 200), (b"globex", 400)])
def test_an_asgi_app_in_a_wsgi_app_is_for_the_same_tenant(inner: bytes, status: int) -> None:
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(tenant_id())
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    bridge: Any = ASGIMiddleware
    within = bridge(
        TenantSessionMiddleware(app, resolve_tenant=resolvers.header("X-Inner")), wait_time=60.0
    )
    headers = [*ACME, (b"x-inner", inner)]
    assert call_wsgi(around(within), as_environ(headers=headers)).status == status
    assert seen == (["acme"] if status == 200 else [])
