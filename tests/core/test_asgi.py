"""The ASGI middleware: what it binds, for how long, and what it leaves alone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextvars import ContextVar, copy_context
from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tenantshield_mw import (
    TenantSessionMiddleware,
    atenant_scope,
    resolvers,
    tenant_scope,
    try_current_tenant,
)
from tenantshield_mw.request import TENANT_KEY

from .calling import Seen, asgi_messages, call_asgi, http_scope, websocket_scope
from .served import running

ACME = [(b"x-tenant-id", b"acme")]


def tenant_id() -> object:
    tenant = try_current_tenant()
    return None if tenant is None else tenant.tenant_id


def around(app: Any, **options: Any) -> TenantSessionMiddleware:
    return TenantSessionMiddleware(app, resolve_tenant=resolvers.header("X-Tenant-ID"), **options)


async def ignored(*arguments: Any) -> Any:
    raise AssertionError("neither receive nor send is to be called")


@pytest.mark.parametrize("scope", [http_scope(headers=ACME), websocket_scope(headers=ACME)])
async def test_a_request_and_a_websocket_are_bound(scope: dict[str, Any]) -> None:
    seen = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(tenant_id())
        await asyncio.sleep(0)
        seen.append(tenant_id())

    await around(app)(scope, ignored, ignored)
    assert seen == ["acme", "acme"]
    assert tenant_id() is None


@pytest.mark.parametrize("kind", ["lifespan", "something.else"])
async def test_other_scopes_pass_through_untouched(kind: str) -> None:
    passed: list[Any] = []

    async def app(*arguments: Any) -> None:
        passed.extend([*arguments, tenant_id()])

    scope = {"type": kind, "state": {}}
    await around(app)(scope, ignored, ignored)
    assert passed[0] is scope
    assert passed[1] is passed[2] is ignored
    assert scope == {"type": kind, "state": {}}
    assert passed[3] is None


async def test_the_tenant_is_on_a_copy_of_the_scope() -> None:
    passed: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        passed.append((scope, try_current_tenant()))
        scope["added"] = True

    scope = http_scope(headers=ACME, state={})
    before = dict(scope)
    await around(app)(scope, ignored, ignored)
    ((inner, tenant),) = passed
    assert scope == before
    assert inner is not scope
    assert TENANT_KEY == "tenantshield_mw.tenant"
    assert inner.pop(TENANT_KEY) is tenant
    assert inner.pop("added")
    assert inner == before
    assert inner["state"] is scope["state"]


async def test_the_scope_says_so_when_there_is_no_tenant() -> None:
    passed: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        passed.append(scope[TENANT_KEY])

    outer: Any = {TENANT_KEY: "of a middleware further out"}
    await around(app, exempt=["/health"])(http_scope("/health", **outer), ignored, ignored)
    await around(app, on_missing_tenant="allow_unbound")(http_scope(**outer), ignored, ignored)
    assert passed == [None, None]


@pytest.mark.parametrize("error", [LookupError, asyncio.CancelledError, KeyboardInterrupt])
async def test_the_scope_is_restored_when_the_app_raises(error: type[BaseException]) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise error

    with tenant_scope("server"):
        with pytest.raises(error):
            await around(app)(http_scope(headers=ACME), ignored, ignored)
        assert tenant_id() == "server"


async def test_the_scope_is_restored_when_the_request_is_cancelled() -> None:
    begun = asyncio.Event()
    at_the_end: list[object] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        try:
            begun.set()
            await asyncio.Event().wait()
        finally:
            at_the_end.append(tenant_id())

    async def serve() -> None:
        try:
            await around(app)(http_scope(headers=ACME), ignored, ignored)
        finally:
            at_the_end.append(tenant_id())

    task = asyncio.create_task(serve())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert at_the_end == ["acme", None]


async def test_the_scope_is_restored_when_the_client_is_gone() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert (await receive())["type"] == "http.disconnect"
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        # ASGI, "Disconnected client - send exception".
        raise OSError

    with pytest.raises(OSError):  # noqa: PT011
        await around(app)(http_scope(headers=ACME), receive, send)
    assert tenant_id() is None


async def test_what_the_app_leaves_bound_ends_with_the_request() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        tenant_scope("globex").__enter__()
        assert tenant_id() == "globex"

    with tenant_scope("server"):
        await around(app)(http_scope(headers=ACME), ignored, ignored)
        assert tenant_id() == "server"


async def test_a_call_that_is_closed_from_another_context_changes_nothing_there() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.get_running_loop().create_future()

    call = around(app)(http_scope(headers=ACME), ignored, ignored)
    inside = copy_context()
    inside.run(call.send, None)
    assert inside.run(tenant_id) == "acme"
    copied = inside.run(copy_context)
    with tenant_scope("server"):
        copied.run(call.close)
        assert tenant_id() == "server"
    assert copied.run(tenant_id) is None


async def test_two_calls_driven_in_turn_each_keep_their_tenant() -> None:
    turns = asyncio.Barrier(2)
    seen: dict[str, list[object]] = {"acme": [], "globex": []}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        for _ in range(3):
            await turns.wait()
            seen[scope["path"][1:]].append(tenant_id())

    middleware = around(app)
    await asyncio.gather(
        *(
            middleware(
                http_scope(f"/{name}", headers=[(b"x-tenant-id", name.encode())]), ignored, ignored
            )
            for name in seen
        )
    )
    assert seen == {"acme": ["acme"] * 3, "globex": ["globex"] * 3}


async def test_a_streamed_body_sees_the_tenant() -> None:
    async def rows() -> AsyncIterator[bytes]:
        for _ in range(2):
            await asyncio.sleep(0)
            yield str(tenant_id()).encode()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        async for row in rows():
            await send({"type": "http.response.body", "body": row, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    assert (await call_asgi(around(app), http_scope(headers=ACME))).body == b"acmeacme"


async def test_work_after_the_response_that_runs_inside_the_call_sees_the_tenant() -> None:
    seen: list[object] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await Seen().asgi(scope, receive, send)
        seen.append(tenant_id())
        seen.append(await asyncio.to_thread(tenant_id))

    await call_asgi(around(app), http_scope(headers=ACME))
    assert seen == ["acme", "acme"]


async def test_a_task_that_outlives_the_request_keeps_its_tenant() -> None:
    go_on = asyncio.Event()
    tasks: list[asyncio.Task[object]] = []

    async def later() -> object:
        await go_on.wait()
        return tenant_id()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        tasks.append(asyncio.create_task(later()))

    await around(app)(http_scope(headers=ACME), ignored, ignored)
    go_on.set()
    assert await tasks[0] == "acme"
    assert tenant_id() is None


async def test_messages_that_are_not_known_go_through() -> None:
    message = {"type": "http.response.pathsend", "path": "/srv/file"}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(message)

    sent = await asgi_messages(around(app), http_scope(headers=ACME))
    assert sent[0] is message


async def test_what_an_async_resolver_binds_for_itself_does_not_reach_the_app() -> None:
    async def resolver(scope: Any) -> str:
        async with atenant_scope("directory"):
            await asyncio.sleep(0)
            return "acme"

    seen = Seen()
    await call_asgi(TenantSessionMiddleware(seen.asgi, resolve_tenant=resolver), http_scope())
    assert seen.ids == ["acme"]


async def test_the_apps_other_context_variables_are_left_alone() -> None:
    variable: ContextVar[str] = ContextVar("variable", default="unset")

    async def app(scope: Any, receive: Any, send: Any) -> None:
        variable.set("set by the app")

    await around(app)(http_scope(headers=ACME), ignored, ignored)
    assert variable.get() == "set by the app"


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Respond with the tenant; a websocket gets it in one message."""
    body = json.dumps(tenant_id())
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": body})
        await send({"type": "websocket.close"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body.encode()})


def test_on_a_real_server_requests_and_websockets_are_bound_or_refused() -> None:
    with running(around(echo)) as address:
        with httpx.Client(base_url=f"http://{address}") as client:
            for name in ("acme", "globex"):
                assert client.get("/", headers={"X-Tenant-ID": name}).json() == name
            twice = [("X-Tenant-ID", "acme"), ("X-Tenant-ID", "globex")]
            assert client.get("/", headers=twice).json()["code"] == "tenant_malformed"
            refused = client.get("/")
            assert refused.status_code == 400
            assert refused.headers["content-type"] == "application/problem+json"
            head = client.head("/")
            assert head.headers["content-length"] == str(len(refused.content))

        url = f"ws://{address}/"
        with connect(url, additional_headers={"X-Tenant-ID": "acme"}) as websocket:
            assert websocket.recv() == '"acme"'
        with pytest.raises(InvalidStatus) as denied:
            connect(url)
        assert denied.value.response.status_code == 400
        assert json.loads(denied.value.response.body or b"")["code"] == "tenant_missing"
