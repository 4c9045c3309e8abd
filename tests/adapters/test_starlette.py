"""The Starlette adapter: registration, ``request.state``, and errors that become refusals."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator

import httpx
import pytest
import websockets
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket

from tenantshield_mw import (
    ConfigurationError,
    CrossTenantAccessError,
    TenantContext,
    TenantSessionMiddleware,
    current_tenant,
    resolvers,
    try_current_tenant,
)
from tenantshield_mw.adapters.starlette import add_refusal_handlers, install

from . import notes as shared
from .notes import Note
from .serving import AS_ACME, AS_GLOBEX, asgi_client, code_of, under_uvicorn

engine = shared.engine


@pytest.fixture
def app(engine: AsyncEngine) -> Starlette:
    async def notes(request: Request) -> Response:
        async with AsyncSession(engine) as session:
            found = await session.scalars(select(Note.body))
            return JSONResponse(found.all())

    async def write_for_globex(request: Request) -> Response:
        async with AsyncSession(engine) as session:
            session.add(Note(tenant_id="globex", body="forged"))
            await session.commit()
        return Response()

    async def tenant(request: Request) -> Response:
        found: TenantContext | None = request.state.tenant
        assert found == try_current_tenant()
        return JSONResponse(None if found is None else found.tenant_id)

    async def stream(request: Request) -> Response:
        async def lines() -> AsyncIterator[str]:
            async with AsyncSession(engine) as session:
                for body in await session.scalars(select(Note.body)):
                    yield body

        return StreamingResponse(lines())

    async def greet(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text(f"{websocket.state.tenant.tenant_id}")
        async with AsyncSession(engine) as session:
            await websocket.send_json((await session.scalars(select(Note.body))).all())
        await websocket.close()

    async def forge_before_accept(websocket: WebSocket) -> None:
        async with AsyncSession(engine) as session:
            session.add(Note(tenant_id="globex", body="forged"))
            await session.commit()

    async def forge_after_accept(websocket: WebSocket) -> None:
        await websocket.accept()
        await forge_before_accept(websocket)

    routes = [
        Route("/notes", notes),
        Route("/forge", write_for_globex),
        Route("/tenant", tenant),
        Route("/stream", stream),
        Route("/public/notes", notes),
        Route("/public/tenant", tenant),
        WebSocketRoute("/ws", greet),
        WebSocketRoute("/ws/before", forge_before_accept),
        WebSocketRoute("/ws/after", forge_after_accept),
    ]
    return Starlette(routes=[*routes, Mount("/mounted", routes=[*routes])])


@pytest.fixture
def installed(app: Starlette) -> Starlette:
    install(app, resolve_tenant=resolvers.header("X-Tenant-ID"), exempt=["/public"])
    return app


class TestRequests:
    @pytest.mark.parametrize("path", ["/notes", "/mounted/notes"])
    async def test_each_tenant_reads_its_own_rows(self, installed: Starlette, path: str) -> None:
        async with asgi_client(installed) as client:
            assert (await client.get(path, headers=AS_ACME)).json() == ["ours"]
            assert (await client.get(path, headers=AS_GLOBEX)).json() == ["top secret"]

    async def test_a_request_without_a_tenant_is_refused(self, installed: Starlette) -> None:
        async with asgi_client(installed) as client:
            response = await client.get("/notes")
        assert (response.status_code, code_of(response)) == (400, "tenant_missing")

    async def test_request_state_holds_the_tenant(self, installed: Starlette) -> None:
        async with asgi_client(installed) as client:
            for path in ("/tenant", "/mounted/tenant"):
                assert (await client.get(path, headers=AS_ACME)).json() == "acme"

    async def test_request_state_holds_none_where_the_request_is_exempt(
        self, installed: Starlette
    ) -> None:
        async with asgi_client(installed) as client:
            assert (await client.get("/public/tenant", headers=AS_ACME)).json() is None

    async def test_the_path_prefix_is_taken_off_before_routing(self, app: Starlette) -> None:
        install(app, resolve_tenant=resolvers.path_prefix("/t/{tenant}"))
        async with asgi_client(app) as client:
            assert (await client.get("/t/acme/notes")).json() == ["ours"]
            assert (await client.get("/t/globex/mounted/notes")).json() == ["top secret"]

    async def test_a_wrong_argument_is_found_at_registration(self, app: Starlette) -> None:
        with pytest.raises(ConfigurationError):
            install(app, resolve_tenant=resolvers.header("X-Tenant-ID"), exempt="/public")
        with pytest.raises(TypeError):
            install(app, resolve_tenant=resolvers.header("X-Tenant-ID"), exemptions=["/public"])  # type: ignore[call-arg]

    async def test_what_an_iterator_gives_is_not_used_up_by_the_check(self, app: Starlette) -> None:
        install(
            app, resolve_tenant=lambda scope: "acme", exempt=iter(["/public"]), vary=iter(["X-Who"])
        )
        async with asgi_client(app) as client:
            assert (await client.get("/public/tenant")).json() is None
            assert (await client.get("/tenant")).headers["vary"] == "X-Who"

    async def test_a_second_registration_is_an_error(self, app: Starlette) -> None:
        install(app, resolve_tenant=resolvers.header("X-Tenant-ID"))
        with pytest.raises(ConfigurationError):
            install(app, resolve_tenant=resolvers.header("X-Other"))
        async with asgi_client(app) as client:
            assert (await client.get("/tenant", headers=AS_ACME)).json() == "acme"

    async def test_beside_the_middleware_itself_it_is_an_error_too(self, app: Starlette) -> None:
        app.add_middleware(TenantSessionMiddleware, resolve_tenant=resolvers.header("X-Tenant-ID"))
        with pytest.raises(ConfigurationError):
            install(app, resolve_tenant=resolvers.header("X-Other"))

    async def test_a_background_task_runs_under_the_tenant(self) -> None:
        seen: list[TenantContext] = []

        async def later(request: Request) -> Response:
            return Response(background=BackgroundTask(lambda: seen.append(current_tenant())))

        app = Starlette(routes=[Route("/", later)])
        install(app, resolve_tenant=resolvers.header("X-Tenant-ID"))
        async with asgi_client(app) as client:
            await client.get("/", headers=AS_GLOBEX)
        assert seen == [TenantContext("globex")]


class TestErrorsInside:
    @pytest.mark.parametrize("path", ["/forge", "/mounted/forge"])
    async def test_a_write_for_another_tenant_becomes_a_refusal(
        self, installed: Starlette, path: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with asgi_client(installed) as client:
            response = await client.get(path, headers=AS_ACME)
            assert (response.status_code, code_of(response)) == (403, "cross_tenant")
            assert (await client.get("/notes", headers=AS_GLOBEX)).json() == ["top secret"]
        logged = [each for each in caplog.record_tuples if each[0].startswith("tenantshield_mw")]
        assert logged == [
            ("tenantshield_mw.adapters.starlette", logging.WARNING, "refused with 403 cross_tenant")
        ]

    async def test_a_query_without_a_tenant_becomes_a_refusal(self, installed: Starlette) -> None:
        async with asgi_client(installed) as client:
            response = await client.get("/public/notes")
        assert (response.status_code, code_of(response)) == (500, "tenant_not_in_scope")

    async def test_the_answer_to_head_has_the_same_headers_and_no_body(
        self, installed: Starlette
    ) -> None:
        async with asgi_client(installed) as client:
            head = await client.head("/forge", headers=AS_ACME)
            get = await client.get("/forge", headers=AS_ACME)
        assert head.headers == get.headers
        assert head.content == b""

    async def test_other_errors_are_not_touched(self) -> None:
        async def fail(request: Request) -> Response:
            raise LookupError("not ours")

        app = Starlette(routes=[Route("/", fail)])
        install(app, resolve_tenant=resolvers.header("X-Tenant-ID"))
        async with asgi_client(app) as client:
            with pytest.raises(LookupError):
                await client.get("/", headers=AS_ACME)


class TestHandlersOfTheApps:
    @pytest.fixture
    def failing(self) -> Starlette:
        async def cross(request: Request) -> Response:
            raise CrossTenantAccessError("not yours")

        async def need_a_tenant(request: Request) -> Response:
            return Response(str(current_tenant()))

        return Starlette(routes=[Route("/cross", cross), Route("/need", need_a_tenant)])

    @pytest.mark.parametrize("before", [True, False])
    async def test_they_come_first_whenever_they_are_registered(
        self, failing: Starlette, before: bool
    ) -> None:
        async def own(request: Request, error: Exception) -> Response:
            return Response("own", 418)

        if before:
            failing.add_exception_handler(CrossTenantAccessError, own)
        install(
            failing,
            resolve_tenant=resolvers.header("X-Tenant-ID"),
            on_missing_tenant="allow_unbound",
        )
        if not before:
            failing.add_exception_handler(CrossTenantAccessError, own)
        async with asgi_client(failing) as client:
            assert (await client.get("/cross")).status_code == 418
            assert code_of(await client.get("/need")) == "tenant_missing"


class TestMountedApplications:
    async def test_an_application_of_its_own_sees_the_tenant(self, app: Starlette) -> None:
        outer = Starlette(routes=[Mount("/inner", app)])
        install(outer, resolve_tenant=resolvers.header("X-Tenant-ID"))
        async with asgi_client(outer) as client:
            assert (await client.get("/inner/notes", headers=AS_ACME)).json() == ["ours"]
            assert (await client.get("/inner/tenant", headers=AS_ACME)).json() == "acme"

    async def test_it_refuses_with_handlers_of_its_own(self, app: Starlette) -> None:
        add_refusal_handlers(app)
        outer = Starlette(routes=[Mount("/inner", app)])
        install(outer, resolve_tenant=resolvers.header("X-Tenant-ID"))
        async with asgi_client(outer) as client:
            response = await client.get("/inner/forge", headers=AS_ACME)
        assert (response.status_code, code_of(response)) == (403, "cross_tenant")


class Signing(BaseHTTPMiddleware):
    """Records the tenant that it sees on the way in and on the way out."""

    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        before = try_current_tenant()
        response = await call_next(request)
        known = getattr(request.state, "tenant", None)
        names = [str(each and each.tenant_id) for each in (before, known)]
        response.headers["X-Seen"] = " ".join(names)
        return response


class TestBaseHTTPMiddleware:
    async def test_below_it_runs_under_the_tenant(self, app: Starlette) -> None:
        app.add_middleware(Signing)
        install(app, resolve_tenant=resolvers.header("X-Tenant-ID"))
        async with asgi_client(app) as client:
            response = await client.get("/notes", headers=AS_ACME)
        assert (response.json(), response.headers["X-Seen"]) == (["ours"], "acme acme")

    @pytest.mark.parametrize("path", ["/notes", "/stream"])
    async def test_above_it_runs_without_one_and_the_app_under_it(
        self, installed: Starlette, path: str
    ) -> None:
        installed.add_middleware(Signing)
        async with asgi_client(installed) as client:
            response = await client.get(path, headers=AS_ACME)
        assert "ours" in response.text
        assert "secret" not in response.text
        assert response.headers["X-Seen"].startswith("None ")

    async def test_errors_become_refusals_through_both(self, app: Starlette) -> None:
        app.add_middleware(Signing)
        install(app, resolve_tenant=resolvers.header("X-Tenant-ID"))
        app.add_middleware(Signing)
        async with asgi_client(app) as client:
            response = await client.get("/forge", headers=AS_ACME)
        assert (response.status_code, code_of(response)) == (403, "cross_tenant")


class TestUnderUvicorn:
    async def test_tenants_do_not_mix_in_concurrent_requests(self, installed: Starlette) -> None:
        async with (
            under_uvicorn(installed) as server,
            httpx.AsyncClient(base_url=f"http://{server}", trust_env=False) as client,
        ):
            callers = [AS_ACME, AS_GLOBEX] * 20
            answers = await asyncio.gather(
                *(client.get("/stream", headers=headers) for headers in callers)
            )
        assert [answer.text for answer in answers] == ["ours", "top secret"] * 20

    @pytest.mark.parametrize(("headers", "body"), [(AS_ACME, "ours"), (AS_GLOBEX, "top secret")])
    async def test_a_websocket_reads_its_tenants_rows(
        self, installed: Starlette, headers: dict[str, str], body: str
    ) -> None:
        async with (
            under_uvicorn(installed) as server,
            websockets.connect(f"ws://{server}/ws", additional_headers=headers) as websocket,
        ):
            assert await websocket.recv() == headers["X-Tenant-ID"]
            assert await websocket.recv() == f'["{body}"]'

    async def test_an_error_before_the_accept_is_refused_as_a_response(
        self, installed: Starlette
    ) -> None:
        async with under_uvicorn(installed) as server:
            with pytest.raises(websockets.InvalidStatus) as refused:
                await websockets.connect(f"ws://{server}/ws/before", additional_headers=AS_ACME)
        response = refused.value.response
        assert response.status_code == 403
        assert response.headers["content-type"] == "application/problem+json"
        assert response.body is not None
        assert b'"cross_tenant"' in response.body

    async def test_an_error_after_the_accept_closes_the_websocket(
        self, installed: Starlette
    ) -> None:
        async with (
            under_uvicorn(installed) as server,
            websockets.connect(f"ws://{server}/ws/after", additional_headers=AS_ACME) as websocket,
        ):
            with pytest.raises(websockets.ConnectionClosedError) as closed:
                await websocket.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1008
