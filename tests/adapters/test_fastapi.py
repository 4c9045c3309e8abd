"""The Starlette adapter under FastAPI: the dependency, and its effect on the schema."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any

import pytest
import websockets
from fastapi import APIRouter, BackgroundTasks, Depends, FastAPI, WebSocket
from fastapi.security import APIKeyHeader, HTTPBearer
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from starlette.requests import HTTPConnection

from tenantshield_mw import ConfigurationError, TenantContext, current_tenant, resolvers
from tenantshield_mw.adapters.starlette import install, tenant_dependency

from . import notes as shared
from .notes import Note
from .serving import AS_ACME, AS_GLOBEX, asgi_client, code_of, under_uvicorn

engine = shared.engine


Tenant = Annotated[TenantContext, tenant_dependency(header="X-Tenant-ID")]
UndocumentedTenant = Annotated[TenantContext, tenant_dependency()]
KeyedTenant = Annotated[
    TenantContext,
    tenant_dependency(security=APIKeyHeader(name="X-Tenant-ID", auto_error=False)),
]
BearerTenant = Annotated[TenantContext, tenant_dependency(security=HTTPBearer())]


async def new_session(connection: HTTPConnection) -> AsyncIterator[AsyncSession]:
    async with AsyncSession(connection.app.state.engine) as session:
        yield session


InRequest = Annotated[AsyncSession, Depends(new_session)]


@pytest.fixture
def app(engine: AsyncEngine) -> FastAPI:
    app = FastAPI()
    install(
        app, resolve_tenant=resolvers.header("X-Tenant-ID"), exempt=["/openapi.json", "/public"]
    )

    app.state.engine = engine

    async def notes(session: InRequest) -> list[str]:
        return [*await session.scalars(select(Note.body))]

    async def forge(session: InRequest) -> None:
        session.add(Note(tenant_id="globex", body="forged"))
        await session.commit()

    async def named(tenant: Tenant) -> str:
        return str(tenant.tenant_id)

    def named_in_a_thread(tenant: Tenant) -> str:
        assert current_tenant() == tenant
        return str(tenant.tenant_id)

    async def undocumented(tenant: UndocumentedTenant) -> str:
        return str(tenant.tenant_id)

    async def keyed(tenant: KeyedTenant) -> str:
        return str(tenant.tenant_id)

    async def bearer(tenant: BearerTenant) -> str:
        return str(tenant.tenant_id)

    async def greet(websocket: WebSocket, tenant: Tenant, session: InRequest) -> None:
        await websocket.accept()
        await websocket.send_json([tenant.tenant_id, *await session.scalars(select(Note.body))])

    router = APIRouter()
    endpoints: dict[str, Callable[..., Any]] = {
        "/notes": notes,
        "/forge": forge,
        "/named": named,
        "/thread": named_in_a_thread,
        "/undocumented": undocumented,
        "/keyed": keyed,
        "/bearer": bearer,
        "/public/named": named,
    }
    for path, endpoint in endpoints.items():
        router.add_api_route(path, endpoint)
    router.add_api_websocket_route("/ws", greet)
    app.include_router(router)
    return app


async def test_each_tenant_reads_its_own_rows(app: FastAPI) -> None:
    async with asgi_client(app) as client:
        assert (await client.get("/notes", headers=AS_ACME)).json() == ["ours"]
        assert (await client.get("/notes", headers=AS_GLOBEX)).json() == ["top secret"]


async def test_a_write_for_another_tenant_becomes_a_refusal(app: FastAPI) -> None:
    async with asgi_client(app) as client:
        response = await client.get("/forge", headers=AS_ACME)
    assert (response.status_code, code_of(response)) == (403, "cross_tenant")


class TestDependency:
    @pytest.mark.parametrize("path", ["/named", "/thread", "/undocumented", "/keyed"])
    async def test_it_yields_the_tenant(self, app: FastAPI, path: str) -> None:
        async with asgi_client(app) as client:
            for headers in (AS_ACME, AS_GLOBEX):
                response = await client.get(path, headers=headers)
                assert response.json() == headers["X-Tenant-ID"]

    async def test_it_yields_the_tenant_to_a_websocket(self, app: FastAPI) -> None:
        async with (
            under_uvicorn(app) as server,
            websockets.connect(f"ws://{server}/ws", additional_headers=AS_GLOBEX) as websocket,
        ):
            assert await websocket.recv() == '["globex","top secret"]'

    async def test_where_no_tenant_is_bound_the_mistake_is_the_servers(self, app: FastAPI) -> None:
        async with asgi_client(app) as client:
            inside = await client.get("/public/named")
        assert (inside.status_code, code_of(inside)) == (500, "tenant_not_in_scope")

    async def test_it_takes_the_tenant_from_the_middleware_and_not_from_the_header(
        self, engine: AsyncEngine
    ) -> None:
        app = FastAPI()
        install(app, resolve_tenant=resolvers.query("tenant"))

        @app.get("/")
        async def named(tenant: Tenant) -> str:
            return str(tenant.tenant_id)

        async with asgi_client(app) as client:
            response = await client.get("/?tenant=acme", headers=AS_GLOBEX)
        assert response.json() == "acme"

    async def test_a_security_scheme_of_its_own_is_asked(self, app: FastAPI) -> None:
        async with asgi_client(app) as client:
            assert (await client.get("/bearer", headers=AS_ACME)).status_code in (401, 403)
            authorized = {**AS_ACME, "Authorization": "Bearer token"}
            assert (await client.get("/bearer", headers=authorized)).json() == "acme"

    async def test_header_and_scheme_exclude_each_other(self) -> None:
        with pytest.raises(ConfigurationError):
            tenant_dependency(header="X-Tenant-ID", security=HTTPBearer())

    async def test_a_background_task_runs_under_the_tenant(self, engine: AsyncEngine) -> None:
        app = FastAPI()
        install(app, resolve_tenant=resolvers.header("X-Tenant-ID"))
        seen: list[Any] = []

        async def later() -> None:
            async with AsyncSession(engine) as session:
                seen.extend(await session.scalars(select(Note.body)))

        @app.get("/")
        async def start(tasks: BackgroundTasks) -> None:
            tasks.add_task(later)

        async with asgi_client(app) as client:
            await client.get("/", headers=AS_GLOBEX)
        assert seen == ["top secret"]


class TestSchema:
    @pytest.fixture
    def schema(self, app: FastAPI) -> dict[str, Any]:
        return app.openapi()

    @pytest.mark.parametrize("path", ["/named", "/thread"])
    def test_the_header_is_a_required_parameter(self, schema: dict[str, Any], path: str) -> None:
        parameters = schema["paths"][path]["get"]["parameters"]
        assert [(each["name"], each["in"], each["required"]) for each in parameters] == [
            ("X-Tenant-ID", "header", True)
        ]

    def test_the_security_scheme_is_the_operations(self, schema: dict[str, Any]) -> None:
        assert schema["paths"]["/keyed"]["get"]["security"] == [{"APIKeyHeader": []}]
        assert schema["components"]["securitySchemes"]["APIKeyHeader"] == {
            "type": "apiKey",
            "in": "header",
            "name": "X-Tenant-ID",
        }
        assert schema["components"]["securitySchemes"]["HTTPBearer"]["scheme"] == "bearer"

    def test_without_either_nothing_is_said(self, schema: dict[str, Any]) -> None:
        operation = schema["paths"]["/undocumented"]["get"]
        assert "parameters" not in operation
        assert "security" not in operation


def test_starlette_alone_suffices() -> None:
    code = "import sys, tenantshield_mw.adapters.starlette; print('fastapi' in sys.modules)"
    finished = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True
    )
    assert finished.stdout.strip() == "False"


async def test_what_replaces_the_dependency_must_return_a_tenant() -> None:
    app = FastAPI()

    @app.get("/")
    async def read(tenant: Tenant) -> str:
        return "read"

    app.dependency_overrides[tenant_dependency().dependency] = lambda: "acme"
    with pytest.raises(ConfigurationError, match="must return a TenantContext"):
        async with asgi_client(app) as client:
            await client.get("/", headers=AS_ACME)
