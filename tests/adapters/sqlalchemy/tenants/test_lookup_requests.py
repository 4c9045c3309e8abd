"""Requests to applications whose tenants are in a table, also when the database fails."""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from sqlalchemy import AsyncAdaptedQueuePool, Engine, exc
from sqlalchemy.ext.asyncio import AsyncEngine, async_sessionmaker
from sqlalchemy.orm import sessionmaker

from tenantshield_mw import (
    TenantContext,
    TenantDirectory,
    TenantSessionMiddleware,
    TenantSessionMiddlewareWSGI,
    current_tenant,
    resolvers,
)
from tests.adapters.serving import AS_ACME, AS_GLOBEX, under_uvicorn, under_werkzeug
from tests.databases import Database

from . import directory
from .directory import ACME_ID, lookup_in, suspended

here, engine, async_engine = directory.here, directory.engine, directory.async_engine


# -- end to end ------------------------------------------------------------------


async def asgi_app(scope: Any, receive: Any, send: Any) -> None:
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": page()})


def wsgi_app(environ: Any, start_response: Any) -> list[bytes]:
    start_response("200 OK", [])
    return [page()]


def page() -> bytes:
    tenant = current_tenant()
    return json.dumps({"id": str(tenant.tenant_id), **tenant.attributes}).encode()


ACMES_PAGE = {"id": str(ACME_ID), "name": "Acme", "plan": "gold"}


def as_tenant(slug: str) -> dict[str, str]:
    return {"X-Tenant-ID": slug}


