"""Generators that frameworks drive, and that hold a scope open while they are suspended."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import httpx
import pytest
from fastapi import Depends, FastAPI
from litestar import Litestar
from litestar import get as litestar_get
from litestar.di import NamedDependency, Provide
from litestar.exceptions import LitestarException
from litestar.response import Stream
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from tenantshield_mw import (
    ConfigurationError,
    atenant_scope,
    current_tenant,
    tenant_scope,
    try_current_tenant,
)
from tenantshield_mw.adapters.litestar import TenantShieldPlugin

from .serving import asgi_client


async def fetch(app: Any, path: str = "/") -> httpx.Response:
    async with asgi_client(app) as client:
        return await client.get(path)


async def scoped() -> AsyncGenerator[str]:
    async with atenant_scope("acme") as tenant:
        yield str(tenant.tenant_id)


async def test_a_fastapi_dependency_may_yield_in_a_scope() -> None:
    app = FastAPI()

    @app.get("/")
    async def show(_: Annotated[str, Depends(scoped)]) -> Any:
        return current_tenant().tenant_id

    assert (await fetch(app)).json() == "acme"


async def test_a_litestar_dependency_may_yield_in_a_scope() -> None:
    @litestar_get("/")
    async def show(named: NamedDependency[str]) -> dict[str, Any]:
        return {"named": named, "bound": current_tenant().tenant_id}

    app = Litestar([show], dependencies={"named": Provide(scoped)}, logging_config=None)
    async with app.lifespan():
        assert (await fetch(app)).json() == {"named": "acme", "bound": "acme"}


@asynccontextmanager
async def helper() -> AsyncGenerator[str]:
    async with atenant_scope("acme") as tenant:
        yield str(tenant.tenant_id)


async def scoped_by_a_helper() -> AsyncGenerator[str]:
    async with helper() as tenant:
        yield tenant


def scoped_in_sync() -> Generator[str]:
    with tenant_scope("acme"):
        yield "acme"


@pytest.mark.parametrize("dependency", [scoped, scoped_by_a_helper, scoped_in_sync])
async def test_a_litestar_dependency_that_runs_beside_another_is_refused(dependency: Any) -> None:
    ran = False

    async def beside() -> str:
        return "beside"

    async def inside(named: NamedDependency[str]) -> str:
        return f"inside {named} {current_tenant().tenant_id}"

    @litestar_get("/beside")
    async def show_beside(
        named: NamedDependency[str],
        beside: NamedDependency[str],
    ) -> None:
        nonlocal ran
        ran = True

    @litestar_get("/inside")
    async def show_inside(named: NamedDependency[str], inside: NamedDependency[str]) -> str:
        return f"{named} {inside}"

    app = Litestar(
        [show_beside, show_inside],
        dependencies={
            "named": Provide(dependency),
            "beside": Provide(beside),
            "inside": Provide(inside),
        },
        logging_config=None,
        debug=True,
    )
    async with app.lifespan():
        response = await fetch(app, "/beside")
        assert response.status_code == 500
        assert "in tasks of their own" in response.text
        assert not ran
        assert (await fetch(app, "/inside")).text == "acme inside acme acme"


async def test_a_litestar_stream_is_not_sent_from_inside_a_scope() -> None:
    steps: list[Any] = []

    def rows() -> Iterator[str]:
        with tenant_scope("globex"):
            yield "first"
            steps.append(current_tenant().tenant_id)
            yield "second"

    @litestar_get("/")
    async def show() -> Stream:
        return Stream(rows())

    plugin = TenantShieldPlugin(resolve_tenant=lambda _: "acme")
    app = Litestar([show], plugins=[plugin], logging_config=None)
    async with app.lifespan():
        with pytest.raises(LitestarException, match="after response started"):
            await fetch(app)
    assert steps == []


async def test_a_fastapi_dependency_may_yield_in_a_helpers_scope() -> None:
    app = FastAPI()

    @app.get("/")
    async def show(_: Annotated[str, Depends(scoped_by_a_helper)]) -> Any:
        return current_tenant().tenant_id

    assert (await fetch(app)).json() == "acme"


async def test_a_starlette_lifespan_may_yield_in_a_scope() -> None:
    seen: list[Any] = []

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None]:
        with tenant_scope("acme"):
            seen.append(current_tenant().tenant_id)
            yield

    async def show(_: Request) -> Response:
        bound = try_current_tenant()
        return JSONResponse(bound and bound.tenant_id)

    app = Starlette(routes=[Route("/", show)], lifespan=lifespan)
    async with app.router.lifespan_context(app):
        assert (await fetch(app)).json() == "acme"
    assert seen == ["acme"]


async def streamed() -> AsyncIterator[str]:
    with tenant_scope("acme"):
        yield "row"


async def streamed_after_its_scope() -> AsyncIterator[str]:
    with tenant_scope("acme"):
        rows = [str(current_tenant().tenant_id)]
    for row in rows:
        yield row


async def test_a_streaming_response_is_not_sent_from_inside_a_scope() -> None:
    def stream(rows: Any) -> Any:
        async def show(_: Request) -> Response:
            return StreamingResponse(rows())

        return show

    app = Starlette(
        routes=[
            Route("/inside", stream(streamed)),
            Route("/after", stream(streamed_after_its_scope)),
        ]
    )
    assert (await fetch(app, "/after")).text == "acme"
    with pytest.raises(ConfigurationError, match="this generator would yield"):
        await fetch(app, "/inside")
