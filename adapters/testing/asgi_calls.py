"""Call an ASGI application like a server, without one.

https://asgi.readthedocs.io/en/latest/specs/www.html
https://asgi.readthedocs.io/en/latest/specs/lifespan.html
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Final
from urllib.parse import unquote

from tenantshield_mw.context import bind, unbind
from tenantshield_mw.types import ASGIApp

from .requests import Answer, Call, Request

__all__ = ["asgi_call", "lifespan"]

_ASGI: Final = {"version": "3.0", "spec_version": "2.4"}


def asgi_call(app: ASGIApp, state: dict[str, Any], timeout: float) -> Call:
    """Return a function that sends a request to ``app``, outside of every tenant's scope.

    Args:
        app: the application.
        state: what the lifespan has put into its state.
        timeout: how long an answer may take, in seconds. Of one that takes longer, such as an
            endless stream, there is what came until then.
    """

    async def call(request: Request) -> Answer:
        exchange = _Exchange(request)
        binding = bind(None)
        error = None
        try:
            serving = app(_scope(request, state), exchange.receive, exchange.send)
            await asyncio.wait_for(serving, timeout)
        # The sweep goes on, and reports it.
        except Exception as raised:  # noqa: BLE001
            error = type(raised).__name__
        finally:
            unbind(binding)
        status = 500 if exchange.status is None or error else exchange.status
        return Answer(status, tuple(exchange.headers), b"".join(exchange.body), error)

    return call


class _Exchange:
    def __init__(self, request: Request) -> None:
        self._content: bytes | None = request.content
        self._is_complete = asyncio.Event()
        self.status: int | None = None
        self.headers: list[tuple[str, str]] = []
        self.body: list[bytes] = []

    async def receive(self) -> Any:
        content, self._content = self._content, None
        if content is not None:
            return {"type": "http.request", "body": content, "more_body": False}
        # The client stays until it has the answer.
        await self._is_complete.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = [
                (name.decode("latin-1").lower(), value.decode("latin-1"))
                for name, value in message.get("headers", ())
            ]
        elif message["type"] == "http.response.body":
            self.body.append(bytes(message.get("body", b"")))
            if not message.get("more_body", False):
                self._is_complete.set()


def _scope(request: Request, state: dict[str, Any]) -> dict[str, Any]:
    headers = {"host": "testserver", "user-agent": "tenantshield-sweep"}
    if request.content:
        headers["content-type"] = request.content_type
        headers["content-length"] = str(len(request.content))
    headers |= {name.lower(): value for name, value in request.headers.items()}
    return {
        "type": "http",
        "asgi": _ASGI,
        "http_version": "1.1",
        "method": request.method,
        "scheme": "http",
        "path": unquote(request.path),
        "raw_path": request.path.encode("ascii"),
        "query_string": request.query_string.encode("ascii"),
        "root_path": "",
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers.items()],
        "client": ("127.0.0.1", 1),
        "server": ("testserver", 80),
        "state": state.copy(),
        "extensions": {},
    }


@asynccontextmanager
async def lifespan(app: ASGIApp) -> AsyncGenerator[dict[str, Any]]:
    """Run the lifespan of ``app`` around a block, and yield the state that it makes.

    Raises:
        RuntimeError: it failed to start.
    """
    state: dict[str, Any] = {}
    said: asyncio.Queue[Any] = asyncio.Queue()
    events: asyncio.Queue[Any] = asyncio.Queue()
    events.put_nowait({"type": "lifespan.startup"})
    scope = {"type": "lifespan", "asgi": _ASGI, "state": state}

    async def run() -> None:
        try:
            await app(scope, events.get, said.put)
        finally:
            said.put_nowait(None)

    running = asyncio.create_task(run())
    first = await said.get()
    if first is not None and first["type"] == "lifespan.startup.failed":
        await asyncio.wait([running])
        raise RuntimeError(f"the application failed to start: {first.get('message', '')}")
    try:
        yield state
    finally:
        events.put_nowait({"type": "lifespan.shutdown"})
        # An application without a lifespan may raise at once.
        await asyncio.wait([running])
        running.exception()
