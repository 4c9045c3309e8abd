"""An example with the guard switched off: ``python -m examples.invoices.tests.unguarded NAME``."""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterable
from contextlib import ExitStack, contextmanager
from importlib import import_module
from typing import Any
from unittest.mock import patch

import uvicorn
from flask import Flask

from tenantshield_mw import TENANT_KEY, TenantContext, system_scope

__all__ = ["guard_off"]

REASON = "what happens without the guard"


class WithoutTenants:
    """Replaces the ASGI middleware and lets every request see all rows."""

    def __init__(self, app: Any, **options: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        with system_scope(REASON):
            await self.app({**scope, TENANT_KEY: None}, receive, send)


class WithoutTenantsWSGI:
    """Replaces the WSGI middleware."""

    def __init__(self, app: Any, **options: Any) -> None:
        self.app = app

    def __call__(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        with system_scope(REASON):
            return list(self.app(environ, start_response))


async def anybody() -> TenantContext:
    """Replaces FastAPI's dependency, which would refuse a request without a tenant."""
    return TenantContext("anybody")


@contextmanager
def guard_off(framework: str) -> Generator[None]:
    """Switch the guard off for applications that are imported and created inside.

    Args:
        framework: the name of an example.
    """
    adapter = "starlette" if framework == "fastapi" else framework
    name, stand_in = (
        ("TenantSessionMiddlewareWSGI", WithoutTenantsWSGI)
        if adapter == "flask"
        else ("TenantSessionMiddleware", WithoutTenants)
    )
    with ExitStack() as patches:
        patches.enter_context(patch(f"tenantshield_mw.adapters.{adapter}.{name}", stand_in))
        # A system scope, too, keeps a session from linking the rows of two tenants.
        objects = "tenantshield_mw.adapters.sqlalchemy.orm.objects"
        patches.enter_context(patch(f"{objects}.check_agreement", lambda session: None))
        if framework == "fastapi":
            patches.enter_context(patch("tenantshield_mw.adapters.starlette._tenant", anybody))
        yield


def main(framework: str) -> None:
    with guard_off(framework):
        app = import_module(f"examples.{framework}.app").create_app()
        if isinstance(app, Flask):
            app.run(port=0)
        else:
            uvicorn.run(app, port=0)


if __name__ == "__main__":
    main(sys.argv[1])
