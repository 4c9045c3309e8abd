"""The tenant is bound by the application, after it has authenticated the caller: what sees it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Generator, Iterator
from typing import Annotated, Any

import httpx
import pytest
from fastapi import BackgroundTasks, Depends, FastAPI, Header, HTTPException
from fastapi.responses import StreamingResponse
from litestar import Litestar
from litestar import Request as LitestarRequest
from litestar import get as litestar_get
from litestar import post as litestar_post
from litestar.background_tasks import BackgroundTask
from litestar.di import NamedDependency, Provide
from litestar.exceptions import LitestarException, NotAuthorizedException
from litestar.response import Response as LitestarResponse
from litestar.response import Stream
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from tenantshield_mw import (
    ConfigurationError,
    MissingTenantContextError,
    atenant_scope,
    carry_tenant,
    resolvers,
    tenant_from,
    tenant_scope,
    try_current_tenant,
)
from tenantshield_mw.adapters.litestar import TenantShieldPlugin
from tenantshield_mw.adapters.starlette import install

from . import late
from .late import USERS, as_user, bodies, iter_bodies
from .notes import Note
from .serving import asgi_client, code_of, under_uvicorn

engine = late.engine


NOT_OURS = (500, "tenant_not_in_scope")


def add(engine: Engine, body: str) -> None:
    with Session(engine) as session:
        session.add(Note(body=body))
        session.commit()


def stored(engine: Engine) -> list[tuple[str, str]]:
    with engine.connect() as connection:
        cursor = connection.connection.cursor()
        cursor.execute("SELECT tenant_id, body FROM test_note ORDER BY id")
        return [*cursor.fetchall()][2:]


async def organization_of(x_user: Annotated[str, Header()] = "") -> str:
    if x_user not in USERS:
        raise HTTPException(401)
    return USERS[x_user]


Organization = Annotated[str, Depends(organization_of)]


class TestFastAPI:
    @pytest.fixture
    def app(self, engine: Engine) -> FastAPI:  # noqa: C901
        # Longer than 40 lines: one route for each way to run code.
        app = FastAPI()
        install(app, resolve_tenant=resolvers.bound_later())

        async def bind_tenant(organization: Organization) -> AsyncIterator[None]:
            async with atenant_scope(organization):
                yield

        def bind_in_a_thread(organization: Organization) -> Iterator[None]:
            with tenant_scope(organization):
                yield

        bound = [Depends(bind_tenant)]

        @app.get("/async", dependencies=bound)
        async def in_async() -> list[str]:
            return bodies(engine)

        @app.get("/sync", dependencies=bound)
        def in_sync() -> list[str]:
            return bodies(engine)

        @app.get("/argument")
        @tenant_from("organization")
        async def by_argument(organization: Organization) -> list[str]:
            return bodies(engine)

        @app.get("/argument-sync")
        @tenant_from("organization")
        def by_argument_sync(organization: Organization) -> list[str]:
            return bodies(engine)

        @app.post("/background", dependencies=bound)
        async def in_background(tasks: BackgroundTasks) -> None:
            async def later() -> None:
                add(engine, "async task")

            tasks.add_task(later)
            tasks.add_task(add, engine, "sync task")

        @app.get("/stream", dependencies=bound)
        async def stream() -> StreamingResponse:
            async def rows() -> AsyncIterator[str]:
                for body in bodies(engine):
                    yield body

            return StreamingResponse(rows())

        @app.get("/stream-sync", dependencies=bound)
        def stream_sync() -> StreamingResponse:
            return StreamingResponse(iter_bodies(engine))

        @app.get("/executor", dependencies=bound)
        async def in_executor() -> list[str]:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(None, bodies, engine)

        @app.get("/unbound")
        async def unbound() -> list[str]:
            return bodies(engine)

        @app.get("/scope")
        async def scope() -> bool:
            return try_current_tenant() is not None

        @app.get("/sync-dependency", dependencies=[Depends(bind_in_a_thread)])
        async def through_a_sync_dependency() -> str:
            return "reached"

        return app

    @pytest.mark.parametrize(
        "path", ["/async", "/sync", "/argument", "/argument-sync", "/stream", "/stream-sync"]
    )
    async def test_what_sees_the_tenant(self, app: FastAPI, path: str) -> None:
        async with under_uvicorn(app) as server, httpx.AsyncClient() as client:
            ann = await client.get(f"http://{server}{path}", headers=as_user("ann"))
            assert ann.status_code == 200
            assert "ours" in ann.text
            assert "secret" not in ann.text
            # On the same connection, so that a tenant that stayed there would show.
            assert (await client.get(f"http://{server}/scope")).json() is False
            gil = await client.get(f"http://{server}{path}", headers=as_user("gil"))
            assert "secret" in gil.text
            assert "ours" not in gil.text
            assert (await client.get(f"http://{server}{path}")).status_code == 401
            assert {"Authorization", "Cookie"} <= {*gil.headers["vary"].split(", ")}

    async def test_background_tasks_see_the_tenant(self, app: FastAPI, engine: Engine) -> None:
        async with asgi_client(app) as client:
            assert (await client.post("/background", headers=as_user("gil"))).status_code == 200
        assert stored(engine) == [("globex", "async task"), ("globex", "sync task")]

    @pytest.mark.parametrize("path", ["/executor", "/unbound"])
    async def test_code_that_lost_the_tenant_is_the_servers_mistake(
        self, app: FastAPI, path: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with asgi_client(app) as client:
            response = await client.get(path, headers=as_user("ann"))
        assert (response.status_code, code_of(response)) == NOT_OURS
        assert [each.levelno for each in caplog.records if "refused" in each.message] == [
            logging.ERROR
        ]

    async def test_a_sync_dependency_that_yields_is_refused_with_the_right_form(
        self, app: FastAPI
    ) -> None:
        async with asgi_client(app) as client:
            with pytest.raises(ConfigurationError, match="async generator"):
                await client.get("/sync-dependency", headers=as_user("ann"))


class TestLitestar:
    @pytest.fixture
    def app(self, engine: Engine) -> Litestar:
        async def bind_tenant(
            request: LitestarRequest[Any, Any, Any],
        ) -> AsyncIterator[str]:
            user = request.headers.get("x-user")
            if user not in USERS:
                raise NotAuthorizedException
            async with atenant_scope(USERS[user]):
                yield USERS[user]

        @litestar_get("/async")
        async def in_async(bound: NamedDependency[str]) -> list[str]:
            return bodies(engine)

        @litestar_get("/sync", sync_to_thread=True)
        def in_sync(bound: NamedDependency[str]) -> list[str]:
            return bodies(engine)

        @litestar_get("/unbound")
        async def unbound() -> list[str]:
            return bodies(engine)

        @litestar_get("/executor")
        async def in_executor(bound: NamedDependency[str]) -> list[str]:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(None, bodies, engine)

        @litestar_get("/stream/lost")
        async def stream(bound: NamedDependency[str]) -> Stream:
            return Stream(iter_bodies(engine))

        @litestar_get("/stream/collected")
        async def stream_collected(bound: NamedDependency[str]) -> Stream:
            return Stream(bodies(engine))

        @litestar_post("/background/carried")
        async def carried(bound: NamedDependency[str]) -> LitestarResponse[None]:
            task = BackgroundTask(carry_tenant(add), engine, "carried")
            return LitestarResponse(None, background=task)

        @litestar_post("/background/lost")
        async def lost(bound: NamedDependency[str]) -> LitestarResponse[None]:
            return LitestarResponse(None, background=BackgroundTask(add, engine, "lost"))

        return Litestar(
            [in_async, in_sync, unbound, in_executor, stream, stream_collected, carried, lost],
            dependencies={"bound": Provide(bind_tenant)},
            plugins=[TenantShieldPlugin(resolve_tenant=resolvers.bound_later())],
            logging_config=None,
        )

    @pytest.mark.parametrize("path", ["/async", "/sync"])
    async def test_what_sees_the_tenant(self, app: Litestar, path: str) -> None:
        async with app.lifespan(), asgi_client(app) as client:
            assert (await client.get(path, headers=as_user("ann"))).json() == ["ours"]
            assert (await client.get(path, headers=as_user("gil"))).json() == ["top secret"]
            assert (await client.get(path)).status_code == 401

    @pytest.mark.parametrize("path", ["/executor", "/unbound"])
    async def test_code_that_lost_the_tenant_is_the_servers_mistake(
        self, app: Litestar, path: str
    ) -> None:
        async with app.lifespan(), asgi_client(app) as client:
            response = await client.get(path, headers=as_user("ann"))
        assert (response.status_code, code_of(response)) == NOT_OURS

    async def test_a_background_task_needs_to_carry_the_tenant(
        self, app: Litestar, engine: Engine
    ) -> None:
        async with under_uvicorn(app) as server, httpx.AsyncClient() as client:
            for task in ("carried", "lost"):
                await client.post(f"http://{server}/background/{task}", headers=as_user("gil"))
        assert stored(engine) == [("globex", "carried")]

    async def test_a_streamed_body_runs_after_the_scope(self, app: Litestar) -> None:
        async with app.lifespan(), asgi_client(app) as client:
            collected = await client.get("/stream/collected", headers=as_user("ann"))
            assert collected.text == "ours"
            # Litestar can only break the response off.
            with pytest.raises(LitestarException) as raised:
                await client.get("/stream/lost", headers=as_user("ann"))
        lost = raised.value.__cause__
        while not isinstance(lost, BaseExceptionGroup) and lost is not None:
            lost = lost.__cause__
        assert lost is not None
        assert lost.subgroup(MissingTenantContextError) is not None

    def test_a_cached_response_is_refused(self) -> None:
        @litestar_get("/", cache=True)
        async def cached() -> str:
            return ""

        plugin = TenantShieldPlugin(resolve_tenant=resolvers.bound_later())
        with pytest.raises(ConfigurationError, match="cache="):
            Litestar([cached], plugins=[plugin])


def test_a_generator_that_a_thread_drives_is_not_a_dependency() -> None:
    def rows() -> Generator[str]:
        yield "row"

    with tenant_scope("acme"):
        assert [*rows()] == ["row"]
