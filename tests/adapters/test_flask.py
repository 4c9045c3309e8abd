"""The Flask adapter: the extension, the proxy, the commands, and errors that become refusals."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import a2wsgi
import click
import httpx
import pytest
from asgiref.wsgi import WsgiToAsgi
from flask import Blueprint, Flask, Response, current_app, jsonify, stream_with_context, url_for
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import select
from sqlalchemy.orm import DeclarativeBase, Mapped, configure_mappers, mapped_column
from werkzeug.test import TestResponse

from tenantshield_mw import (
    ConfigurationError,
    CrossTenantAccessError,
    MissingTenantContextError,
    TenantContext,
    TenantState,
    resolvers,
    tenant_scope,
    try_current_tenant,
)
from tenantshield_mw.adapters.flask import TenantShield, current_tenant, tenant_option
from tenantshield_mw.adapters.sqlalchemy import (
    require_declared,
    shared_across_tenants,
    tenant_aware,
)

from .serving import AS_ACME, AS_GLOBEX, code_of, under_uvicorn, under_werkzeug


class Base(DeclarativeBase):
    pass


db = SQLAlchemy(model_class=Base)


# Flask-SQLAlchemy's version of the base has no type.
if TYPE_CHECKING:
    Model = Base
else:
    Model = db.Model


@tenant_aware
class Note(Model):
    __tablename__ = "test_flask_note"
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[str]
    body: Mapped[str]


KNOWN = UUID("5b2e1d3c-0f5e-4b0a-8a83-3d8f0b1c2d3e")


def bodies() -> list[str]:
    return [*db.session.scalars(select(Note.body))]


notes = Blueprint("notes", __name__)


@notes.get("/notes")
def list_notes() -> Response:
    return jsonify(bodies())


@notes.get("/forge")
def forge() -> str:
    db.session.add(Note(tenant_id="globex", body="forged"))
    db.session.commit()
    return ""


@notes.get("/tenant")
def tenant() -> Response:
    return jsonify(current_tenant.tenant_id)


@notes.get("/stream")
def stream() -> Response:
    def lines() -> Iterator[str]:
        for body in db.session.scalars(select(Note.body)):
            yield f"{current_tenant.tenant_id}: {body}"

    return Response(stream_with_context(lines()))


@notes.get("/url")
def url() -> str:
    return url_for("notes.list_notes")


def make_app(folder: Path, shield: TenantShield) -> Flask:
    app = Flask(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = f"sqlite:///{folder / 'notes.sqlite3'}"
    db.init_app(app)
    shield.init_app(app)
    app.register_blueprint(notes)
    app.register_blueprint(notes, url_prefix="/public", name="public")
    with app.app_context():
        db.create_all()
        for tenant_id, body in (("acme", "ours"), ("globex", "top secret")):
            with tenant_scope(tenant_id):
                db.session.add(Note(body=body))
                db.session.commit()
                db.session.remove()
    return app


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Flask]:
    shield = TenantShield(resolve_tenant=resolvers.header("X-Tenant-ID"), exempt=["/public"])
    app = make_app(tmp_path, shield)
    yield app
    with app.app_context():
        db.engine.dispose()


def problem_code(response: TestResponse) -> str:
    assert response.content_type == "application/problem+json"
    assert response.json is not None
    assert response.json["status"] == response.status_code
    code: str = response.json["code"]
    return code


class TestRequests:
    def test_each_tenant_reads_its_own_rows(self, app: Flask) -> None:
        client = app.test_client()
        assert client.get("/notes", headers=AS_ACME).json == ["ours"]
        assert client.get("/notes", headers=AS_GLOBEX).json == ["top secret"]

    def test_a_request_without_a_tenant_is_refused(self, app: Flask) -> None:
        response = app.test_client().get("/notes")
        assert (response.status_code, problem_code(response)) == (400, "tenant_missing")

    def test_a_stream_reads_its_tenants_rows(self, app: Flask) -> None:
        assert app.test_client().get("/stream", headers=AS_ACME).text == "acme: ours"

    def test_the_path_prefix_is_moved_before_routing(self, tmp_path: Path) -> None:
        app = make_app(tmp_path, TenantShield(resolve_tenant=resolvers.path_prefix("/t/{tenant}")))
        client = app.test_client()
        assert client.get("/t/acme/notes").json == ["ours"]
        assert client.get("/t/acme/url").text == "/t/acme/notes"
        with app.app_context():
            db.engine.dispose()


class TestExtension:
    def test_it_registers_at_once_if_it_is_given_the_app(self) -> None:
        app = Flask(__name__)
        app.add_url_rule("/", view_func=lambda: str(current_tenant.tenant_id))
        shield = TenantShield(app, resolve_tenant=resolvers.header("X-Tenant-ID"))
        assert app.extensions["tenantshield"] is shield
        assert app.test_client().get("/", headers=AS_ACME).text == "acme"

    def test_one_extension_serves_several_apps(self) -> None:
        shield = TenantShield(resolve_tenant=resolvers.header("X-Tenant-ID"))
        for _ in range(2):
            app = Flask(__name__)
            shield.init_app(app)
            assert app.test_client().get("/").status_code == 400

    def test_a_second_one_for_the_same_app_is_an_error(self, app: Flask) -> None:
        with pytest.raises(ConfigurationError):
            TenantShield(app, resolve_tenant=resolvers.header("X-Other"))

    def test_a_wrong_argument_is_found_at_registration(self) -> None:
        app = Flask(__name__)
        with pytest.raises(ConfigurationError):
            TenantShield(app, resolve_tenant=resolvers.header("X-Tenant-ID"), exempt="/public")
        assert "tenantshield" not in app.extensions

    def test_a_wrong_argument_is_found_before_there_is_an_app(self) -> None:
        with pytest.raises(ConfigurationError):
            TenantShield(resolve_tenant=resolvers.header("X-Tenant-ID"), exempt="/public")
        with pytest.raises(TypeError):
            TenantShield(resolve_tenant=resolvers.header("X-Tenant-ID"), exemptions=["/public"])  # type: ignore[call-arg]

    def test_what_an_iterator_gives_is_there_for_each_app(self) -> None:
        shield = TenantShield(
            resolve_tenant=lambda environ: "acme", exempt=iter(["/public"]), vary=iter(["X-Who"])
        )
        for _ in range(2):
            app = Flask(__name__)
            app.add_url_rule("/", "start", lambda: "")
            app.add_url_rule("/public", "public", lambda: repr(try_current_tenant()))
            shield.init_app(app)
            assert app.test_client().get("/").headers["vary"] == "X-Who"
            assert app.test_client().get("/public").text == "None"


class TestProxy:
    def test_it_stands_for_the_tenant_of_the_request(self, app: Flask) -> None:
        client = app.test_client()
        assert client.get("/tenant", headers=AS_ACME).json == "acme"
        assert client.get("/tenant", headers=AS_GLOBEX).json == "globex"

    def test_it_stands_for_the_tenant_of_a_scope(self) -> None:
        with tenant_scope(TenantContext("acme", {"plan": "free"})):
            assert current_tenant == TenantContext("acme")
            assert current_tenant.attributes["plan"] == "free"

    def test_a_module_that_holds_it_can_be_searched_for_an_app(self) -> None:
        assert not isinstance(current_tenant, Flask)
        assert bool(current_tenant) is False
        assert "unbound" in repr(current_tenant)

    def test_it_raises_where_there_is_no_tenant(self) -> None:
        with pytest.raises(MissingTenantContextError):
            _ = current_tenant.tenant_id


class TestErrorsInside:
    def test_a_write_for_another_tenant_becomes_a_refusal(
        self, app: Flask, caplog: pytest.LogCaptureFixture
    ) -> None:
        client = app.test_client()
        response = client.get("/forge", headers=AS_ACME)
        assert (response.status_code, problem_code(response)) == (403, "cross_tenant")
        assert client.get("/notes", headers=AS_GLOBEX).json == ["top secret"]
        logged = [each for each in caplog.record_tuples if each[0].startswith("tenantshield_mw")]
        assert logged == [
            ("tenantshield_mw.adapters.flask", logging.WARNING, "refused with 403 cross_tenant")
        ]

    @pytest.mark.parametrize("path", ["/public/notes", "/public/tenant"])
    def test_what_needs_a_tenant_and_has_none_becomes_a_refusal(
        self, app: Flask, path: str
    ) -> None:
        inside = app.test_client().get(path)
        assert (inside.status_code, problem_code(inside)) == (500, "tenant_not_in_scope")

    def test_the_answer_to_head_has_the_same_headers_and_no_body(self, app: Flask) -> None:
        client = app.test_client()
        head = client.head("/forge", headers=AS_ACME)
        assert head.headers == client.get("/forge", headers=AS_ACME).headers
        assert head.data == b""

    def test_other_errors_are_not_touched(self, app: Flask) -> None:
        @app.get("/fail")
        def fail() -> str:
            raise LookupError("not ours")

        app.testing = True
        with pytest.raises(LookupError):
            app.test_client().get("/fail", headers=AS_ACME)


class TestHandlersOfTheApps:
    @pytest.mark.parametrize("before", [True, False])
    def test_they_come_first_whenever_they_are_registered(self, before: bool) -> None:
        app = Flask(__name__)
        shield = TenantShield(
            resolve_tenant=resolvers.header("X-Tenant-ID"), on_missing_tenant="allow_unbound"
        )
        if not before:
            shield.init_app(app)

        @app.errorhandler(CrossTenantAccessError)
        def own(error: Exception) -> tuple[str, int]:
            return "own", 418

        @app.get("/cross")
        def cross() -> str:
            raise CrossTenantAccessError("not yours")

        @app.get("/need")
        def need_a_tenant() -> str:
            return str(current_tenant.tenant_id)

        if before:
            shield.init_app(app)
        client = app.test_client()
        assert client.get("/cross").status_code == 418
        assert problem_code(client.get("/need")) == "tenant_missing"


def test_flask_sqlalchemys_object_is_required_to_be_declared() -> None:
    class Other(DeclarativeBase):
        pass

    other = SQLAlchemy(model_class=Other)
    require_declared(other)

    class Forgotten(Other):
        __tablename__ = "flask_forgotten"
        id: Mapped[int] = mapped_column(primary_key=True)

    with pytest.raises(ConfigurationError, match="flask_forgotten"):
        configure_mappers()
    shared_across_tenants(Forgotten)


class TestCommands:
    @pytest.fixture
    def app(self, app: Flask) -> Flask:
        @app.cli.command("list-notes")
        @click.argument("prefix")
        @tenant_option()
        def list_notes_command(prefix: str) -> None:
            for body in bodies():
                click.echo(f"{prefix} {current_tenant.tenant_id} {body}")

        for kind in (str, int, UUID):

            @app.cli.command(kind.__name__)
            @tenant_option(type=kind)
            def show() -> None:
                click.echo(repr(current_tenant.tenant_id))

        return app

    @pytest.mark.parametrize(("tenant_id", "body"), [("acme", "ours"), ("globex", "top secret")])
    def test_a_command_runs_under_the_tenant(self, app: Flask, tenant_id: str, body: str) -> None:
        arguments = ["list-notes", "--tenant", tenant_id, ">"]
        result = app.test_cli_runner().invoke(args=arguments)
        assert (result.exit_code, result.output) == (0, f"> {tenant_id} {body}\n")

    def test_the_option_is_required(self, app: Flask) -> None:
        result = app.test_cli_runner().invoke(args=["list-notes", ">"])
        assert result.exit_code == 2
        assert "--tenant" in result.output

    @pytest.mark.parametrize("tenant_id", ["", " acme", "a\nb", "x" * 256])
    def test_an_invalid_tenant_is_a_usage_error_that_does_not_repeat_it(
        self, app: Flask, tenant_id: str
    ) -> None:
        arguments = ["list-notes", "--tenant", tenant_id, ">"]
        result = app.test_cli_runner().invoke(args=arguments)
        assert result.exit_code == 2
        assert "the tenant id" in result.output
        assert "x" * 256 not in result.output

    @pytest.mark.parametrize(
        ("kind", "text", "tenant_id"),
        [
            ("str", "Grüße", "Grüße"),
            ("int", "7", 7),
            ("int", "-7", -7),
            ("UUID", "5B2E1D3C-0f5e-4b0a-8a83-3d8f0b1c2d3e", KNOWN),
        ],
    )
    def test_the_option_takes_the_type_of_the_tenant_columns(
        self, app: Flask, kind: str, text: str, tenant_id: object
    ) -> None:
        result = app.test_cli_runner().invoke(args=[kind, "--tenant", text])
        assert (result.exit_code, result.output) == (0, f"{tenant_id!r}\n")

    @pytest.mark.parametrize(
        ("kind", "text"),
        [
            *(("int", each) for each in ("1_000", " 7 ", "+7", "07", "٣", "7.0", "9" * 20)),
            *(("UUID", each) for each in ("acme", "{5b2e1d3c0f5e4b0a8a833d8f0b1c2d3e}")),
        ],
    )
    def test_other_spellings_of_an_id_are_usage_errors(
        self, app: Flask, kind: str, text: str
    ) -> None:
        result = app.test_cli_runner().invoke(args=[kind, "--tenant", text])
        assert result.exit_code == 2
        assert "the tenant id" in result.output
        assert text not in result.output

    @pytest.mark.parametrize(
        ("tenant_id", "status", "output"),
        [
            ("acme", 0, "acme ours\n"),
            ("globex", 2, "suspended"),
            ("acne", 2, "not in the directory"),
        ],
    )
    def test_a_directory_refuses_tenants_that_are_suspended_or_unknown(
        self, app: Flask, tenant_id: str, status: int, output: str
    ) -> None:
        states = {"acme": TenantState.ACTIVE, "globex": TenantState.SUSPENDED}

        def lookup(tenant: object) -> TenantState | None:
            assert current_app.name
            return states.get(str(tenant))

        @app.cli.command("checked")
        @tenant_option(directory=lookup)
        def checked() -> None:
            for body in bodies():
                click.echo(f"{current_tenant.tenant_id} {body}")

        result = app.test_cli_runner().invoke(args=["checked", "--tenant", tenant_id])
        assert result.exit_code == status
        assert output in result.output

    def test_a_type_that_no_tenant_id_has_is_an_error(self) -> None:
        with pytest.raises(ConfigurationError):
            tenant_option(type=float)  # type: ignore[arg-type]


class TestUnderServers:
    def test_tenants_do_not_mix_in_the_threads_of_werkzeug(self, app: Flask) -> None:
        with (
            under_werkzeug(app) as address,
            httpx.Client(base_url=address, trust_env=False) as client,
            ThreadPoolExecutor(8) as threads,
        ):
            callers = [AS_ACME, AS_GLOBEX] * 20
            answers = threads.map(lambda headers: client.get("/stream", headers=headers), callers)
            texts = [answer.text for answer in answers]
        assert texts == ["acme: ours", "globex: top secret"] * 20

    @pytest.mark.parametrize(
        "as_asgi", [WsgiToAsgi, a2wsgi.WSGIMiddleware], ids=["asgiref", "a2wsgi"]
    )
    async def test_tenants_do_not_mix_under_asgi(
        self, app: Flask, as_asgi: Callable[[Any], Any]
    ) -> None:
        async with (
            under_uvicorn(as_asgi(app)) as server,
            httpx.AsyncClient(base_url=f"http://{server}", trust_env=False) as client,
        ):
            callers = [AS_ACME, AS_GLOBEX] * 10
            answers = await asyncio.gather(
                *(client.get("/stream", headers=headers) for headers in callers)
            )
            refused = await client.get("/forge", headers=AS_ACME)
        assert [each.text for each in answers] == ["acme: ours", "globex: top secret"] * 10
        assert (refused.status_code, code_of(refused)) == (403, "cross_tenant")
