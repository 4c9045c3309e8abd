"""The overhead of the two middlewares per request, compared with a hand-written one.

In one process, without a server: an application that does almost nothing is called with one
request, alone and behind each middleware. The overhead is the median with the middleware minus
the median without it. Run with ``python -m benchmarks.middleware``.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from contextvars import ContextVar, copy_context
from typing import Any

from benchmarks.measure import Batch, compare, machine, table
from tenantshield_mw import TenantSessionMiddleware, TenantSessionMiddlewareWSGI, resolvers

ROUNDS = 31
AIM_ASGI = 1.6
OUTSIDE = "minimal, server outside"
OUTSIDE_VARY = "minimal, server outside, Vary"

HEADERS = [
    (b"host", b"api.example.com"),
    (b"user-agent", b"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
    (b"accept", b"application/json"),
    (b"accept-language", b"en,de;q=0.7"),
    (b"accept-encoding", b"gzip, deflate, br"),
    (b"cookie", b"session=6d1f0c5e"),
    (b"authorization", b"Bearer 8c1d2e3f"),
    (b"x-forwarded-for", b"203.0.113.7"),
    (b"x-forwarded-proto", b"https"),
    (b"x-request-id", b"0b6b3a52"),
    # Last, where a proxy would add it.
    (b"x-tenant-id", b"acme"),
]
SCOPE: dict[str, Any] = {
    "type": "http",
    "asgi": {"version": "3.0", "spec_version": "2.4"},
    "http_version": "1.1",
    "server": ("127.0.0.1", 8000),
    "client": ("127.0.0.1", 51234),
    "scheme": "http",
    "method": "GET",
    "root_path": "",
    "path": "/invoices",
    "raw_path": b"/invoices",
    "query_string": b"",
    "headers": HEADERS,
    "state": {},
}
ENVIRON: dict[str, Any] = {
    "REQUEST_METHOD": "GET",
    "SCRIPT_NAME": "",
    "PATH_INFO": "/invoices",
    "QUERY_STRING": "",
    "SERVER_NAME": "127.0.0.1",
    "SERVER_PORT": "8000",
    "SERVER_PROTOCOL": "HTTP/1.1",
    "REMOTE_ADDR": "127.0.0.1",
    "wsgi.version": (1, 0),
    "wsgi.url_scheme": "http",
    "wsgi.input": None,
    "wsgi.errors": None,
    "wsgi.multithread": True,
    "wsgi.multiprocess": False,
    "wsgi.run_once": False,
    **{
        "HTTP_" + name.decode().upper().replace("-", "_"): value.decode() for name, value in HEADERS
    },
}
VARY = (b"vary", b"X-Tenant-ID")
START = {"type": "http.response.start", "status": 200, "headers": []}
BODY = {"type": "http.response.body", "body": b"ok"}

tenant: ContextVar[str | None] = ContextVar("tenant", default=None)

ASGI = Callable[[Any, Any, Any], Awaitable[None]]
WSGI = Callable[[dict[str, Any], Any], Iterable[bytes]]


async def asgi_app(scope: Any, receive: Any, send: Any) -> None:
    await send(START)
    await send(BODY)


class MinimalASGI:
    """The smallest middleware that binds a tenant: no checks, no copy of the scope, and the
    server's code in ``receive`` and ``send`` runs under the tenant, too."""

    def __init__(self, app: ASGI) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        value = None
        for name, content in scope["headers"]:
            if name == b"x-tenant-id":
                value = content.decode("latin-1")
                break
        token = tenant.set(value)
        try:
            await self.app(scope, receive, send)
        finally:
            tenant.reset(token)


class MinimalVaryASGI(MinimalASGI):
    """The smallest middleware that binds a tenant and names its source in ``Vary``."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def send_with_vary(message: Any) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], VARY]}
            await send(message)

        value = None
        for name, content in scope["headers"]:
            if name == b"x-tenant-id":
                value = content.decode("latin-1")
                break
        token = tenant.set(value)
        try:
            await self.app(scope, receive, send_with_vary)
        finally:
            tenant.reset(token)


class MinimalOutsideASGI(MinimalASGI):
    """The smallest middleware that binds a tenant and keeps it out of the server's code."""

    vary = False

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        vary = self.vary
        outer = tenant.get()

        async def receive_outside() -> Any:
            token = tenant.set(outer)
            try:
                return await receive()
            finally:
                tenant.reset(token)

        async def send_outside(message: Any) -> None:
            if vary and message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], VARY]}
            token = tenant.set(outer)
            try:
                await send(message)
            finally:
                tenant.reset(token)

        value = None
        for name, content in scope["headers"]:
            if name == b"x-tenant-id":
                value = content.decode("latin-1")
                break
        token = tenant.set(value)
        try:
            await self.app(scope, receive_outside, send_outside)
        finally:
            tenant.reset(token)


class MinimalOutsideVaryASGI(MinimalOutsideASGI):
    """The same, with the tenant's source in the ``Vary`` of each response."""

    vary = True


def wsgi_app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", [])
    return [b"ok"]


def streaming_app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", [])
    yield b"o"
    yield b"k"


class MinimalWSGI:
    """The smallest middleware that binds a tenant, only while the app's call runs: a body that is
    generated later has no tenant, and what the app sets stays in the server's context."""

    def __init__(self, app: WSGI) -> None:
        self.app = app

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        token = tenant.set(environ.get("HTTP_X_TENANT_ID"))
        try:
            return self.app(environ, start_response)
        finally:
            tenant.reset(token)


