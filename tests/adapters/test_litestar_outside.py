"""Litestar's apps under a real server, with caches and in another app."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest
import websockets
from litestar import Litestar, WebSocket, asgi, get, websocket
from litestar.channels import ChannelsPlugin
from litestar.channels.backends.memory import MemoryChannelsBackend
from litestar.config.app import AppConfig
from litestar.config.response_cache import ResponseCacheConfig
from litestar.di import NamedDependency
from litestar.plugins import InitPluginProtocol
from litestar.testing import TestClient
from sqlalchemy.ext.asyncio import AsyncEngine

from tenantshield_mw import TenantContext, current_tenant, resolvers
from tenantshield_mw.adapters.litestar import TenantShieldPlugin

from . import litestar_notes
from .litestar_notes import bodies, cached, make_app
from .serving import AS_ACME, AS_GLOBEX, under_uvicorn

engine, app = litestar_notes.engine, litestar_notes.app
pytestmark = pytest.mark.usefixtures("engine")


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
    app: Any = Litestar([show], plugins=[plugin], logging_config=None)
    # Like hypercorn and granian, and unlike uvicorn, this leaves root_path out of the path.
    transport = httpx.ASGITransport(app, root_path="/a")
    async with (
        app.lifespan(),
        httpx.AsyncClient(transport=transport, base_url="http://app") as client,
    ):
        assert (await client.get(where)).status_code == status
