"""Flask's command line, and its app under real servers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import a2wsgi
import click
import httpx
import pytest
from asgiref.wsgi import WsgiToAsgi
from flask import Flask, current_app

from tenantshield_mw import ConfigurationError, TenantState
from tenantshield_mw.adapters.flask import current_tenant, tenant_option

from . import flask_notes
from .flask_notes import KNOWN, bodies
from .serving import AS_ACME, AS_GLOBEX, code_of, under_uvicorn, under_werkzeug

app = flask_notes.app


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
            httpx.Client(base_url=address, trust_env=False, timeout=60) as client,
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
            httpx.AsyncClient(base_url=f"http://{server}", trust_env=False, timeout=60) as client,
        ):
            callers = [AS_ACME, AS_GLOBEX] * 10
            answers = await asyncio.gather(
                *(client.get("/stream", headers=headers) for headers in callers)
            )
            refused = await client.get("/forge", headers=AS_ACME)
        assert [each.text for each in answers] == ["acme: ours", "globex: top secret"] * 10
        assert (refused.status_code, code_of(refused)) == (403, "cross_tenant")
