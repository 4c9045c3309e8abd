"""A CORS preflight runs without a tenant, since it cannot name one."""

from __future__ import annotations

from typing import Any

import pytest

from tenantshield_mw import (
    TenantSessionMiddleware,
    TenantSessionMiddlewareWSGI,
    resolvers,
    tenant_scope,
)
from tenantshield_mw.request import path

from .calling import Response, Seen, as_environ, call_asgi, call_wsgi, http_scope

ORIGIN = (b"origin", b"https://a.test")
ASKS = (b"access-control-request-method", b"POST")
ACME = (b"x-tenant-id", b"acme")


async def both(
    options: dict[str, Any], where: str = "/", *, method: str = "OPTIONS", headers: Any
) -> tuple[Seen, list[Response]]:
    """Send a request through both middlewares."""
    seen = Seen()
    responses = [
        await call_asgi(
            TenantSessionMiddleware(seen.asgi, **options),
            http_scope(where, method=method, headers=headers),
        ),
        call_wsgi(
            TenantSessionMiddlewareWSGI(seen.wsgi, **options),
            as_environ(where, REQUEST_METHOD=method, headers=headers),
        ),
    ]
    return seen, responses


@pytest.mark.parametrize("on_missing_tenant", ["reject", "raise", "allow_unbound"])
async def test_a_preflight_runs_without_a_tenant(on_missing_tenant: str) -> None:
    options = {
        "resolve_tenant": resolvers.header("X-Tenant-ID"),
        "on_missing_tenant": on_missing_tenant,
    }
    seen, responses = await both(options, headers=[ORIGIN, ASKS])
    assert seen.ids == [None, None]
    assert [each.status for each in responses] == [200, 200]
    assert [each.headers.get("vary") for each in responses] == [None, None]


async def test_not_even_a_preflight_that_names_a_tenant_gets_one() -> None:
    options = {"resolve_tenant": resolvers.header("X-Tenant-ID")}
    with tenant_scope("server"):
        seen, _ = await both(options, headers=[ORIGIN, ASKS, ACME])
    assert seen.ids == [None, None]


async def test_neither_resolver_nor_directory_nor_authorize_is_asked() -> None:
    def never(*args: Any) -> Any:
        raise AssertionError

    options = {"resolve_tenant": never, "directory": never, "authorize": never}
    seen, _ = await both(options, headers=[ORIGIN, ASKS])
    assert seen.ids == [None, None]


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("OPTIONS", []),
        ("OPTIONS", [ORIGIN]),
        ("OPTIONS", [ASKS]),
        ("GET", [ORIGIN, ASKS]),
        ("POST", [ORIGIN, ASKS]),
        ("options", [ORIGIN, ASKS]),
    ],
)
async def test_any_other_request_needs_a_tenant(method: str, headers: Any) -> None:
    options = {"resolve_tenant": resolvers.header("X-Tenant-ID")}
    seen, responses = await both(options, method=method, headers=headers)
    assert seen.ids == []
    assert [each.problem["code"] for each in responses] == ["tenant_missing"] * 2


async def test_the_names_of_headers_are_compared_without_case() -> None:
    seen = Seen()
    middleware = TenantSessionMiddleware(seen.asgi, resolve_tenant=resolvers.header("X-Tenant-ID"))
    headers = [(b"Origin", b"https://a.test"), (b"Access-Control-Request-Method", b"GET")]
    await call_asgi(middleware, http_scope(method="OPTIONS", headers=headers))
    assert seen.ids == [None]


@pytest.mark.parametrize(
    ("where", "routed"),
    [
        ("/t/acme/invoices", "/invoices"),
        ("/invoices", "/invoices"),
        ("/t/%/invoices", "/t/%/invoices"),
    ],
)
async def test_a_preflight_is_routed_like_the_request_that_it_asks_about(
    where: str, routed: str
) -> None:
    paths: list[str] = []
    seen = Seen()

    async def asgi(scope: Any, receive: Any, send: Any) -> None:
        paths.append(path(scope))
        await seen.asgi(scope, receive, send)

    def wsgi(environ: Any, start_response: Any) -> Any:
        paths.append(path(environ))
        return seen.wsgi(environ, start_response)

    async def by_path(request: Any) -> Any:
        return resolvers.path_prefix()(request)

    by_path.mount = resolvers.path_prefix().mount  # type: ignore[attr-defined]
    by_both = resolvers.agree(
        resolvers.header("Authorization"), resolvers.path_prefix(), every=True
    )
    headers = [ORIGIN, ASKS]
    scope = http_scope(where, method="OPTIONS", headers=headers)
    for resolver in (resolvers.path_prefix(), by_path, by_both):
        await call_asgi(TenantSessionMiddleware(asgi, resolve_tenant=resolver), scope)
    for resolver in (resolvers.path_prefix(), by_both):
        call_wsgi(
            TenantSessionMiddlewareWSGI(wsgi, resolve_tenant=resolver),
            as_environ(where, REQUEST_METHOD="OPTIONS", headers=headers),
        )
    assert paths == [routed] * 5
    assert seen.ids == [None] * 5
