"""A Litestar application with the notes of two tenants."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from litestar import Litestar, Request, WebSocket, get, websocket
from litestar.background_tasks import BackgroundTask
from litestar.di import NamedDependency
from litestar.response import Response, Stream
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from tenantshield_mw import TenantContext, current_tenant, resolvers
from tenantshield_mw.adapters.litestar import TenantShieldPlugin

from . import notes as shared
from .notes import Note

engine = shared.engine


Tenant = NamedDependency[TenantContext]


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