def behind_asgi(directory: TenantDirectory, **options: Any) -> Any:
    app = TenantSessionMiddleware(
        asgi_app, resolve_tenant=resolvers.header("X-Tenant-ID"), directory=directory, **options
    )

    async def without_lifespan(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "lifespan":
            await app(scope, receive, send)

    return without_lifespan


def behind_wsgi(directory: TenantDirectory, **options: Any) -> Any:
    return TenantSessionMiddlewareWSGI(
        wsgi_app, resolve_tenant=resolvers.header("X-Tenant-ID"), directory=directory, **options
    )


ASYNC_SOURCES: dict[str, Any] = {
    "AsyncEngine": lambda engine, async_engine: lookup_in(async_engine),
    "async_sessionmaker": lambda engine, async_engine: lookup_in(async_sessionmaker(async_engine)),
    "Engine in a thread": lambda engine, async_engine: lookup_in(engine, in_thread=True),
    "sessionmaker in a thread": lambda engine, async_engine: lookup_in(
        sessionmaker(engine), in_thread=True
    ),
}


@pytest.mark.parametrize("kind", ASYNC_SOURCES)
async def test_over_asgi_a_request_gets_the_state_in_the_table(
    kind: str, here: Database, engine: Engine, async_engine: AsyncEngine
) -> None:
    directory = TenantDirectory(ASYNC_SOURCES[kind](engine, async_engine))
    async with (
        under_uvicorn(behind_asgi(directory)) as address,
        httpx.AsyncClient(base_url=f"http://{address}") as client,
    ):

        async def status(slug: str) -> int:
            return (await client.get("/", headers=as_tenant(slug))).status_code

        response = await client.get("/", headers=AS_ACME)
        assert (response.status_code, response.json()) == (200, ACMES_PAGE)
        assert (await client.get("/", headers=AS_GLOBEX)).json()["code"] == "tenant_suspended"
        statuses = {slug: await status(slug) for slug in ("globex", "initech", "umbrella", "ACME")}
        assert statuses == {"globex": 403, "initech": 200, "umbrella": 404, "ACME": 404}
        with suspended(here, "acme"):
            assert await status("acme") == 200
            directory.invalidate(ACME_ID)
            assert await status("acme") == 403
        assert await status("acme") == 403
        directory.invalidate("acme")
        assert await status("acme") == 200


@pytest.mark.parametrize("make", [lambda engine: engine, sessionmaker])
def test_over_wsgi_a_request_gets_the_state_in_the_table(
    make: Any, here: Database, engine: Engine
) -> None:
    directory = TenantDirectory(lookup_in(make(engine)))
    with (
        under_werkzeug(behind_wsgi(directory)) as address,
        httpx.Client(base_url=address) as client,
    ):

        def status(slug: str) -> int:
            return client.get("/", headers=as_tenant(slug)).status_code

        response = client.get("/", headers=AS_ACME)
        assert (response.status_code, response.json()) == (200, ACMES_PAGE)
        assert client.get("/", headers=AS_GLOBEX).json()["code"] == "tenant_suspended"
        statuses = {slug: status(slug) for slug in ("globex", "initech", "umbrella", "ACME")}
        assert statuses == {"globex": 403, "initech": 200, "umbrella": 404, "ACME": 404}
        with suspended(here, "acme"):
            assert status("acme") == 200
            directory.invalidate(ACME_ID)
            assert status("acme") == 403
        directory.invalidate("acme")
        assert status("acme") == 200


# -- when the database fails -----------------------------------------------------


@contextmanager
def without_the_table(here: Database) -> Generator[None]:
    here.run("ALTER TABLE directory_tenant RENAME TO directory_away")
    try:
        yield
    finally:
        here.run("ALTER TABLE directory_away RENAME TO directory_tenant")


async def test_over_asgi_an_error_of_the_database_is_a_500_and_not_remembered(
    here: Database, async_engine: AsyncEngine
) -> None:
    app = behind_asgi(TenantDirectory(lookup_in(async_engine)))
    async with (
        under_uvicorn(app) as address,
        httpx.AsyncClient(base_url=f"http://{address}") as client,
    ):
        with without_the_table(here):
            assert (await client.get("/", headers=AS_ACME)).status_code == 500
        assert (await client.get("/", headers=AS_ACME)).status_code == 200


def test_over_wsgi_an_error_of_the_database_is_a_500_and_not_remembered(
    here: Database, engine: Engine
) -> None:
    app = behind_wsgi(TenantDirectory(lookup_in(engine)))
    with under_werkzeug(app) as address, httpx.Client(base_url=address) as client:
        with without_the_table(here):
            assert client.get("/", headers=AS_ACME).status_code == 500
        assert client.get("/", headers=AS_ACME).status_code == 200


async def test_the_error_is_the_databases_own(
    here: Database, engine: Engine, async_engine: AsyncEngine
) -> None:
    with without_the_table(here):
        with pytest.raises(exc.DBAPIError, match="directory_tenant"):
            await lookup_in(async_engine)("acme")
        with pytest.raises(exc.DBAPIError, match="directory_tenant"):
            await lookup_in(sessionmaker(engine), in_thread=True)("acme")


async def test_a_request_that_waits_for_a_connection_is_refused_in_time(here: Database) -> None:
    engine = here.async_engine(poolclass=AsyncAdaptedQueuePool, pool_size=1, max_overflow=0)
    app = behind_asgi(TenantDirectory(lookup_in(engine)), timeout=0.05)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://test"
    ) as client:
        async with engine.connect():
            refused = await client.get("/", headers=AS_ACME)
        assert (refused.status_code, refused.json()["code"]) == (503, "tenant_unavailable")
    assert (await lookup_in(engine)("acme")) == TenantContext(ACME_ID)
    await engine.dispose()


def test_a_pool_that_has_no_connection_left_is_an_error(here: Database) -> None:
    engine = here.engine(pool_size=1, max_overflow=0, pool_timeout=0.01)
    directory = TenantDirectory(lookup_in(engine))
    with engine.connect(), pytest.raises(exc.TimeoutError):
        directory.find("acme", blocking=True)
    assert directory.find("acme", blocking=True) == TenantContext(ACME_ID)
    engine.dispose()
