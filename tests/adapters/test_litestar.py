"""The Litestar adapter: the plugin, injection, and errors that become refusals."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from litestar import Litestar, Request, get
from litestar.config.cors import CORSConfig
from litestar.params import FromQuery
from litestar.response import Response
from sqlalchemy.ext.asyncio import AsyncEngine

from tenantshield_mw import ConfigurationError, current_tenant, resolvers
from tenantshield_mw.adapters.litestar import TenantShieldPlugin

from . import litestar_notes
from .litestar_notes import Tenant, make_app
from .serving import AS_ACME, AS_GLOBEX, asgi_client, code_of

engine, app = litestar_notes.engine, litestar_notes.app
pytestmark = pytest.mark.usefixtures("engine")


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
