"""The Litestar adapter: the plugin, injection, and errors that become refusals."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
import websockets
from litestar import Litestar, Request, WebSocket, asgi, get, websocket
from litestar.background_tasks import BackgroundTask
from litestar.channels import ChannelsPlugin
from litestar.channels.backends.memory import MemoryChannelsBackend
from litestar.config.app import AppConfig
from litestar.config.cors import CORSConfig
from litestar.config.response_cache import ResponseCacheConfig
from litestar.di import NamedDependency
from litestar.params import FromQuery
from litestar.plugins import InitPluginProtocol
from litestar.response import Response, Stream
from litestar.testing import TestClient
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from tenantshield_mw import (
    ConfigurationError,
    TenantContext,
    current_tenant,
    resolvers,
    system_scope,
)
from tenantshield_mw.adapters.litestar import TenantShieldPlugin
from tenantshield_mw.adapters.sqlalchemy import tenant_aware

from .serving import AS_ACME, AS_GLOBEX, asgi_client, code_of, under_uvicorn

Tenant = NamedDependency[TenantContext]


class Base(DeclarativeBase):
    pass


@tenant_aware
class Note(Base):
    __tablename__ = "test_litestar_note"
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[str]
    body: Mapped[str]


@pytest_asyncio.fixture(autouse=True)
async def engine(tmp_path: Path) -> AsyncIterator[AsyncEngine]:
    engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path / 'notes.sqlite3'}")
    with system_scope("fill the database of a test"):
        async with engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
            await connection.execute(
                insert(Note),
                [
                    {"tenant_id": "acme", "body": "ours"},
                    {"tenant_id": "globex", "body": "top secret"},
                ],
            )
    yield engine
    await engine.dispose()


async def bodies(engine: AsyncEngine) -> list[str]:
    async with AsyncSession(engine) as session:
        return [*await session.scalars(select(Note.body))]


async def write_for_globex(engine: AsyncEngine) -> None:
    async with AsyncSession(engine) as session:
        session.add(Note(tenant_id="globex", body="forged"))
        await session.commit()


@get(["/notes", "/public/notes"])
async def notes(request: Request[Any, Any, Any]) -> list[str]:
    return await bodies(request.app.state.engine)


@get("/forge")
async def forge(request: Request[Any, Any, Any]) -> None:
    await write_for_globex(request.app.state.engine)


@get("/tenant")
async def injected(tenant: Tenant) -> str:
    assert tenant == current_tenant()
    return str(tenant.tenant_id)


@get("/thread", sync_to_thread=True)
def in_a_thread(tenant: Tenant) -> str:
    assert tenant == current_tenant()
    return str(tenant.tenant_id)


@get("/stream")
async def stream(request: Request[Any, Any, Any]) -> Stream:
    async def lines() -> AsyncIterator[str]:
        for body in await bodies(request.app.state.engine):
            yield body

    return Stream(lines())


@get("/later")
async def later(request: Request[Any, Any, Any]) -> Response[None]:
    async def work() -> None:
        request.app.state.seen.extend(await bodies(request.app.state.engine))

    return Response(None, background=BackgroundTask(work))


@get("/cached", cache=True)
async def cached(tenant: Tenant) -> str:
    return str(tenant.tenant_id)


@get("/cached-by-path", cache=True, cache_key_builder=lambda request: request.url.path)
async def cached_by_path(tenant: Tenant) -> str:
    return str(tenant.tenant_id)


@get("/url", name="url")
async def url(request: Request[Any, Any, Any]) -> str:
    return str(request.url)


@websocket("/ws")
async def greet(socket: WebSocket[Any, Any, Any], tenant: Tenant) -> None:
    await socket.accept()
    await socket.send_json([tenant.tenant_id, *await bodies(socket.app.state.engine)])
    await socket.close()


@websocket("/ws/before")
async def forge_before_accept(socket: WebSocket[Any, Any, Any]) -> None:
    await write_for_globex(socket.app.state.engine)


@websocket("/ws/after")
async def forge_after_accept(socket: WebSocket[Any, Any, Any]) -> None:
    await socket.accept()
    await write_for_globex(socket.app.state.engine)


@websocket("/ws/news")
async def news(socket: WebSocket[Any, Any, Any], channels: NamedDependency[ChannelsPlugin]) -> None:
    await socket.accept()

    async def tell(message: bytes) -> None:
        rows = await bodies(socket.app.state.engine)
        await socket.send_text(f"{message.decode()} {current_tenant().tenant_id} {rows}")

    async with (
        channels.start_subscription("news") as subscriber,
        subscriber.run_in_background(tell),
    ):
        await socket.send_text("subscribed")
        await socket.receive_text()


HANDLERS = [
    notes,
    forge,
    injected,
    in_a_thread,
    stream,
    later,
    cached,
    cached_by_path,
    url,
    greet,
    forge_before_accept,
    forge_after_accept,
]


def make_app(
    engine: AsyncEngine, *plugins: Any, handlers: Any = HANDLERS, **config: Any
) -> Litestar:
    # Its configuration of logging would affect the whole test process.
    app = Litestar(handlers, plugins=[*plugins], logging_config=None, **config)
    app.state.engine = engine
    app.state.seen = []
    return app


@pytest.fixture
def app(engine: AsyncEngine) -> Litestar:
    return make_app(
        engine,
        TenantShieldPlugin(resolve_tenant=resolvers.header("X-Tenant-ID"), exempt=["/public"]),
    )


@asynccontextmanager
async def started(app: Litestar) -> AsyncGenerator[httpx.AsyncClient]:
    async with app.lifespan(), asgi_client(app) as client:
        yield client


class TestRequests:
    async def test_each_tenant_reads_its_own_rows(self, app: Litestar) -> None:
        async with started(app) as client:
            assert (await client.get("/notes", headers=AS_ACME)).json() == ["ours"]
            assert (await client.get("/notes", headers=AS_GLOBEX)).json() == ["top secret"]

    async def test_a_request_without_a_tenant_is_refused(self, app: Litestar) -> None:
        async with started(app) as client:
            response = await client.get("/notes")
        assert (response.status_code, code_of(response)) == (400, "tenant_missing")

    @pytest.mark.parametrize("path", ["/tenant", "/thread"])
    async def test_the_tenant_is_injected(self, app: Litestar, path: str) -> None:
        async with started(app) as client:
            for headers in (AS_ACME, AS_GLOBEX):
                assert (await client.get(path, headers=headers)).text == headers["X-Tenant-ID"]

    async def test_a_stream_reads_its_tenants_rows(self, app: Litestar) -> None:
        async with started(app) as client:
            assert (await client.get("/stream", headers=AS_ACME)).text == "ours"

    async def test_the_path_prefix_is_taken_off_before_routing(self, engine: AsyncEngine) -> None:
        app = make_app(
            engine, TenantShieldPlugin(resolve_tenant=resolvers.path_prefix("/t/{tenant}"))
        )
        async with started(app) as client:
            assert (await client.get("/t/acme/notes")).json() == ["ours"]
            assert (await client.get("/t/globex/notes")).json() == ["top secret"]
            assert (await client.get("/notes")).status_code == 400
            assert (await client.get("/t/acme/nowhere")).status_code == 404

    async def test_a_background_task_runs_under_the_tenant(self, app: Litestar) -> None:
        async with started(app) as client:
            await client.get("/later", headers=AS_GLOBEX)
        assert app.state.seen == ["top secret"]

    @pytest.mark.parametrize("path", ["/cached", "/cached-by-path"])
    async def test_a_cached_response_is_for_its_own_tenant(self, app: Litestar, path: str) -> None:
        async with started(app) as client:
            for headers in (AS_ACME, AS_GLOBEX, AS_ACME, AS_GLOBEX):
                assert (await client.get(path, headers=headers)).text == headers["X-Tenant-ID"]

    async def test_a_preflight_is_answered_without_a_tenant(self, engine: AsyncEngine) -> None:
        plugin = TenantShieldPlugin(resolve_tenant=resolvers.header("X-Tenant-ID"))
        app = make_app(engine, plugin, cors_config=CORSConfig(allow_origins=["https://a.test"]))
        origin = {"Origin": "https://a.test"}
        async with started(app) as client:
            preflight = await client.options(
                "/notes", headers={**origin, "Access-Control-Request-Method": "GET"}
            )
            refused = await client.get("/notes", headers=origin)
        assert preflight.status_code == 204
        assert refused.status_code == 400
        assert refused.headers["access-control-allow-origin"] == "https://a.test"

    async def test_hooks_see_what_routing_found_and_the_tenant(self, engine: AsyncEngine) -> None:
        seen: list[Any] = []

        async def before_send(message: Any, scope: Any) -> None:
            if message["type"] == "http.response.start":
                seen.append((scope["path_template"], current_tenant().tenant_id))

        plugin = TenantShieldPlugin(resolve_tenant=resolvers.header("X-Tenant-ID"))
        app = make_app(engine, plugin, before_send=[before_send])
        async with started(app) as client:
            await client.get("/notes", headers=AS_ACME)
        assert seen == [("/notes", "acme")]


class TestPlugin:
    async def test_the_name_of_the_dependency_can_be_chosen(self, engine: AsyncEngine) -> None:
        @get("/")
        async def handler(customer: Tenant, tenant: FromQuery[str]) -> str:
            return f"{customer.tenant_id} {tenant}"

        plugin = TenantShieldPlugin(resolve_tenant=resolvers.header("X-Tenant-ID"), name="customer")
        app = make_app(engine, plugin, handlers=[handler])
        async with started(app) as client:
            assert (await client.get("/?tenant=flat", headers=AS_ACME)).text == "acme flat"

    def test_a_name_that_the_app_uses_is_an_error(self, engine: AsyncEngine) -> None:
        plugin = TenantShieldPlugin(resolve_tenant=resolvers.header("X-Tenant-ID"))
        with pytest.raises(ConfigurationError):
            make_app(engine, plugin, dependencies={"tenant": lambda: "flat"})

    @pytest.mark.parametrize("name", ["tenant", "customer"])
    def test_a_second_one_for_the_same_app_is_an_error(
        self, engine: AsyncEngine, name: str
    ) -> None:
        plugins = (
            TenantShieldPlugin(resolve_tenant=resolvers.header("X-Tenant-ID")),
            TenantShieldPlugin(resolve_tenant=resolvers.header("X-Other"), name=name),
        )
        with pytest.raises(ConfigurationError, match="already has the tenant middleware"):
            make_app(engine, *plugins)

    def test_a_wrong_argument_is_found_at_once(self) -> None:
        with pytest.raises(ConfigurationError):
            TenantShieldPlugin(resolve_tenant=resolvers.header("X-Tenant-ID"), exempt="/public")
        with pytest.raises(TypeError):
            TenantShieldPlugin(
                resolve_tenant=resolvers.header("X-Tenant-ID"),
                exemptions=["/public"],  # type: ignore[call-arg]
            )

    async def test_what_an_iterator_gives_is_there_for_each_app(self, engine: AsyncEngine) -> None:
        plugin = TenantShieldPlugin(
            resolve_tenant=lambda scope: "acme", exempt=iter(["/public"]), vary=iter(["X-Who"])
        )
        for _ in range(2):
            async with started(make_app(engine, plugin)) as client:
                assert (await client.get("/public/notes")).status_code == 500
                assert (await client.get("/tenant")).headers["vary"] == "X-Who"

    async def test_an_app_may_start_again(self, app: Litestar) -> None:
        for _ in range(2):
            async with started(app) as client:
                response = await client.get("/notes", headers=AS_ACME)
                assert (response.json(), response.headers["vary"]) == (["ours"], "X-Tenant-ID")

    async def test_without_lifespan_no_handler_runs(self, app: Litestar) -> None:
        async with asgi_client(app) as client:
            response = await client.get("/tenant", headers=AS_ACME)
        assert response.status_code == 500

    async def test_the_apps_own_handlers_of_errors_come_first(self, engine: AsyncEngine) -> None:
        from tenantshield_mw import CrossTenantAccessError

        def own(request: Request[Any, Any, Any], error: Exception) -> Response[str]:
            return Response("own", status_code=418)

        app = make_app(
            engine,
            TenantShieldPlugin(resolve_tenant=resolvers.header("X-Tenant-ID")),
            exception_handlers={CrossTenantAccessError: own},
        )
        async with started(app) as client:
            assert (await client.get("/forge", headers=AS_ACME)).status_code == 418


class TestErrorsInside:
    async def test_a_write_for_another_tenant_becomes_a_refusal(self, app: Litestar) -> None:
        async with started(app) as client:
            response = await client.get("/forge", headers=AS_ACME)
            assert (response.status_code, code_of(response)) == (403, "cross_tenant")
            assert (await client.get("/notes", headers=AS_GLOBEX)).json() == ["top secret"]

    async def test_a_query_without_a_tenant_becomes_a_refusal(self, app: Litestar) -> None:
        async with started(app) as client:
            inside = await client.get("/public/notes")
        assert (inside.status_code, code_of(inside)) == (500, "tenant_not_in_scope")


class TestUnderUvicorn:
    async def test_tenants_do_not_mix_in_concurrent_requests(self, app: Litestar) -> None:
        async with (
            under_uvicorn(app) as server,
            httpx.AsyncClient(base_url=f"http://{server}", trust_env=False) as client,
        ):
            callers = [AS_ACME, AS_GLOBEX] * 20
            answers = await asyncio.gather(
                *(client.get("/stream", headers=headers) for headers in callers)
            )
        assert [answer.text for answer in answers] == ["ours", "top secret"] * 20

    async def test_a_websocket_reads_its_tenants_rows(self, app: Litestar) -> None:
        async with (
            under_uvicorn(app) as server,
            websockets.connect(f"ws://{server}/ws", additional_headers=AS_GLOBEX) as socket,
        ):
            assert await socket.recv() == '["globex","top secret"]'

    async def test_what_channels_call_runs_under_the_tenant(self, engine: AsyncEngine) -> None:
        channels = ChannelsPlugin(MemoryChannelsBackend(), channels=["news"])
        plugin = TenantShieldPlugin(resolve_tenant=resolvers.header("X-Tenant-ID"))
        app = make_app(engine, plugin, channels, handlers=[news])
        async with under_uvicorn(app) as server, AsyncExitStack() as stack:
            sockets = [
                await stack.enter_async_context(
                    websockets.connect(f"ws://{server}/ws/news", additional_headers=headers)
                )
                for headers in (AS_ACME, AS_GLOBEX)
            ]
            assert [await each.recv() for each in sockets] == ["subscribed", "subscribed"]
            await channels.wait_published("hello", "news")
            heard = [await each.recv() for each in sockets]
            for each in sockets:
                await each.send("enough")
        assert heard == ["hello acme ['ours']", "hello globex ['top secret']"]

    async def test_an_error_before_the_accept_is_refused_as_a_response(self, app: Litestar) -> None:
        async with under_uvicorn(app) as server:
            with pytest.raises(websockets.InvalidStatus) as refused:
                await websockets.connect(f"ws://{server}/ws/before", additional_headers=AS_ACME)
        response = refused.value.response
        assert response.status_code == 403
        assert response.headers["content-type"] == "application/problem+json"
        assert response.body is not None
        assert b'"cross_tenant"' in response.body

    async def test_an_error_after_the_accept_closes_the_websocket(self, app: Litestar) -> None:
        async with (
            under_uvicorn(app) as server,
            websockets.connect(f"ws://{server}/ws/after", additional_headers=AS_ACME) as socket,
        ):
            with pytest.raises(websockets.ConnectionClosedError) as closed:
                await socket.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1008


class Unnamed(TenantContext):
    def __repr__(self) -> str:
        return "Unnamed()"


class Replacing(InitPluginProtocol):
    def on_app_init(self, app_config: AppConfig) -> AppConfig:
        app_config.response_cache_config = ResponseCacheConfig(default_expiration=60)
        return app_config


@pytest.mark.parametrize(
    "plugins",
    [
        lambda plugin: [plugin],
        lambda plugin: [plugin, Replacing()],
        lambda plugin: [Replacing(), plugin],
    ],
)
def test_whatever_the_cache_is_made_of_each_tenant_has_its_own(plugins: Any) -> None:
    def resolve(scope: Any) -> TenantContext:
        return Unnamed(dict(scope["headers"])[b"x-tenant-id"].decode())

    shield = TenantShieldPlugin(resolve_tenant=resolve)
    app = Litestar([cached], plugins=plugins(shield), logging_config=None)
    with TestClient(app) as client:
        for tenant in ("acme", "globex", "acme"):
            assert tenant in client.get("/cached", headers={"X-Tenant-ID": tenant}).text


def test_an_app_in_another_one_answers_with_its_own_tenant_or_not_at_all() -> None:
    within = TenantShieldPlugin(resolve_tenant=resolvers.header("X-Inner"))
    inner = Litestar([cached], plugins=[within], logging_config=None)
    mounted = asgi("/in", is_mount=True, copy_scope=True)(inner)
    around = TenantShieldPlugin(resolve_tenant=resolvers.header("X-Tenant-ID"))
    outer = Litestar([mounted], plugins=[around], logging_config=None)
    with TestClient(outer) as client:
        headers = {"X-Tenant-ID": "acme", "X-Inner": "globex"}
        answer = client.get("/in/cached", headers=headers)
    # The inner app's lifespan has not run.
    assert answer.status_code == 500
    assert "acme" not in answer.text


@pytest.mark.parametrize(
    ("where", "status"),
    [
        ("/health", 200),
        ("/a/health", 200),
        ("/open", 400),
        ("/a/open", 400),
        # Not "/open", which is what follows the first "/a".
        ("/health/a/open", 404),
        ("/health/a/a/open", 404),
        ("/a/health/a/open", 404),
        ("/healthy/a/open", 400),
    ],
)
async def test_what_is_exempt_is_what_litestar_routes_whatever_the_root_path_is(
    where: str, status: int
) -> None:
    @get(["/health", "/open"], sync_to_thread=False)
    def show() -> str:
        return "shown"

    plugin = TenantShieldPlugin(resolve_tenant=resolvers.header("X-Tenant-ID"), exempt=["/health"])
    app = Litestar([show], plugins=[plugin], logging_config=None)
    # Like hypercorn and granian, and unlike uvicorn, this leaves root_path out of the path.
    transport = httpx.ASGITransport(app, root_path="/a")
    async with (
        app.lifespan(),
        httpx.AsyncClient(transport=transport, base_url="http://app") as client,
    ):
        assert (await client.get(where)).status_code == status