class MinimalIsolatedWSGI:
    """The smallest middleware that also covers the body and leaves the server's context alone."""

    def __init__(self, app: WSGI) -> None:
        self.app = app

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        context = copy_context()
        context.run(tenant.set, environ.get("HTTP_X_TENANT_ID"))
        body = context.run(self.app, environ, start_response)
        return body if type(body) is list else IsolatedBody(body, context.run)


class MinimalVaryWSGI:
    """The same, with the tenant's source in the ``Vary`` of each response."""

    def __init__(self, app: WSGI) -> None:
        self.app = app

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        def start_with_vary(status: str, headers: list[tuple[str, str]], *exc_info: Any) -> Any:
            return start_response(status, [*headers, ("Vary", "X-Tenant-ID")], *exc_info)

        context = copy_context()
        context.run(tenant.set, environ.get("HTTP_X_TENANT_ID"))
        body = context.run(self.app, environ, start_with_vary)
        return body if type(body) is list else IsolatedBody(body, context.run)


class IsolatedBody:
    def __init__(self, body: Iterable[bytes], run: Callable[..., Any]) -> None:
        self.body = body
        self.run = run
        self.next = iter(body).__next__

    def __iter__(self) -> IsolatedBody:
        return self

    def __next__(self) -> bytes:
        chunk: bytes = self.run(self.next)
        return chunk

    def close(self) -> None:
        close = getattr(self.body, "close", None)
        if close is not None:
            self.run(close)


def asgi_batch(loop: asyncio.AbstractEventLoop, app: ASGI, scope: dict[str, Any]) -> Batch:
    async def receive() -> Any:
        return {"type": "http.request"}

    async def send(message: Any) -> None:
        pass

    async def requests(repeats: int) -> None:
        for _ in range(repeats):
            await app(scope, receive, send)

    return lambda repeats: loop.run_until_complete(requests(repeats))


def wsgi_batch(app: WSGI, environ: dict[str, Any] = ENVIRON) -> Batch:
    def start_response(status: str, headers: list[tuple[str, str]]) -> None:
        pass

    def requests(repeats: int) -> None:
        for _ in range(repeats):
            # The app may change the environ, so a server creates one for each request.
            body = app(environ.copy(), start_response)
            for _chunk in body:
                pass
            close = getattr(body, "close", None)
            if close is not None:
                close()

    return requests


def report(title: str, batches: dict[str, Batch]) -> dict[str, float]:
    """Print the overhead of each of ``batches`` over ``bare``; return its ratio to ``minimal``."""
    medians = compare(batches, rounds=ROUNDS, clock=time.process_time)
    added = {name: median - medians["bare"] for name, median in medians.items()}
    ratios = {name: each / added["minimal"] for name, each in added.items() if name != "bare"}
    print(f"\n{title}")
    print(
        table(
            ("", "ns a request", "ns added", "times minimal"),
            [
                (
                    name,
                    f"{medians[name] * 1e9:.0f}",
                    f"{added[name] * 1e9:.0f}" if name in ratios else "",
                    f"{ratios[name]:.2f}" if name in ratios else "",
                )
                for name in medians
            ],
        )
    )
    return ratios


def main() -> None:
    resolver = resolvers.header("X-Tenant-ID")
    print(machine())
    print(f"medians of {ROUNDS} rounds, processor time; {len(HEADERS)} request headers")

    # A hand-written loop stops at the header. The resolver also looks for a second value.
    first = {**SCOPE, "headers": [HEADERS[-1], *HEADERS[:-1]]}
    loop = asyncio.new_event_loop()
    try:
        last, _ = (
            report(
                f"ASGI, the tenant's header comes {place}",
                {
                    "bare": asgi_batch(loop, asgi_app, scope),
                    "minimal": asgi_batch(loop, MinimalASGI(asgi_app), scope),
                    OUTSIDE: asgi_batch(loop, MinimalOutsideASGI(asgi_app), scope),
                    "tenantshield, vary=()": asgi_batch(
                        loop,
                        TenantSessionMiddleware(asgi_app, resolve_tenant=resolver, vary=()),
                        scope,
                    ),
                    "minimal with Vary": asgi_batch(loop, MinimalVaryASGI(asgi_app), scope),
                    OUTSIDE_VARY: asgi_batch(loop, MinimalOutsideVaryASGI(asgi_app), scope),
                    "tenantshield": asgi_batch(
                        loop, TenantSessionMiddleware(asgi_app, resolve_tenant=resolver), scope
                    ),
                },
            )
            for place, scope in (("last", SCOPE), ("first", first))
        )
    finally:
        loop.close()
    print(f"\naim, with the header last: at most {AIM_ASGI} times what does the same by hand")
    for title, ratio in (
        ("with nothing to add to responses", last["tenantshield, vary=()"] / last[OUTSIDE]),
        ("with Vary in each response", last["tenantshield"] / last[OUTSIDE_VARY]),
    ):
        print(f"  {title}: {ratio:.2f}, {'met' if ratio <= AIM_ASGI else 'MISSED'}")

    for title, app in (("list body", wsgi_app), ("streamed body", streaming_app)):
        report(
            f"WSGI, {title}",
            {
                "bare": wsgi_batch(app),
                "minimal": wsgi_batch(MinimalWSGI(app)),
                "minimal, own context": wsgi_batch(MinimalIsolatedWSGI(app)),
                "tenantshield, vary=()": wsgi_batch(
                    TenantSessionMiddlewareWSGI(app, resolve_tenant=resolver, vary=())
                ),
                "minimal, own context, Vary": wsgi_batch(MinimalVaryWSGI(app)),
                "tenantshield": wsgi_batch(
                    TenantSessionMiddlewareWSGI(app, resolve_tenant=resolver)
                ),
            },
        )


if __name__ == "__main__":
    main()
