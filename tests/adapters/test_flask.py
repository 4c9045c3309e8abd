"""The Flask adapter: the extension, the proxy, the commands, and errors that become refusals."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import DeclarativeBase, Mapped, configure_mappers, mapped_column

from tenantshield_mw import (
    ConfigurationError,
    CrossTenantAccessError,
    MissingTenantContextError,
    TenantContext,
    resolvers,
    tenant_scope,
    try_current_tenant,
)
from tenantshield_mw.adapters.flask import TenantShield, current_tenant
from tenantshield_mw.adapters.sqlalchemy import require_declared, shared_across_tenants

from . import flask_notes
from .flask_notes import db, make_app, problem_code
from .serving import AS_ACME, AS_GLOBEX

app = flask_notes.app


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
