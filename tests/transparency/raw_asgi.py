"""An ASGI application without a framework, which uses everything that the protocol allows."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from .meeting import FILE, AsyncMeeting, digest

__all__ = ["RawASGI"]

TEXT = ((b"content-type", b"text/plain"),)


class RawASGI:
    """Each path is one method of this class."""

    def __init__(self) -> None:
        self.meeting = AsyncMeeting()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self.lifespan(scope, receive, send)
            return
        name = scope["path"].strip("/*").split("/")[0].replace("-", "_")
        kind = "ws_" if scope["type"] == "websocket" else "on_"
        serve = getattr(self, kind + name, self.on_missing)
        await serve(scope, receive, send)

    async def lifespan(self, scope: Any, receive: Any, send: Any) -> None:
        assert (await receive())["type"] == "lifespan.startup"
        if "state" in scope:
            scope["state"]["pool"] = "made at startup"
        await send({"type": "lifespan.startup.complete"})
        assert (await receive())["type"] == "lifespan.shutdown"
        await send({"type": "lifespan.shutdown.complete"})

    async def answer(
        self,
        send: Any,
        *bodies: bytes,
        status: int = 200,
        headers: Sequence[tuple[bytes, bytes]] = TEXT,
    ) -> None:
        await send({"type": "http.response.start", "status": status, "headers": headers})
        for body in bodies:
            await send({"type": "http.response.body", "body": body, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async def read(self, receive: Any) -> bytes:
        body = b""
        while True:
            message = await receive()
            assert message["type"] == "http.request"
            body += bytes(message.get("body", b""))
            if not message.get("more_body"):
                return body

    async def on_missing(self, scope: Any, receive: Any, send: Any) -> None:
        await self.answer(send, b"nothing here", status=404)

    async def on_plain(self, scope: Any, receive: Any, send: Any) -> None:
        headers = [*TEXT, (b"content-length", b"5"), (b"allow", scope["method"].encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"plain"})

    async def on_no_headers(self, scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body"})

    async def on_request(self, scope: Any, receive: Any, send: Any) -> None:
        """Show the scope, except for the tenant and what differs between connections."""
        shown = {name: value for name, value in scope.items() if "tenantshield" not in name}
        shown["headers"] = [*map(tuple, shown["headers"])]
        shown |= {"client": shown["client"][0], "server": shown["server"][0]}
        lines = [f"{name}: {shown[name]!r}\n".encode() for name in sorted(shown)]
        await self.answer(send, *lines)

    async def on_echo(self, scope: Any, receive: Any, send: Any) -> None:
        await self.answer(send, digest(await self.read(receive)))

    on_form = on_upload = on_echo

    async def on_unread(self, scope: Any, receive: Any, send: Any) -> None:
        headers = [*TEXT, (b"content-length", b"8")]
        await send({"type": "http.response.start", "status": 417, "headers": headers})
        await send({"type": "http.response.body", "body": b"not read"})

    async def on_stream(self, scope: Any, receive: Any, send: Any) -> None:
        await self.answer(send, b"one", b"two", b"", b"three" * 20_000)

    async def on_events(self, scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-store")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for number in range(3):
            body = b"data: %d\n\n" % number
            await send({"type": "http.response.body", "body": body, "more_body": True})
            await self.meeting.released.acquire()
        await send({"type": "http.response.body"})

    async def on_cookies(self, scope: Any, receive: Any, send: Any) -> None:
        names = [b"set-cookie", b"x-same", b"Set-Cookie", b"x-empty", b"x-same", b"X-Case"]
        values = [b"a=1; Path=/", b"1", b"b=2; HttpOnly", b"", b"1", b"\xe9"]
        await self.answer(send, b"ok", headers=[*zip(names, values, strict=True)])

    async def on_no_content(self, scope: Any, receive: Any, send: Any) -> None:
        await self.answer(send, status=204, headers=[(b"x-one", b"1")])

    async def on_not_modified(self, scope: Any, receive: Any, send: Any) -> None:
        await self.answer(send, status=304, headers=[(b"etag", b'"1"')])

    async def on_redirect(self, scope: Any, receive: Any, send: Any) -> None:
        host = dict(scope["headers"])[b"host"]
        await self.answer(send, status=307, headers=[(b"location", b"http://" + host + b"/plain")])

    async def on_vary(self, scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"vary", b"Accept-Encoding,Cookie"), *TEXT, (b"VARY", b"Origin")]
        await self.answer(send, b"ok", headers=headers)

    async def on_vary_any(self, scope: Any, receive: Any, send: Any) -> None:
        await self.answer(send, b"ok", headers=((b"vary", b"*"), *TEXT))

    async def on_crash(self, scope: Any, receive: Any, send: Any) -> None:
        raise LookupError("before the response")

    async def on_crash_late(self, scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": TEXT})
        await send({"type": "http.response.body", "body": b"begun", "more_body": True})
        raise LookupError("in the response")

    async def on_listen(self, scope: Any, receive: Any, send: Any) -> None:
        self.meeting.entered.release()
        seen = b""
        while (message := await receive())["type"] == "http.request":
            seen += message.get("body", b"")
        await self.meeting.noted.put(f"{seen!r}, then {message!r}")

    async def on_endless(self, scope: Any, receive: Any, send: Any) -> None:
        assert not await self.read(receive)
        await send({"type": "http.response.start", "status": 200, "headers": TEXT})
        await send({"type": "http.response.body", "body": b"begun", "more_body": True})
        await self.meeting.noted.put(repr(await receive()))

    async def on_background(self, scope: Any, receive: Any, send: Any) -> None:
        await self.answer(send, b"ok")
        await self.meeting.noted.put("done after the response")

    async def on_state(self, scope: Any, receive: Any, send: Any) -> None:
        await self.answer(send, repr(scope.get("state")).encode())

    async def on_pathsend(self, scope: Any, receive: Any, send: Any) -> None:
        assert "http.response.pathsend" in scope["extensions"]
        await send({"type": "http.response.start", "status": 200, "headers": TEXT})
        await send({"type": "http.response.pathsend", "path": str(FILE)})

    async def on_trailers(self, scope: Any, receive: Any, send: Any) -> None:
        assert "http.response.trailers" in scope["extensions"]
        start = {"type": "http.response.start", "status": 200, "headers": TEXT, "trailers": True}
        await send(start)
        await send({"type": "http.response.body", "body": b"body"})
        trailers = [(b"x-sum", b"1"), (b"x-vary", b"no")]
        await send({"type": "http.response.trailers", "headers": trailers})

    async def on_hint(self, scope: Any, receive: Any, send: Any) -> None:
        assert "http.response.early_hint" in scope["extensions"]
        await send({"type": "http.response.early_hint", "links": [b"</style.css>; rel=preload"]})
        await self.answer(send, b"hinted")

    async def on_push(self, scope: Any, receive: Any, send: Any) -> None:
        assert "http.response.push" in scope["extensions"]
        headers = [(b"x-tenant-id", b"acme")]
        await send({"type": "http.response.push", "path": "/plain", "headers": headers})
        await self.answer(send, b"pushed")

    async def on_release(self, scope: Any, receive: Any, send: Any) -> None:
        self.meeting.released.release()
        await self.answer(send)

    async def on_entered(self, scope: Any, receive: Any, send: Any) -> None:
        await self.meeting.entered.acquire()
        await self.answer(send)

    async def on_noted(self, scope: Any, receive: Any, send: Any) -> None:
        await self.answer(send, (await self.meeting.noted.get()).encode())

    async def ws_echo(self, scope: Any, receive: Any, send: Any) -> None:
        assert (await receive())["type"] == "websocket.connect"
        protocol = scope["subprotocols"][-1] if scope["subprotocols"] else None
        headers = [(b"x-one", b"1"), (b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")]
        await send({"type": "websocket.accept", "subprotocol": protocol, "headers": headers})
        while (message := await receive())["type"] == "websocket.receive":
            await send({**message, "type": "websocket.send"})
        await self.meeting.noted.put(repr(sorted(message.items())))

    async def ws_closing(self, scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept", "subprotocol": "wamp"})
        await send({"type": "websocket.send", "text": "goodbye"})
        await send({"type": "websocket.close", "code": 4002, "reason": "done"})

    async def ws_rejecting(self, scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.close", "code": 4003, "reason": "no"})

    async def ws_denying(self, scope: Any, receive: Any, send: Any) -> None:
        await receive()
        assert "websocket.http.response" in scope["extensions"]
        headers = [*TEXT, (b"vary", b"Cookie"), (b"content-length", b"6")]
        start = {"type": "websocket.http.response.start", "status": 451, "headers": headers}
        await send(start)
        for body, more in ((b"den", True), (b"ied", False)):
            await send({"type": "websocket.http.response.body", "body": body, "more_body": more})

    async def ws_failing(self, scope: Any, receive: Any, send: Any) -> None:
        await receive()
        raise LookupError("before the accept")

    async def ws_failing_late(self, scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await asyncio.sleep(0)
        raise LookupError("after the accept")
