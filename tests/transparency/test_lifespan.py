"""The lifespan of an application, with and without the middleware."""

from __future__ import annotations

import logging
import socket
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import litestar
import pytest
import uvicorn
from starlette.applications import Starlette

from tenantshield_mw import TenantSessionMiddleware, resolvers
from tenantshield_mw.adapters import starlette as starlette_adapter
from tenantshield_mw.adapters.litestar import TenantShieldPlugin

RESOLVER = resolvers.header("X-Tenant-ID")


async def raising(scope: Any, receive: Any, send: Any) -> None:
    raise LookupError("no lifespan here")


async def failing(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "the database is away"})


async def failing_at_the_end(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.failed", "message": "the database went away"})


@asynccontextmanager
async def away(app: Any) -> AsyncGenerator[None]:
    if app is not None:
        raise LookupError("the database is away")
    yield


def starlette_app(how: str) -> Any:
    app = Starlette(lifespan=away)
    if how == "adapter":
        starlette_adapter.install(app, resolve_tenant=RESOLVER)
    return app


def litestar_app(how: str) -> Any:
    plugins = [TenantShieldPlugin(resolve_tenant=RESOLVER)] if how == "adapter" else []
    return litestar.Litestar(
        [], lifespan=[away], plugins=plugins, openapi_config=None, logging_config=None
    )


APPS: dict[str, Any] = {
    "raising": lambda how: raising,
    "failing": lambda how: failing,
    "failing at the end": lambda how: failing_at_the_end,
    "starlette": starlette_app,
    "litestar": litestar_app,
}
CASES = [
    *((app, "wrapped") for app in APPS),
    ("starlette", "adapter"),
    ("litestar", "adapter"),
]


@contextmanager
def heard(caplog: pytest.LogCaptureFixture) -> Generator[None, None, None]:
    """Make uvicorn's log visible, even if an earlier server has configured its loggers."""
    uvicorns = logging.getLogger("uvicorn")
    before, uvicorns.propagate = uvicorns.propagate, True
    with (
        caplog.at_level(logging.INFO, logger="uvicorn"),
        caplog.at_level(logging.INFO, logger="uvicorn.error"),
    ):
        try:
            yield
        finally:
            uvicorns.propagate = before


async def said(
    name: str, how: str, mode: Any, caplog: pytest.LogCaptureFixture
) -> tuple[bool, object, list[str]]:
    """Return whether uvicorn served, its exit code, and its log."""
    app = APPS[name](how)
    if how == "wrapped":
        app = TenantSessionMiddleware(app, resolve_tenant=RESOLVER)
    caplog.clear()
    with socket.create_server(("127.0.0.1", 0)) as listening:

        class Server(uvicorn.Server):
            async def main_loop(self) -> None:
                began.append(True)

        began: list[bool] = []
        server = Server(uvicorn.Config(app, lifespan=mode, log_config=None))
        code: object = None
        with heard(caplog):
            try:
                await server.serve(sockets=[listening])
            except SystemExit as error:
                code = error.code
    return (
        bool(began),
        code,
        # A traceback tells of the frames in between; what remains is the error itself.
        [
            record.getMessage().strip().rpartition("\n")[2]
            for record in caplog.records
            if "127.0.0.1" not in record.getMessage()
        ],
    )


@pytest.mark.parametrize("mode", ["auto", "on"])
@pytest.mark.parametrize(("name", "how"), CASES)
async def test_a_lifespan_that_fails_is_told_of_the_same(
    name: str, how: str, mode: str, caplog: pytest.LogCaptureFixture
) -> None:
    bare = await said(name, "bare", mode, caplog)
    assert await said(name, how, mode, caplog) == bare
    assert bare[2]
    assert bare[0] is (name == "failing at the end" or (name == "raising" and mode == "auto"))
