"""Call an ASGI or a WSGI application like a server, without one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from io import BytesIO, StringIO
from typing import Any

from tenantshield_mw import (
    TenantContext,
    TenantId,
    TenantSessionMiddleware,
    TenantSessionMiddlewareWSGI,
    try_current_tenant,
)

Headers = Iterable[tuple[bytes, bytes]]


@dataclass
class Response:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def problem(self) -> dict[str, Any]:
        assert self.headers["content-type"] == "application/problem+json"
        document: dict[str, Any] = json.loads(self.body)
        return document


def http_scope(path: str = "/", *, headers: Headers = (), **more: Any) -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": list(headers),
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 8000),
        **more,
    }


def websocket_scope(path: str = "/", **more: Any) -> dict[str, Any]:
    scope = {**http_scope(path), "type": "websocket", "scheme": "ws", "subprotocols": [], **more}
    del scope["method"]
    return scope


def as_environ(path: str = "/", *, headers: Headers = (), **more: Any) -> dict[str, Any]:
    """Return the environ that a server creates for the same request (PEP 3333, RFC 3875)."""
    environ: dict[str, Any] = {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": path.encode().decode("latin-1"),
        "QUERY_STRING": "",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": BytesIO(),
        "wsgi.errors": StringIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in headers:
        key = "HTTP_" + name.decode("latin-1").upper().replace("-", "_")
        text = value.decode("latin-1")
        environ[key] = f"{environ[key]},{text}" if key in environ else text
    return {**environ, **more}


async def asgi_messages(app: Any, scope: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what ``app`` sends for ``scope``."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent


async def call_asgi(app: Any, scope: dict[str, Any]) -> Response:
    start, *bodies = await asgi_messages(app, scope)
    return Response(
        start["status"],
        {name.decode(): value.decode() for name, value in start["headers"]},
        b"".join(message.get("body", b"") for message in bodies),
    )


def call_wsgi(app: Any, environ: dict[str, Any]) -> Response:
    response = Response(0, {}, b"")
    written: list[bytes] = []

    def start_response(
        status: str, headers: list[tuple[str, str]], exc_info: Any = None
    ) -> Callable[[bytes], object]:
        response.status = int(status.split()[0])
        response.headers = {name.lower(): value for name, value in headers}
        return written.append

    body = app(environ, start_response)
    try:
        chunks = list(body)
        response.body = b"".join(written + chunks)
    finally:
        close = getattr(body, "close", None)
        if close is not None:
            close()
    return response


@dataclass
class Seen:
    """An application for both interfaces that records the tenant that it runs under."""

    tenants: list[TenantContext | None] = field(default_factory=list)

    async def asgi(self, scope: Any, receive: Any, send: Callable[[Any], Awaitable[None]]) -> None:
        self.tenants.append(try_current_tenant())
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})

    def wsgi(self, environ: Any, start_response: Any) -> list[bytes]:
        self.tenants.append(try_current_tenant())
        start_response("200 OK", [])
        return [b"ok"]

    @property
    def ids(self) -> list[TenantId | None]:
        return [None if one is None else one.tenant_id for one in self.tenants]


@dataclass(frozen=True)
class Outcome:
    """The outcome of a request: the tenant that it ran under, or its refusal's status and code."""

    tenant: TenantId | None
    ran: bool
    status: int = 200
    code: str = ""


def _outcome(seen: Seen, response: Response) -> Outcome:
    if seen.tenants:
        assert response.status == 200
        return Outcome(seen.ids[0], ran=True)
    return Outcome(None, ran=False, status=response.status, code=response.problem["code"])


def through_asgi(options: dict[str, Any], path: str = "/", headers: Headers = ()) -> Outcome:
    """Send one request through the ASGI middleware with ``options``."""
    seen = Seen()
    app = TenantSessionMiddleware(seen.asgi, **options)
    return _outcome(seen, asyncio.run(call_asgi(app, http_scope(path, headers=headers))))


def through_wsgi(options: dict[str, Any], path: str = "/", headers: Headers = ()) -> Outcome:
    """Send the same request through the WSGI middleware."""
    seen = Seen()
    app = TenantSessionMiddlewareWSGI(seen.wsgi, **options)
    return _outcome(seen, call_wsgi(app, as_environ(path, headers=headers)))
