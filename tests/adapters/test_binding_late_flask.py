"""The tenant is bound by a Flask application, after it has authenticated the caller."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from flask import (
    Flask,
    Response,
    copy_current_request_context,
    request,
    session,
    stream_with_context,
)
from sqlalchemy import Engine
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from tenantshield_mw import (
    ConfigurationError,
    ScopeMismatchError,
    carry_tenant,
    resolvers,
    system_scope,
    tenant_scope,
    try_current_tenant,
)
from tenantshield_mw.adapters.flask import TenantShield, enter_tenant
from tenantshield_mw.context import current_binding

from . import late
from .late import USERS, as_user, bodies, iter_bodies
from .serving import under_werkzeug

engine = late.engine


class TestFlask:
    def make(self, engine: Engine, resolver: Any) -> Flask:
        app = Flask(__name__)
        app.secret_key = "not a secret"
        TenantShield(app, resolve_tenant=resolver, exempt=["/login"])

        @app.get("/login/<organization>")
        def login(organization: str) -> str:
            session["organization"] = organization
            return ""

        @app.get("/notes")
        def notes() -> list[str]:
            return bodies(engine)

        @app.get("/stream")
        def stream() -> Response:
            return Response(stream_with_context(iter_bodies(engine)))

        @app.get("/async")
        async def in_async() -> list[str]:
            return bodies(engine)

        return app

    @pytest.fixture
    def late(self, engine: Engine) -> Flask:
        app = self.make(engine, resolvers.bound_later())

        @app.before_request
        def bind_tenant() -> None:
            user = request.headers.get("X-User")
            if user in USERS:
                enter_tenant(USERS[user])

        return app

    @pytest.mark.parametrize("path", ["/notes", "/stream"])
    def test_what_sees_the_tenant_of_before_request(self, late: Flask, path: str) -> None:
        with under_werkzeug(late) as address, httpx.Client(base_url=address) as client:
            for user, own, other in (("ann", "ours", "secret"), ("gil", "secret", "ours")):
                text = client.get(path, headers=as_user(user)).text
                assert own in text
                assert other not in text
            assert client.get("/notes").status_code == 500

    def test_the_tenant_ends_with_its_request(self, late: Flask) -> None:
        client = late.test_client()
        assert client.get("/notes", headers=as_user("ann")).json == ["ours"]
        assert try_current_tenant() is None
        assert client.get("/notes").status_code == 500

    def test_a_second_tenant_is_refused(self, late: Flask) -> None:
        @late.before_request
        def bind_another() -> None:
            enter_tenant("globex")

        response = late.test_client().get("/notes", headers=as_user("ann"))
        assert response.status_code == 500

    @pytest.mark.parametrize("resolver", [resolvers.bound_later(), resolvers.header("X-Tenant")])
    def test_a_second_tenant_is_refused_in_a_system_scope_too(
        self, engine: Engine, resolver: Any
    ) -> None:
        app = self.make(engine, resolver)
        app.testing = True

        @app.before_request
        def bind_tenant() -> None:
            enter_tenant("acme")

        @app.get("/system/<organization>")
        def in_system(organization: str) -> list[str]:
            with system_scope("look the user up"):
                enter_tenant(organization)
            return bodies(engine)

        client = app.test_client()
        headers = {"X-Tenant": "acme"}
        assert client.get("/system/acme", headers=headers).json == ["ours"]
        with pytest.raises(ScopeMismatchError):
            client.get("/system/globex", headers=headers)

    def test_a_second_tenant_is_refused_in_a_system_scope_within_another_tenants(
        self, engine: Engine
    ) -> None:
        app = self.make(engine, resolvers.bound_later())
        app.testing = True

        @app.get("/within")
        def within() -> str:
            with tenant_scope("acme"), system_scope("look the user up"):
                enter_tenant("globex")
            return "entered"

        with pytest.raises(ScopeMismatchError):
            app.test_client().get("/within")

    def test_the_first_tenant_may_be_named_in_a_system_scope(self, engine: Engine) -> None:
        app = self.make(engine, resolvers.bound_later())

        @app.before_request
        def bind_tenant() -> None:
            with system_scope("look the user up"):
                enter_tenant("acme")

        assert app.test_client().get("/notes").json == ["ours"]

    def test_without_the_extension_it_is_refused(self) -> None:
        app = Flask(__name__)
        with app.test_request_context(), pytest.raises(ConfigurationError, match="TenantShield"):
            enter_tenant("acme")

    @pytest.mark.parametrize("carried", [False, True])
    def test_a_thread_with_the_requests_context_is_refused(
        self, engine: Engine, carried: bool
    ) -> None:
        app = self.make(engine, resolvers.bound_later())
        app.testing = True

        with ThreadPoolExecutor(1) as pool:

            @app.get("/thread")
            def in_thread() -> str:
                @copy_current_request_context
                def work() -> None:
                    enter_tenant("globex")

                pool.submit(carry_tenant(work) if carried else work).result()
                return "entered"

            with pytest.raises(ConfigurationError, match="in a thread"):
                app.test_client().get("/thread")
            assert pool.submit(current_binding).result() is None

    def test_code_after_the_request_is_refused(self, late: Flask) -> None:
        with late.test_client() as client:
            client.get("/notes", headers=as_user("ann"))
            with pytest.raises(ConfigurationError, match="after the request"):
                enter_tenant("acme")
        assert try_current_tenant() is None

    def test_a_streamed_body_and_an_async_view_may_enter_it(self, engine: Engine) -> None:
        app = self.make(engine, resolvers.bound_later())

        @app.get("/late-stream")
        def late_stream() -> Response:
            def body() -> Iterator[str]:
                enter_tenant("acme")
                yield from bodies(engine)

            return Response(stream_with_context(body()))

        @app.get("/late-async")
        async def late_async() -> list[str]:
            enter_tenant("globex")
            return bodies(engine)

        client = app.test_client()
        assert client.get("/late-stream").text == "ours"
        assert client.get("/late-async").json == ["top secret"]
        assert client.get("/notes").status_code == 500

    def test_the_session_resolver_reads_flasks_own_session(self, engine: Engine) -> None:
        app = self.make(engine, resolvers.session("organization"))
        client = app.test_client()
        assert client.get("/notes").status_code == 400
        client.get("/login/acme")
        assert client.get("/notes").json == ["ours"]
        other = app.test_client()
        other.get("/login/globex")
        assert other.get("/notes").json == ["top secret"]

    def test_an_app_within_another_one_reads_its_own_session(self, engine: Engine) -> None:
        within = self.make(engine, resolvers.session("organization"))
        within.config["SESSION_COOKIE_NAME"] = "within"
        within.secret_key = "another secret"
        around = Flask("around")
        around.secret_key = "a secret"

        @around.get("/login/<organization>")
        def login(organization: str) -> str:
            session["organization"] = organization
            return "logged in"

        around.wsgi_app = DispatcherMiddleware(  # type: ignore[method-assign]
            around.wsgi_app, {"/within": within.wsgi_app}
        )
        TenantShield(
            around,
            resolve_tenant=resolvers.session("organization"),
            exempt=["/login", "/within/login"],
        )
        client: Any = around.test_client()
        client.get("/login/acme")
        assert client.get("/within/notes").json["code"] == "tenant_missing"
        client.get("/within/login/globex")
        assert client.get("/within/notes").json["code"] == "tenant_malformed"
        client.get("/within/login/acme")
        assert client.get("/within/notes").json == ["ours"]

    def test_the_session_resolver_says_that_there_is_no_secret_key(self, engine: Engine) -> None:
        app = self.make(engine, resolvers.session("organization"))
        app.secret_key = None
        with pytest.raises(ConfigurationError, match="SECRET_KEY"):
            app.test_client().get("/notes")
