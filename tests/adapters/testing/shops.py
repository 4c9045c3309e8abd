"""One small shop, written for each framework; one endpoint can be planted that reads past the
guard, through the driver's own cursor.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import fastapi as fastapi_
import flask as flask_
import litestar as litestar_
from litestar.openapi import OpenAPIConfig
from sqlalchemy import Engine, StaticPool, create_engine, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route

from tenantshield_mw import TenantId, resolvers, system_scope, tenant_scope
from tenantshield_mw.adapters.flask import TenantShield
from tenantshield_mw.adapters.litestar import TenantShieldPlugin
from tenantshield_mw.adapters.sqlalchemy import tenant_aware
from tenantshield_mw.adapters.starlette import install
from tenantshield_mw.adapters.testing import Caller, Finding, Operation, sweep

__all__ = ["PAGES", "POST", "SHOPS", "Shop", "kinds", "swept"]

BY_HEADER: Final = resolvers.header("X-Tenant-ID")


class Base(DeclarativeBase):
    pass


@tenant_aware
class Note(Base):
    __tablename__ = "swept_note"
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[str]
    text: Mapped[str]


class Shop:
    """Its database and what its views do, whatever the framework."""

    def __init__(self) -> None:
        options: Any = {"check_same_thread": False}
        self.engine: Engine = create_engine("sqlite://", poolclass=StaticPool, connect_args=options)
        Base.metadata.create_all(self.engine)

    def one(self, note_id: int) -> tuple[int, dict[str, Any]]:
        with Session(self.engine) as session:
            note = session.get(Note, note_id)
            return (404, {}) if note is None else (200, {"text": note.text})

    def all(self) -> dict[str, Any]:
        with Session(self.engine) as session:
            return {"texts": [*session.scalars(select(Note.text))]}

    def add(self, text: str) -> dict[str, Any]:
        with Session(self.engine) as session:
            session.add(Note(text=text))
            session.commit()
            return {}

    def remove(self, note_id: int) -> tuple[int, dict[str, Any]]:
        with Session(self.engine) as session:
            note = session.get(Note, note_id)
            if note is None:
                return 404, {}
            session.delete(note)
            session.commit()
            return 200, {}

    def _by_cursor(self, sql: str, note_id: int) -> list[Any]:
        with Session(self.engine) as session:
            cursor = session.connection().connection.cursor()
            rows = cursor.execute(sql, (note_id,)).fetchall()
            session.commit()
            return [list(row) for row in rows]

    def read_past_the_guard(self, note_id: int) -> dict[str, Any]:
        return {"rows": self._by_cursor("SELECT text FROM swept_note WHERE id = ?", note_id)}

    def delete_past_the_guard(self, note_id: int) -> dict[str, Any]:
        self._by_cursor("DELETE FROM swept_note WHERE id = ?", note_id)
        return {}

    def caller(self, tenant: TenantId) -> Callable[[], Caller]:
        def make() -> Caller:
            with tenant_scope(tenant), Session(self.engine) as session:
                notes = [Note(text=f"<secret> of {tenant}") for _ in range(2)]
                session.add_all(notes)
                session.commit()
                ids = [note.id for note in notes]
                return Caller(
                    {"X-Tenant-ID": str(tenant)}, {"note_id": ids}, [f"<secret> of {tenant}"]
                )

        return make

    def acmes(self) -> list[tuple[Any, ...]]:
        with system_scope("the sweep"), Session(self.engine) as session:
            rows = select(Note.id, Note.text).where(Note.tenant_id == "acme")
            return [tuple(row) for row in session.execute(rows)]


POST: Final = Operation("POST", "/notes", body={"text": "e"})
"""What Starlette's and Flask's routes do not tell."""


def starlette(shop: Shop, planted: Any = None) -> Any:
    def one(request: Any) -> Any:
        status, body = shop.one(request.path_params["note_id"])
        return JSONResponse(body, status)

    def listed(request: Any) -> Any:
        return JSONResponse(shop.all())

    async def add(request: Any) -> Any:
        return JSONResponse(shop.add((await request.json())["text"]))

    def remove(request: Any) -> Any:
        status, body = shop.remove(request.path_params["note_id"])
        return JSONResponse(body, status)

    def plant(request: Any) -> Any:
        return JSONResponse(planted(request.path_params["note_id"]))

    routes: list[Any] = [
        Route("/notes", listed),
        Route("/notes", add, methods=["POST"]),
        Route("/notes/{note_id:int}", one),
        Route("/notes/{note_id:int}", remove, methods=["DELETE"]),
    ]
    if planted is not None:
        methods = ["DELETE"] if "delete" in planted.__name__ else ["GET"]
        inner = Route("/notes/{note_id:int}/planted", plant, methods=methods)
        routes.append(Mount("/inner", routes=[inner]))
    app = Starlette(routes=routes)
    install(app, resolve_tenant=BY_HEADER)
    return app


def fastapi(shop: Shop, planted: Any = None) -> Any:
    app = fastapi_.FastAPI()
    router = fastapi_.APIRouter(prefix="/inner")

    @app.get("/notes")
    def listed() -> Any:
        return shop.all()

    @app.post("/notes")
    def add(text: str = fastapi_.Body(embed=True)) -> Any:
        return shop.add(text)

    @app.get("/notes/{note_id}")
    def one(note_id: int, response: fastapi_.Response) -> Any:
        response.status_code, body = shop.one(note_id)
        return body

    @app.delete("/notes/{note_id}")
    def remove(note_id: int, response: fastapi_.Response) -> Any:
        response.status_code, body = shop.remove(note_id)
        return body

    def plant(note_id: int) -> Any:
        return planted(note_id)

    if planted is not None:
        methods = ["DELETE"] if "delete" in planted.__name__ else ["GET"]
        path = "/notes/{note_id}/planted"
        # Not in the document, as somebody could hide it.
        router.add_api_route(path, plant, methods=methods, include_in_schema=False)
    app.include_router(router)
    install(app, resolve_tenant=BY_HEADER)
    return app


def flask(shop: Shop, planted: Any = None) -> Any:
    app = flask_.Flask(__name__, static_folder=None)
    inner = flask_.Blueprint("inner", __name__, url_prefix="/inner")

    @app.get("/notes")
    def listed() -> Any:
        return shop.all()

    @app.post("/notes")
    def add() -> Any:
        return shop.add(flask_.request.get_json()["text"])

    @app.get("/notes/<int:note_id>")
    def one(note_id: int) -> Any:
        return shop.one(note_id)[::-1]

    @app.delete("/notes/<int(min=1):note_id>")
    def remove(note_id: int) -> Any:
        return shop.remove(note_id)[::-1]

    def plant(note_id: int) -> Any:
        return planted(note_id)

    if planted is not None:
        methods = ["DELETE"] if "delete" in planted.__name__ else ["GET"]
        inner.add_url_rule("/notes/<int:note_id>/planted", view_func=plant, methods=methods)
    app.register_blueprint(inner)
    TenantShield(app, resolve_tenant=BY_HEADER)
    return app


def litestar(shop: Shop, planted: Any = None) -> Any:
    @litestar_.get("/notes", sync_to_thread=False)
    def listed() -> dict[str, Any]:
        return shop.all()

    @litestar_.post("/notes")
    async def add(request: litestar_.Request[Any, Any, Any]) -> dict[str, Any]:
        return shop.add((await request.json())["text"])

    @litestar_.get("/notes/{note_id:int}", sync_to_thread=False)
    def one(request: litestar_.Request[Any, Any, Any]) -> litestar_.Response[Any]:
        status, body = shop.one(request.path_params["note_id"])
        return litestar_.Response(body, status_code=status)

    @litestar_.delete("/notes/{note_id:int}", status_code=200, sync_to_thread=False)
    def remove(request: litestar_.Request[Any, Any, Any]) -> litestar_.Response[Any]:
        status, body = shop.remove(request.path_params["note_id"])
        return litestar_.Response(body, status_code=status)

    def plant(request: litestar_.Request[Any, Any, Any]) -> dict[str, Any]:
        result: dict[str, Any] = planted(request.path_params["note_id"])
        return result

    handlers: list[Any] = [listed, add, one, remove]
    if planted is not None:
        method: Any = litestar_.delete if "delete" in planted.__name__ else litestar_.get
        handler = method(
            "/notes/{note_id:int}/planted",
            include_in_schema=False,
            sync_to_thread=False,
            status_code=200,
        )
        handlers.append(litestar_.Router("/inner", route_handlers=[handler(plant)]))
    return litestar_.Litestar(
        handlers,
        openapi_config=None if planted is None else OpenAPIConfig("shop", "1"),
        logging_config=None,
        plugins=[TenantShieldPlugin(resolve_tenant=BY_HEADER)],
    )


SHOPS: Final = {each.__name__: each for each in (starlette, fastapi, flask, litestar)}

# What the frameworks serve for people who read the documentation.
PAGES: Final = {
    "starlette": (),
    "flask": (),
    "fastapi": (),
    "litestar": ("* /schema*",),
}


def swept(shop: Shop, app: Any, **options: Any) -> list[Finding]:
    options = {"operations": [POST], **options}
    return sweep(app, owner=shop.caller("acme"), intruder=shop.caller("globex"), **options)


def kinds(found: list[Finding]) -> set[tuple[str, str]]:
    return {(each.kind, each.operation) for each in found}
