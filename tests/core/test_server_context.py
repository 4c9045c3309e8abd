"""The server's code in receive() and send() runs without the tenant."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
from contextvars import copy_context
from typing import Any

import pytest

from tenantshield_mw import (
    TenantSessionMiddleware,
    resolvers,
    system_scope,
    tenant_scope,
    try_current_tenant,
)

from .calling import http_scope, websocket_scope
from .served import running

ACME = [(b"x-tenant-id", b"acme")]
SCOPES = pytest.mark.parametrize(
    "scope", [http_scope(headers=ACME), websocket_scope(headers=ACME)], ids=["http", "websocket"]
)


def tenant_id() -> object:
    tenant = try_current_tenant()
    return None if tenant is None else tenant.tenant_id


def around(app: Any, **options: Any) -> TenantSessionMiddleware:
    return TenantSessionMiddleware(app, resolve_tenant=resolvers.header("X-Tenant-ID"), **options)


class Server:
    """Records the binding in its own code, and in callbacks and tasks that it creates."""

    def __init__(self) -> None:
        self.seen: list[object] = []

    async def _note(self) -> None:
        for _ in range(2):
            self.seen += [tenant_id(), copy_context().run(tenant_id)]
            self.seen.append(await asyncio.create_task(later()))

    async def receive(self) -> dict[str, Any]:
        await self._note()
        return {"type": "received"}

    async def send(self, message: Any) -> None:
        await self._note()
        if message["type"] == "refused by the server":
            raise OSError


async def later() -> object:
    return tenant_id()


@SCOPES
@pytest.mark.parametrize("vary", [None, ()])
async def test_the_server_is_outside_and_the_app_inside_again(
    scope: dict[str, Any], vary: Any
) -> None:
    server = Server()
    inside: list[object] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert await receive() == {"type": "received"}
        inside.append(tenant_id())
        await send({"type": "http.response.start", "status": 200, "headers": []})
        inside.append(tenant_id())
        with tenant_scope("globex"):
            await receive()
            inside.append(tenant_id())
            with pytest.raises(OSError):  # noqa: PT011
                await send({"type": "refused by the server"})
            inside.append(tenant_id())
        with system_scope("maintenance"):
            await send({"type": "http.response.body"})
            inside.append(tenant_id())
        inside.append(tenant_id())

    await around(app, vary=vary)(scope, server.receive, server.send)
    assert inside == ["acme", "acme", "globex", "globex", None, "acme"]
    assert server.seen == [None] * 30
    assert tenant_id() is None


@SCOPES
async def test_the_server_sees_its_own_binding(scope: dict[str, Any]) -> None:
    server = Server()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "something"})
        assert tenant_id() == "acme"

    with tenant_scope("server"):
        await around(app)(scope, server.receive, server.send)
    assert server.seen == ["server"] * 12


@SCOPES
async def test_a_layer_between_two_middlewares_sees_what_the_outer_one_bound(
    scope: dict[str, Any],
) -> None:
    server = Server()
    between: list[object] = []

    async def innermost(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "something"})
        assert tenant_id() is None

    inner = TenantSessionMiddleware(
        innermost, resolve_tenant=lambda scope: None, on_missing_tenant="allow_unbound"
    )

    async def layer(scope: Any, receive: Any, send: Any) -> None:
        async def receive_between() -> Any:
            between.append(tenant_id())
            message = await receive()
            between.append(tenant_id())
            return message

        async def send_between(message: Any) -> None:
            between.append(tenant_id())
            await send(message)
            between.append(tenant_id())

        await inner(scope, receive_between, send_between)

    await around(layer)(scope, server.receive, server.send)
    assert between == ["acme"] * 4
    assert server.seen == [None] * 12


@pytest.mark.parametrize(
    "options",
    [
        {"exempt": lambda scope: True},
        {"on_missing_tenant": "allow_unbound"},
        {"on_refused": True},
    ],
)
async def test_the_absence_of_a_tenant_is_kept_from_the_server_too(options: Any) -> None:
    server = Server()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert tenant_id() is None
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})

    if "on_refused" in options:
        options = {"on_refused": app}
    with tenant_scope("server"):
        await around(app, **options)(http_scope(), server.receive, server.send)
    assert server.seen == ["server"] * 12


@pytest.mark.parametrize("call", ["receive", "send"])
async def test_a_message_that_is_closed_from_another_context_changes_nothing_there(
    call: str,
) -> None:
    async def never(*message: Any) -> Any:
        await asyncio.get_running_loop().create_future()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await (receive() if call == "receive" else send({"type": "something"}))

    serving = around(app)(http_scope(headers=ACME), never, never)
    copy_context().run(serving.send, None)
    with tenant_scope("elsewhere"):
        serving.close()
        assert tenant_id() == "elsewhere"
    assert tenant_id() is None


async def mixed(scope: Any, receive: Any, send: Any) -> None:
    """Respond with the tenant; below ``/inside`` behind the middleware, else in front of it."""
    if scope["path"] == "/inside":
        await around(answer)(scope, receive, send)
    else:
        await answer(scope, receive, send)


async def answer(scope: Any, receive: Any, send: Any) -> None:
    while (await receive()).get("more_body"):
        pass
    body = json.dumps([tenant_id(), scope["client"][1]]).encode()
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def test_the_next_request_on_a_connection_of_uvicorn_begins_without_the_tenant() -> None:
    with running(mixed) as address:
        client = http.client.HTTPConnection(address, timeout=60)
        # More than uvicorn reads before the app asks for it, so that it stops reading, and
        # goes on inside of receive().
        client.request("POST", "/inside", b"x" * 4_000_000, {"X-Tenant-ID": "acme"})
        tenant, port = json.load(client.getresponse())
        assert tenant == "acme"
        client.request("GET", "/outside")
        assert json.load(client.getresponse()) == [None, port]
        client.close()


def test_a_pipelined_request_on_uvicorn_begins_without_the_tenant() -> None:
    with running(mixed) as address:
        host, port = address.split(":")
        with socket.create_connection((host, int(port)), timeout=60) as client:
            # uvicorn begins the second request inside the send() that ends the first one.
            client.sendall(
                b"GET /inside HTTP/1.1\r\nHost: a\r\nX-Tenant-ID: acme\r\n\r\n"
                b"GET /outside HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
            )
            received = b"".join(iter(lambda: client.recv(65536), b""))
    bodies = [line for line in received.splitlines() if line.startswith(b"[")]
    assert [json.loads(body.partition(b"]")[0] + b"]")[0] for body in bodies] == ["acme", None]
