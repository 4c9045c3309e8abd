"""What the tenant middleware comes before and after, in each framework, over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import advanced_alchemy.extensions.fastapi as aa_fastapi
import advanced_alchemy.extensions.litestar as aa_litestar
import advanced_alchemy.extensions.starlette as aa_starlette
import httpx
import litestar
import pytest
import pytest_asyncio
from fastapi import FastAPI
from flask import Flask, request
from flask_cors import CORS
from litestar.config.cors import CORSConfig
from litestar.di import NamedDependency
from sqlalchemy import create_engine, select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import Session
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tenantshield_mw import (
    ConfigurationError,
    TenantSessionMiddleware,
    resolvers,
    system_scope,
    try_current_tenant,
)
from tenantshield_mw.adapters.flask import TenantShield
from tenantshield_mw.adapters.litestar import TenantShieldPlugin
from tenantshield_mw.adapters.starlette import install

from .notes import Note, seed
from .serving import AS_ACME, code_of, under_uvicorn, under_werkzeug

BY_HEADER = resolvers.header("X-Tenant-ID")
ORIGIN = {"Origin": "https://a.test"}
PREFLIGHT = {
    **ORIGIN,
    "Access-Control-Request-Method": "GET",
    "Access-Control-Request-Headers": "x-tenant-id",
}
ALLOWED = "access-control-allow-origin"


@pytest_asyncio.fixture
async def url(tmp_path: Path) -> AsyncIterator[str]:
    url = f"sqlite+aiosqlite:///{tmp_path / 'notes.sqlite3'}"
    engine = create_async_engine(url)
    async with engine.begin() as connection:
        await connection.run_sync(seed, {"acme": "ours"})
    yield url
    await engine.dispose()


@pytest_asyncio.fixture
async def engine(url: str) -> AsyncIterator[AsyncEngine]:
    engine = create_async_engine(url)
    yield engine
    await engine.dispose()


async def stored(engine: AsyncEngine) -> list[tuple[str, str]]:
    with system_scope("look at all rows of a test"):
        async with AsyncSession(engine) as session:
            rows = await session.execute(select(Note.tenant_id, Note.body).order_by(Note.id))
            return [(tenant_id, body) for tenant_id, body in rows]


def client(address: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=f"http://{address}")


class Cors(CORSMiddleware):
    """A class of the app's own, which counts as Starlette's."""


def add_cors(app: Starlette, kind: type[CORSMiddleware] = CORSMiddleware) -> None:
    app.add_middleware(
        kind,
        allow_origins=["https://a.test"],
        allow_headers=["X-Tenant-ID"],
        allow_methods=["*"],
    )


@pytest.mark.parametrize("make", [Starlette, FastAPI])
class TestStarletteAndFastAPI:
    @pytest.mark.parametrize("order", ["cors first", "cors last", "given to the app", "subclass"])
    async def test_cors_works_in_any_order(
        self, make: Callable[..., Starlette], order: str, engine: AsyncEngine
    ) -> None:
        async def notes(request: Request) -> Response:
            async with AsyncSession(engine) as session:
                return JSONResponse([*await session.scalars(select(Note.body))])

        seen: list[Any] = []

        async def note_tenant(request: Request, call_next: Any) -> Response:
            seen.append(try_current_tenant())
            response: Response = await call_next(request)
            return response

        given = Middleware(CORSMiddleware, allow_origins=["https://a.test"], allow_headers=["*"])
        app = make(middleware=[given]) if order == "given to the app" else make()
        app.add_route("/notes", notes)
        if order in ("cors first", "subclass"):
            add_cors(app, CORSMiddleware if order == "cors first" else Cors)
        app.add_middleware(BaseHTTPMiddleware, dispatch=note_tenant)
        install(app, resolve_tenant=BY_HEADER)
        if order == "cors last":
            add_cors(app)

        async with under_uvicorn(app) as address, client(address) as http:
            preflight = await http.options("/notes", headers=PREFLIGHT)
            refused = await http.get("/notes", headers=ORIGIN)
            answered = await http.get("/notes", headers={**ORIGIN, **AS_ACME})
        assert (preflight.status_code, preflight.headers[ALLOWED]) == (200, "https://a.test")
        assert code_of(refused) == "tenant_missing"
        assert refused.headers[ALLOWED] == "https://a.test"
        assert (answered.json(), answered.headers[ALLOWED]) == (["ours"], "https://a.test")
        # What was added before install() is inside, also if CORS was added before it.
        assert [each and each.tenant_id for each in seen] == ["acme"]

    async def test_an_app_that_answers_preflights_by_itself_gets_no_rows(
        self, make: Callable[..., Starlette], engine: AsyncEngine
    ) -> None:
        async def notes(request: Request) -> Response:
            async with AsyncSession(engine) as session:
                return JSONResponse([*await session.scalars(select(Note.body))])

        app = make()
        app.add_route("/notes", notes, methods=["OPTIONS"])
        install(app, resolve_tenant=BY_HEADER)
        async with under_uvicorn(app) as address, client(address) as http:
            for headers in (PREFLIGHT, {**PREFLIGHT, **AS_ACME}):
                assert code_of(await http.options("/notes", headers=headers)) == "tenant_missing"

    @pytest.mark.parametrize(
        ("added", "resolver"),
        [
            (SessionMiddleware, resolvers.session("tenant_id")),
            (AuthenticationMiddleware, resolvers.principal("tenant_id")),
        ],
    )
    def test_what_the_resolver_reads_cannot_come_from_inside(
        self, make: Callable[..., Starlette], added: Any, resolver: Any
    ) -> None:
        app = make()
        app.add_middleware(added)
        with pytest.raises(ConfigurationError, match=f"add {added.__name__} after install"):
            install(app, resolve_tenant=resolver)
        app = make()
        install(app, resolve_tenant=resolver)
        app.add_middleware(added)


async def test_fastapis_documentation_needs_no_tenant_if_it_is_exempt() -> None:
    app = FastAPI()
    install(app, resolve_tenant=BY_HEADER, exempt=["/docs", "/openapi.json"])
    async with under_uvicorn(app) as address, client(address) as http:
        paths = ("/docs", "/docs/oauth2-redirect", "/openapi.json", "/redoc")
        assert [(await http.get(path)).status_code for path in paths] == [200, 200, 200, 400]


async def test_cors_around_the_middleware_itself_covers_refusals() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError

    wrapped = CORSMiddleware(
        TenantSessionMiddleware(app, resolve_tenant=BY_HEADER), allow_origins=["https://a.test"]
    )
    async with under_uvicorn(wrapped) as address, client(address) as http:
        refused = await http.get("/", headers=ORIGIN)
    assert code_of(refused) == "tenant_missing"
    assert refused.headers[ALLOWED] == "https://a.test"


def alchemy_app(make: Any, aa: Any, url: str, *, install_first: bool) -> Starlette:
    """Return an app whose handler leaves the commit to Advanced Alchemy."""
    config = aa.SQLAlchemyAsyncConfig(connection_string=url, commit_mode="autocommit")
    app: Starlette = make()

    async def create(request: Request) -> Response:
        alchemy.get_async_session(request).add(Note(body="new"))
        return Response(status_code=201)

    app.add_route("/notes", create, methods=["POST"])
    if install_first:
        install(app, resolve_tenant=BY_HEADER)
    alchemy = aa.AdvancedAlchemy(config, app)
    if not install_first:
        install(app, resolve_tenant=BY_HEADER)
    return app


@pytest.mark.parametrize(("make", "aa"), [(Starlette, aa_starlette), (FastAPI, aa_fastapi)])
class TestAdvancedAlchemy:
    async def test_it_commits_under_the_tenant_if_it_was_added_before(
        self, make: Any, aa: Any, url: str, engine: AsyncEngine
    ) -> None:
        app = alchemy_app(make, aa, url, install_first=False)
        async with under_uvicorn(app) as address, client(address) as http:
            response = await http.post("/notes", headers=AS_ACME)
        assert response.status_code == 201
        assert await stored(engine) == [("acme", "ours"), ("acme", "new")]

    async def test_an_app_that_would_commit_without_a_tenant_does_not_start(
        self, make: Any, aa: Any, url: str, engine: AsyncEngine
    ) -> None:
        app = alchemy_app(make, aa, url, install_first=True)
        with pytest.raises(ConfigurationError, match=r"call install\(\) after AdvancedAlchemy"):
            app.build_middleware_stack()
        async with under_uvicorn(app) as address, client(address) as http:
            assert (await http.post("/notes", headers=AS_ACME)).status_code == 500
        assert await stored(engine) == [("acme", "ours")]


@pytest.mark.parametrize("install_first", [True, False])
async def test_litestar_commits_under_the_tenant_in_any_order(
    install_first: bool, url: str, engine: AsyncEngine
) -> None:
    @litestar.post("/notes")
    async def create(db_session: NamedDependency[AsyncSession]) -> None:
        db_session.add(Note(body="new"))

    config = aa_litestar.SQLAlchemyAsyncConfig(
        connection_string=url, before_send_handler="autocommit"
    )
    plugins: list[Any] = [
        TenantShieldPlugin(resolve_tenant=BY_HEADER),
        aa_litestar.SQLAlchemyPlugin(config),
    ]
    app = litestar.Litestar(
        [create],
        plugins=plugins if install_first else plugins[::-1],
        cors_config=CORSConfig(allow_origins=["https://a.test"]),
        logging_config=None,
    )
    async with under_uvicorn(app) as address, client(address) as http:
        preflight = await http.options("/notes", headers=PREFLIGHT)
        refused = await http.post("/notes", headers=ORIGIN)
        response = await http.post("/notes", headers=AS_ACME)
    assert (preflight.status_code, preflight.headers[ALLOWED]) == (204, "https://a.test")
    assert code_of(refused) == "tenant_missing"
    assert refused.headers[ALLOWED] == "https://a.test"
    assert response.status_code == 201
    assert await stored(engine) == [("acme", "ours"), ("acme", "new")]


def own_cors(app: Flask) -> None:
    @app.after_request
    def allow(response: Any) -> Any:
        response.headers["Access-Control-Allow-Origin"] = "https://a.test"
        response.headers["Access-Control-Allow-Headers"] = "X-Tenant-ID"
        return response


def flask_cors(app: Flask) -> None:
    CORS(app, origins=["https://a.test"])


class TestFlask:
    @pytest.mark.parametrize("add", [flask_cors, own_cors])
    @pytest.mark.parametrize("cors_first", [True, False])
    def test_cors_works_in_any_order(self, add: Any, cors_first: bool, url: str) -> None:
        engine = create_engine(url.replace("+aiosqlite", ""))
        app = Flask(__name__)
        if cors_first:
            add(app)
        TenantShield(app, resolve_tenant=BY_HEADER)
        if not cors_first:
            add(app)

        @app.route("/notes", methods=["GET"])
        @app.route("/any", methods=["GET", "OPTIONS"])
        def notes() -> list[str]:
            with Session(engine) as session:
                return [*session.scalars(select(Note.body))]

        with under_werkzeug(app) as address, httpx.Client(base_url=address) as http:
            preflight = http.options("/notes", headers=PREFLIGHT)
            refused = http.get("/notes", headers=ORIGIN)
            answered = http.get("/notes", headers={**ORIGIN, **AS_ACME})
            without_rows = http.options("/any", headers={**PREFLIGHT, **AS_ACME})
        engine.dispose()
        assert (preflight.status_code, preflight.headers[ALLOWED]) == (200, "https://a.test")
        assert preflight.headers["access-control-allow-headers"].lower() == "x-tenant-id"
        assert code_of(refused) == "tenant_missing"
        assert refused.headers[ALLOWED] == "https://a.test"
        assert "X-Tenant-ID" in refused.headers["vary"]
        assert (answered.json(), answered.headers[ALLOWED]) == (["ours"], "https://a.test")
        # flask-cors would answer the preflight itself; not where the app has a view for it.
        assert code_of(without_rows) == "tenant_missing"
        assert without_rows.headers[ALLOWED] == "https://a.test"

    def test_a_refusal_stays_one_if_the_app_fails_to_process_it(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        app = Flask(__name__)
        TenantShield(app, resolve_tenant=BY_HEADER)

        @app.after_request
        def fail(response: Any) -> Any:
            raise LookupError

        response = app.test_client().get("/")
        assert (response.status_code, response.json["code"]) == (400, "tenant_missing")  # type: ignore[index]
        assert "LookupError" in caplog.text

    def test_the_apps_own_answer_to_refused_requests_is_processed_too(self) -> None:
        def login(environ: Any, start_response: Any) -> list[bytes]:
            start_response("303 See Other", [("Location", "/login")])
            return [b"see there"]

        app = Flask(__name__)
        TenantShield(app, resolve_tenant=BY_HEADER, on_refused=login)
        own_cors(app)
        views: list[str] = []

        @app.before_request
        def note() -> None:
            views.append(request.path)

        response = app.test_client().get("/")
        assert (response.status_code, response.location, response.data) == (
            303,
            "/login",
            b"see there",
        )
        assert response.headers[ALLOWED] == "https://a.test"
        assert views == []
