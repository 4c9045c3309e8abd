"""The headers that the tenant came from, in ``Vary``."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenantshield_mw import (
    ConfigurationError,
    TenantSessionMiddleware,
    TenantSessionMiddlewareWSGI,
    resolvers,
)
from tenantshield_mw.vary import merged

from .calling import as_environ, asgi_messages, call_asgi, call_wsgi, http_scope, websocket_scope

ACME = [(b"x-tenant-id", b"acme")]
RESOLVER = resolvers.header("X-Tenant-ID")


def answering(*fields: tuple[str, str]) -> tuple[Any, Any]:
    """Return an ASGI and a WSGI app that respond with these header fields."""

    async def asgi(scope: Any, receive: Any, send: Any) -> None:
        headers = [(name.encode(), value.encode()) for name, value in fields]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"ok"})

    def wsgi(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", list(fields))
        return [b"ok"]

    return asgi, wsgi


async def fields_after(
    *fields: tuple[str, str], path: str = "/", **options: Any
) -> list[tuple[str, str]]:
    """Return the response's fields, which are the same through both middlewares."""
    asgi, wsgi = answering(*fields)
    options.setdefault("resolve_tenant", RESOLVER)
    start, body = await asgi_messages(
        TenantSessionMiddleware(asgi, **options), http_scope(path, headers=ACME)
    )
    assert body == {"type": "http.response.body", "body": b"ok"}
    over_asgi = [(name.decode().lower(), value.decode()) for name, value in start["headers"]]

    over_wsgi: list[tuple[str, str]] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:
        assert type(headers) is list
        over_wsgi.extend((name.lower(), value) for name, value in headers)

    list(
        TenantSessionMiddlewareWSGI(wsgi, **options)(
            as_environ(path, headers=ACME),
            start_response,  # type: ignore[arg-type]
        )
    )
    assert over_asgi == over_wsgi
    return over_asgi


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([], "X-Tenant-ID"),
        (["Accept-Encoding"], "Accept-Encoding, X-Tenant-ID"),
        (["Accept-Encoding,Cookie"], "Accept-Encoding, Cookie, X-Tenant-ID"),
        (["Accept-Encoding", "Cookie"], "Accept-Encoding, Cookie, X-Tenant-ID"),
        (["X-Tenant-ID"], "X-Tenant-ID"),
        (["x-tenant-id , Cookie"], "x-tenant-id, Cookie"),
        (["Cookie", "X-TENANT-ID"], "Cookie, X-TENANT-ID"),
        (["*"], "*"),
        (["Cookie, *"], "*"),
        ([""], "X-Tenant-ID"),
    ],
)
@pytest.mark.parametrize("name", ["vary", "Vary"])
async def test_vary_names_the_header_once_and_keeps_existing_names(
    before: list[str], after: str, name: str
) -> None:
    other = ("content-type", "text/plain")
    fields = await fields_after(other, *((name, value) for value in before))
    assert sorted(fields) == sorted([other, ("vary", after)])


async def test_the_other_fields_keep_their_order_and_number() -> None:
    others = [("set-cookie", "b=1"), ("x-one", "1"), ("set-cookie", "a=2")]
    for fields in (await fields_after(*others), await fields_after(*others, ("vary", "Cookie"))):
        assert [field for field in fields if field[0] != "vary"] == others


@given(st.lists(st.sampled_from(["Cookie", "cookie", "X-A", "*", "", " X-B ", "x-tenant-id"])))
def test_merging_keeps_all_members_and_adds_nothing_else(members: list[str]) -> None:
    value = merged(",".join(members), ("X-Tenant-ID", "Cookie"))
    if "*" in members:
        assert value == "*"
        return
    there = {member.strip().lower() for member in members} - {""}
    listed = [member.lower() for member in value.split(", ")]
    assert set(listed) == there | {"x-tenant-id", "cookie"}
    assert merged(value, ("X-Tenant-ID", "Cookie")) == value


async def test_the_message_of_the_app_is_left_as_it_is() -> None:
    fields = ((b"content-type", b"text/plain"),)
    message = {"type": "http.response.start", "status": 200, "headers": fields, "trailers": True}
    before = dict(message)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(message)

    for _ in range(2):
        (start,) = await asgi_messages(
            TenantSessionMiddleware(app, resolve_tenant=RESOLVER), http_scope(headers=ACME)
        )
        assert start == {**before, "headers": [*fields, (b"vary", b"X-Tenant-ID")]}
    assert message == before


async def test_a_response_without_headers_gets_vary() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 204})
        await send({"type": "http.response.body"})

    start, body = await asgi_messages(
        TenantSessionMiddleware(app, resolve_tenant=RESOLVER), http_scope(headers=ACME)
    )
    assert start["headers"] == [(b"vary", b"X-Tenant-ID")]
    assert body == {"type": "http.response.body"}


async def test_messages_other_than_the_start_are_the_apps_own() -> None:
    sent = [
        {"type": "http.response.debug", "info": {}},
        {"type": "http.response.start", "status": 200, "headers": []},
        {"type": "http.response.pathsend", "path": "/srv/file"},
        {"type": "http.response.trailers", "headers": []},
    ]

    async def app(scope: Any, receive: Any, send: Any) -> None:
        for message in sent:
            await send(message)

    received = await asgi_messages(
        TenantSessionMiddleware(app, resolve_tenant=RESOLVER), http_scope(headers=ACME)
    )
    assert [each is other for each, other in zip(received, sent, strict=True)] == [
        True,
        False,
        True,
        True,
    ]


@pytest.mark.parametrize("kind", ["websocket.accept", "http.response.start"])
async def test_a_websocket_is_left_as_it_is(kind: str) -> None:
    message = {"type": kind, "headers": []}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(message)

    (sent,) = await asgi_messages(
        TenantSessionMiddleware(app, resolve_tenant=RESOLVER), websocket_scope(headers=ACME)
    )
    assert sent is message


