"""Behind a path prefix each framework routes and generates URLs as if it were mounted there."""

from __future__ import annotations

from typing import Any

import flask
import httpx
import litestar
import pytest
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route

from tenantshield_mw import (
    TENANT_KEY,
    TenantSessionMiddleware,
    TenantSessionMiddlewareWSGI,
    current_tenant,
    resolvers,
)
from tenantshield_mw.mount import mounted_scope

from ..core.calling import Seen, call_asgi, http_scope
from .sending import Cases, Outcome, Sent, assert_outcome, at, each_case, malformed, missing, ran


def starlette_app() -> Any:
    async def show(request: Any) -> Any:
        url = str(request.url_for("show", number=8))
        return JSONResponse(
            [current_tenant().tenant_id, request.path_params["number"], url, str(request.url)]
        )

    routes = [
        Route("/invoices/{number:int}", show, name="show"),
        Mount("/sub", routes=[Route("/invoices/{number:int}", show, name="inner")]),
    ]
    return TenantSessionMiddleware(Starlette(routes=routes), resolve_tenant=resolvers.path_prefix())


def litestar_app() -> Any:
    def show(request: litestar.Request[Any, Any, Any]) -> Any:
        tenant, number = current_tenant().tenant_id, request.path_params["number"]
        return [tenant, number, str(request.url_for("show", number=8)), str(request.url)]

    outer = litestar.get("/invoices/{number:int}", name="show", sync_to_thread=False)(show)
    inner = litestar.get("/sub/invoices/{number:int}", sync_to_thread=False)(show)
    app = litestar.Litestar([outer, inner], logging_config=None)
    return TenantSessionMiddleware(app, resolve_tenant=resolvers.path_prefix())


def flask_app() -> Any:
    app = flask.Flask(__name__)

    def show(number: int) -> Any:
        url = flask.url_for("show", number=8, _external=True)
        return [current_tenant().tenant_id, number, url, flask.request.url]

    app.add_url_rule("/invoices/<int:number>", "show", show)
    app.add_url_rule("/sub/invoices/<int:number>", "inner", show)
    app.wsgi_app = TenantSessionMiddlewareWSGI(app.wsgi_app, resolve_tenant=resolvers.path_prefix())  # type: ignore[method-assign]
    return app


def get_wsgi(app: Any, url: str) -> httpx.Response:
    with httpx.Client(transport=httpx.WSGITransport(app)) as client:
        return client.get(url)


async def get(app: Any, path: str) -> httpx.Response:
    url = f"http://app.test{path}"
    if isinstance(app, flask.Flask):
        return get_wsgi(app, url)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as client:
        return await client.get(url)


@pytest.mark.parametrize("make", [starlette_app, litestar_app, flask_app])
async def test_routing_and_generated_urls_are_right(make: Any) -> None:
    app = make()
    for inside in ("/invoices/7", "/sub/invoices/7"):
        assert (await get(app, f"/t/acme{inside}")).json() == [
            "acme",
            7,
            "http://app.test/t/acme/invoices/8",
            f"http://app.test/t/acme{inside}",
        ]
    assert (await get(app, "/t/acme/t/globex/invoices/7")).status_code == 404
    assert (await get(app, "/invoices/7")).status_code == 400


@pytest.mark.parametrize("root", ["/api", "/api/", "/"])
@pytest.mark.parametrize("make", [starlette_app, litestar_app])
async def test_a_root_may_end_in_a_slash(make: Any, root: str) -> None:
    transport = httpx.ASGITransport(make(), root_path=root)
    async with httpx.AsyncClient(transport=transport) as client:
        response = await client.get(f"http://app.test{root}/t/acme/invoices/7")
    tenant, number, url, own_url = response.json()
    assert (tenant, number) == ("acme", 7)
    assert url == f"http://app.test{root}/t/acme/invoices/8"
    assert own_url == f"http://app.test{root}/t/acme/invoices/7"


async def test_a_server_that_leaves_the_root_out_of_the_path_is_supported() -> None:
    passed: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        passed.append(scope)
        await Seen().asgi(scope, receive, send)

    middleware = TenantSessionMiddleware(app, resolve_tenant=resolvers.path_prefix())
    scope = http_scope("/t/acme/x", root_path="/a b/")
    before = dict(scope)
    await call_asgi(middleware, scope)
    assert scope == before
    (inner,) = passed
    assert inner.pop(TENANT_KEY).tenant_id == "acme"
    assert inner == {
        **before,
        "root_path": "/a b/t/acme",
        "path": "/a b/t/acme/x",
        "raw_path": b"/a%20b/t/acme/x",
    }


def test_a_scope_need_not_have_a_raw_path_or_a_root() -> None:
    mounted = mounted_scope({"path": "/t/acme/x", "raw_path": None}, "/t/acme")
    assert mounted == {"path": "/t/acme/x", "raw_path": None, "root_path": "/t/acme"}
    mounted = mounted_scope({"path": "/t/acme/x", "root_path": "/api"}, "/t/acme")
    assert mounted == {"path": "/api/t/acme/x", "root_path": "/api/t/acme"}
    mounted = mounted_scope({"path": "/t/acme/x", "root_path": "/"}, "/t/acme")
    assert mounted == {"path": "/t/acme/x", "root_path": "/t/acme"}


CASES: Cases = {
    "path prefix": (
        resolvers.path_prefix(),
        [
            (at("/t/acme/invoices"), ran("acme", "/t/acme")),
            (at("/t/acme/"), ran("acme", "/t/acme")),
            (at("/t/acme"), ran("acme", "/t/acme")),
            (at("/t/a%63me/x"), ran("acme", "/t/acme")),
            (at("/t/a%20b/x"), malformed),
            (at("/t/acme/t/globex"), ran("acme", "/t/acme")),
            (at("/t/acme//x"), ran("acme", "/t/acme")),
            (Sent(b"/t/acme/x", root="/api"), ran("acme", "/t/acme")),
            (at("/"), missing),
            (at("/t"), missing),
            (at("/tt/acme"), missing),
            (at("/x/t/acme"), missing),
            (at("//t/acme"), missing),
            (at("/T/acme"), missing),
            (at("/t/"), malformed),
            (at("/t//x"), malformed),
            (at("/t/./x"), malformed),
            (at("/t/../x"), malformed),
            (at("/t/m%C3%BCller/x"), malformed),
            (at("/t/%FF/x"), malformed),
            (at("/t/acme%0A"), malformed),
            (at("/t/%00/x"), malformed),
        ],
    ),
    "path prefix, int": (
        resolvers.path_prefix("/api/{tenant}/v1", type=int),
        [
            (at("/api/42/v1/x"), ran(42, "/api/42/v1")),
            (at("/api/42/v1"), ran(42, "/api/42/v1")),
            (at("/api/42/v10"), missing),
            (at("/api/42"), missing),
            (at("/api/042/v1"), malformed),
        ],
    ),
}


@each_case(CASES)
def test_both_middlewares_have_the_expected_outcome(
    resolver: Any, sent: Sent, expected: Outcome
) -> None:
    assert_outcome(resolver, sent, expected)
