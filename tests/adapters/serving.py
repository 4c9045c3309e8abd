"""Real servers for the frameworks' applications, and checks of refusals."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import httpx
import uvicorn
from werkzeug.serving import make_server

__all__ = ["AS_ACME", "AS_GLOBEX", "asgi_client", "code_of", "under_uvicorn", "under_werkzeug"]

AS_ACME = {"X-Tenant-ID": "acme"}
AS_GLOBEX = {"X-Tenant-ID": "globex"}


@asynccontextmanager
async def under_uvicorn(app: Any) -> AsyncGenerator[str]:
    """Yield host and port of a server that runs in the test's event loop."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        config = uvicorn.Config(
            app,
            log_level="error",
            ws="websockets-sansio",
            # It would wait forever for a request that does not end, and so would the test.
            timeout_graceful_shutdown=30,
        )
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            yield f"127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            await serving


@contextmanager
def under_werkzeug(app: Any) -> Generator[str]:
    """Yield the address of Werkzeug's server, with a thread for each request."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        serving.join()
        server.server_close()


def asgi_client(app: Any) -> httpx.AsyncClient:
    """Return a client that calls ``app`` without a server and without its lifespan."""
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")


def code_of(response: httpx.Response) -> str:
    """Return the code of a refusal, which must be a problem detail."""
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem["status"] == response.status_code
    assert response.headers["cache-control"] == "no-store"
    code: str = problem["code"]
    return code