def test_write_and_exc_info_arrive_at_the_server() -> None:
    started: list[Any] = []
    written: list[bytes] = []

    def start_response(status: str, headers: Any, *exc_info: Any) -> Any:
        started.append((status, headers, exc_info))
        return written.append

    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])(b"ok")
        try:
            raise LookupError
        except LookupError:
            information = sys.exc_info()
            start_response("500 Oh", [("Vary", "Cookie")], information)
        passed.append(information)
        return []

    passed: list[Any] = []
    TenantSessionMiddlewareWSGI(app, resolve_tenant=RESOLVER)(
        as_environ(headers=ACME), start_response
    )
    assert written == [b"ok"]
    assert started == [
        ("200 OK", [("Vary", "X-Tenant-ID")], ()),
        ("500 Oh", [("Vary", "Cookie, X-Tenant-ID")], (passed[0],)),
    ]


async def test_an_exempt_request_and_a_resolver_that_reads_no_header_add_nothing() -> None:
    assert await fields_after(path="/health", exempt=["/health"]) == []
    assert await fields_after(resolve_tenant=lambda request: "acme") == []


async def test_vary_is_added_for_an_unbound_request_too() -> None:
    fields = await fields_after(
        resolve_tenant=resolvers.header("X-Other"), on_missing_tenant="allow_unbound"
    )
    assert fields == [("vary", "X-Other")]


async def test_a_custom_resolver_may_declare_its_headers() -> None:
    def resolver(request: Any) -> str:
        return "acme"

    assert await fields_after(resolve_tenant=resolver, vary=["X-Own"]) == [("vary", "X-Own")]
    resolver.varies_on = ("X-Declared", "x-declared")  # type: ignore[attr-defined]
    assert await fields_after(resolve_tenant=resolver) == [("vary", "X-Declared")]
    assert await fields_after(resolve_tenant=resolver, vary=()) == []


async def test_refusals_have_vary_too() -> None:
    asgi, wsgi = answering()
    options: Any = {"resolve_tenant": resolvers.first_of(RESOLVER, resolvers.cookie("tenant"))}
    app = TenantSessionMiddleware(asgi, **options)
    for response in (
        await call_asgi(app, http_scope()),
        call_wsgi(TenantSessionMiddlewareWSGI(wsgi, **options), as_environ()),
    ):
        assert response.status == 400
        assert response.headers["vary"] == "X-Tenant-ID, Cookie"
    start, _ = await asgi_messages(app, websocket_scope(extensions={"websocket.http.response": {}}))
    assert (b"vary", b"X-Tenant-ID, Cookie") in start["headers"]


def nobody(key: object) -> None:
    return None


@pytest.mark.parametrize(
    ("resolver", "names"),
    [
        (resolvers.header("X-Tenant-ID"), ("X-Tenant-ID",)),
        (resolvers.cookie("tenant"), ("Cookie",)),
        (resolvers.session("tenant"), ("Cookie",)),
        (resolvers.principal("tenant_id"), ("Authorization", "Cookie")),
        (resolvers.api_key("X-API-Key", nobody), ("X-API-Key",)),
        # Caches store pages by URL anyway, but some without the host.
        (resolvers.query("tenant"), ()),
        (resolvers.path_prefix(), ()),
        (resolvers.client_certificate(), ()),
        (resolvers.subdomain(of="example.com"), ("Host",)),
        (resolvers.domain({}), ("Host",)),
        (
            resolvers.subdomain(of="example.com", trusted_proxies=["10.0.0.1"]),
            ("X-Forwarded-Host", "Forwarded", "Host"),
        ),
        (
            resolvers.domain({}, trusted_proxies=["10.0.0.1"], proxy_headers=["forwarded"]),
            ("Forwarded", "Host"),
        ),
        (
            resolvers.first_of(
                resolvers.header("X-A"),
                resolvers.query("t"),
                resolvers.header("x-a"),
                resolvers.header("X-B"),
            ),
            ("X-A", "X-B"),
        ),
        (resolvers.agree(resolvers.header("X-A"), resolvers.cookie("tenant")), ("X-A", "Cookie")),
        (resolvers.in_thread(resolvers.header("X-A")), ("X-A",)),
        (
            resolvers.cached(resolvers.header("X-A"), key="Authorization", ttl=1),
            ("X-A", "Authorization"),
        ),
        (resolvers.cached(resolvers.header("X-A"), key=lambda request: 1, ttl=1), ("X-A",)),
    ],
)
def test_each_resolver_declares_the_headers_that_it_reads(
    resolver: Any, names: tuple[str, ...]
) -> None:
    assert tuple(resolver.varies_on) == names


@pytest.mark.parametrize("middleware", [TenantSessionMiddleware, TenantSessionMiddlewareWSGI])
@pytest.mark.parametrize("vary", ["X-Tenant-ID", ["X Tenant"], [b"x-tenant-id"], [""], 7])
def test_an_invalid_header_name_in_vary_is_refused(middleware: Any, vary: Any) -> None:
    with pytest.raises(ConfigurationError, match="header names"):
        middleware(answering()[0], resolve_tenant=RESOLVER, vary=vary)


async def test_authorize_may_declare_its_headers() -> None:
    class MayAct:
        varies_on = ("Authorization",)

        def __call__(self, request: Any, tenant: Any) -> bool:
            return True

    expected = [("vary", "X-Tenant-ID, Authorization")]
    assert await fields_after(authorize=MayAct()) == expected
    assert await fields_after(authorize=lambda request, tenant: True) == [("vary", "X-Tenant-ID")]
