"""The forms of a request, each as the client's side of the conversation.

Where the order of two things matters, the client waits for the one before it says the
other. What an application saw, and no response tells, is asked for under ``/noted``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .wire import Wire, frame, request

__all__ = ["FORMS", "HTTP", "WEBSOCKET", "Form"]


@dataclass(frozen=True)
class Form:
    """One form: what the client does, and the methods that it asks with.

    ``by_the_server`` says that the response is the server's own, so that the middleware
    has no part in it.
    """

    talk: Callable[[Wire], bytes | None]
    methods: tuple[bytes, ...] = (b"GET",)
    by_the_server: bool = False


def once(path: str, *fields: str, method: str = "GET", body: bytes = b"", **how: bool) -> Form:
    """Return a form with one request."""

    def talk(wire: Wire) -> None:
        wire.send(request(path, *fields, method=method, body=body))
        wire.to_the_end()

    return Form(talk, (method.encode(),), **how)


BOUNDARY = "----------------------------735323031399963166993862"
_PARTS = (
    f"--{BOUNDARY}\r\n"
    'Content-Disposition: form-data; name="title"\r\n\r\nSummer\r\n'
    f"--{BOUNDARY}\r\n"
    'Content-Disposition: form-data; name="file"; filename="big.bin"\r\n'
    "Content-Type: application/octet-stream\r\n\r\n"
).encode() + b"".join(n.to_bytes(4, "big") for n in range(150_000))
UPLOAD = _PARTS + f"\r\n--{BOUNDARY}--\r\n".encode()


def chunked_request(wire: Wire) -> None:
    wire.send(request("/echo", "Transfer-Encoding: chunked", method="POST"))
    for chunk in (b"5\r\nfirst\r\n", b"6\r\nsecond\r\n", b"0\r\n\r\n"):
        wire.send(chunk)
    wire.to_the_end()


def expect(wire: Wire) -> None:
    wire.send(request("/echo", "Expect: 100-continue", "Content-Length: 4", method="POST"))
    wire.until(b"HTTP/1.1 100 ")
    wire.until(b"\r\n\r\n")
    wire.send(b"body")
    wire.to_the_end()


def expect_in_vain(wire: Wire) -> None:
    wire.send(request("/unread", "Expect: 100-continue", "Content-Length: 4", method="POST"))
    wire.until(b"not read")
    wire.leave()


def events(wire: Wire) -> None:
    wire.send(request("/events"))
    for number in range(3):
        # The app goes on to the next only when the client has read this one.
        wire.until(b"data: %d" % number)
        wire.ask("/release")
    wire.to_the_end()


def pipelined(wire: Wire) -> None:
    wire.send(request("/plain", last=False) + request("/stream", last=False) + request("/vary"))
    wire.to_the_end()


def kept_alive(wire: Wire) -> None:
    wire.send(request("/stream", last=False))
    wire.until(b"\r\n0\r\n\r\n")
    wire.send(request("/plain"))
    wire.to_the_end()


def old(path: str) -> Form:
    def talk(wire: Wire) -> None:
        wire.send(request(path, version="1.0"))
        wire.to_the_end()

    return Form(talk)


def gone_in_the_body(wire: Wire) -> bytes:
    wire.send(request("/listen", "Content-Length: 100", method="POST") + b"some of it")
    wire.ask("/entered")
    wire.close()
    return wire.ask("/noted")


def gone_in_the_response(wire: Wire) -> bytes:
    wire.send(request("/endless"))
    wire.until(b"begun")
    wire.leave()
    return wire.ask("/noted")


def after_the_response(wire: Wire) -> bytes:
    wire.send(request("/background"))
    wire.to_the_end()
    wire.close()
    return wire.ask("/noted")


def malformed(wire: Wire) -> None:
    wire.send(b"GET /plain HTTP/one\r\nHost: shop.example\r\nX-Tenant-ID: acme\r\n\r\n")
    wire.to_the_end()


HTTP = {
    "plain": once("/plain"),
    "query": once("/request?a=1&a=&b=%2F%20&%C3%A4"),
    "encoded path": once("/request/%C3%A4%2Fb"),
    "head": once("/plain", method="HEAD"),
    "head of a stream": once("/stream", method="HEAD"),
    "options": once("/plain", method="OPTIONS"),
    "options *": once("*", method="OPTIONS"),
    "wrong method": once("/plain", method="DELETE"),
    "missing": once("/missing"),
    "chunked request": Form(chunked_request, (b"POST",)),
    "form": once(
        "/form",
        "Content-Type: application/x-www-form-urlencoded",
        method="POST",
        body=b"name=Anna+M%C3%BCller&empty=&name=again",
    ),
    "upload": once(
        "/upload",
        f"Content-Type: multipart/form-data; boundary={BOUNDARY}",
        method="POST",
        body=UPLOAD,
    ),
    "expect": Form(expect, (b"POST",)),
    "expect in vain": Form(expect_in_vain, (b"POST",)),
    "stream": once("/stream"),
    "events": Form(events),
    "file": once("/file"),
    "head of a file": once("/file", method="HEAD"),
    "range": once("/file", "Range: bytes=100-299"),
    "range from the end": once("/file", "Range: bytes=-50"),
    "several ranges": once("/file", "Range: bytes=0-9, 100-119, 900-"),
    "range that is not there": once("/file", "Range: bytes=99999999-"),
    "file that is known": once("/file", "If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT"),
    "static": once("/static/argparse.py"),
    "range of a static": once("/static/argparse.py", "Range: bytes=100-299"),
    "static that is not there": once("/static/none.py"),
    "static above the folder": once("/static/../../argparse.py"),
    "fields": once(
        "/request", "X-Empty:", "X-Twice: a", "x-twice: b", "X-Space:  c ", "X-High: \xe9"
    ),
    "cookies": once("/cookies", "Cookie: a=1; b=2"),
    "no content": once("/no-content"),
    "not modified": once("/not-modified"),
    "redirect": once("/redirect"),
    "redirect to the slash": once("/folder"),
    "vary": once("/vary"),
    "vary *": once("/vary-any"),
    "session": once("/session"),
    "invalid": once("/invalid?number=x"),
    "refused by the app": once("/teapot"),
    "crash": once("/crash"),
    "crash in a stream": once("/crash-late"),
    "gone in the body": Form(gone_in_the_body, (b"POST",)),
    "gone in the response": Form(gone_in_the_response),
    "after the response": Form(after_the_response),
    "pipelined": Form(pipelined, (b"GET", b"GET", b"GET")),
    "kept alive": Form(kept_alive, (b"GET", b"GET")),
    "HTTP/1.0": old("/plain"),
    "stream over HTTP/1.0": old("/stream"),
    "state of the lifespan": once("/state"),
    "malformed": Form(malformed, by_the_server=True),
    "file by its path": once("/pathsend"),
    "no headers": once("/no-headers"),
    "mounted by asgiref": once("/asgiref/plain"),
    "stream mounted by asgiref": once("/asgiref/stream"),
    "upload mounted by asgiref": once("/asgiref/echo", method="POST", body=UPLOAD),
    "mounted by a2wsgi": once("/a2wsgi/write"),
    "stream mounted by a2wsgi": once("/a2wsgi/stream"),
    "upload mounted by a2wsgi": once("/a2wsgi/echo", method="POST", body=UPLOAD),
    # The kinds of responses of a WSGI application.
    "tuple": once("/tuple"),
    "empty list": once("/empty"),
    "iterable": once("/iterable"),
    "starts late": once("/late"),
    "empty chunks": once("/empty-chunks"),
    "write": once("/write"),
    "write and body": once("/write-and-body"),
    "exc_info": once("/exc-info"),
    "exc_info too late": once("/exc-info-late"),
    "lines of the request": once("/lines", method="POST", body=b"one\ntwo\nthree"),
}


def handshake(path: str, *protocols: str) -> bytes:
    """Return the opening handshake of RFC 6455 section 1.3, with the key from there."""
    fields = [
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
        *(f"Sec-WebSocket-Protocol: {protocol}" for protocol in protocols),
    ]
    return request(path, *fields, last=False)


def websocket(
    path: str,
    *frames: bytes,
    protocols: tuple[str, ...] = (),
    closing: bytes = b"",
    rejected: bool = False,
    noted: bool = False,
) -> Form:
    """Return a form that opens a websocket, sends a frame when it got the last answer, and
    answers a close that says ``closing``.
    """

    def talk(wire: Wire) -> bytes | None:
        wire.send(handshake(path, *protocols))
        if frames:
            wire.until(b"\r\n\r\n")
        for data in frames:
            wire.send(data)
            if data[0] & 0x0F != CLOSE:
                wire.until(data[6:])
        if rejected:
            wire.until(b"\r\n\r\n")
            wire.end()
        if closing:
            wire.until(closing)
            wire.send(frame(CLOSE, (1000).to_bytes(2, "big")))
        wire.to_the_end()
        wire.close()
        return wire.ask("/noted") if noted else None

    return Form(talk, by_the_server=True)


TEXT, BINARY, CLOSE, PING = 1, 2, 8, 9

WEBSOCKET = {
    "websocket": websocket(
        "/echo",
        frame(TEXT, "grün".encode()),
        frame(BINARY, b"\x00\xff"),
        frame(PING, b"still there"),
        frame(CLOSE, (4001).to_bytes(2, "big") + b"enough"),
        protocols=("soap, wamp", "mqtt"),
        noted=True,
    ),
    "websocket without a subprotocol": websocket("/echo", frame(CLOSE, b""), noted=True),
    "websocket that the app closes": websocket(
        "/closing", protocols=("soap", "wamp"), closing=b"done"
    ),
    "websocket that the app rejects": websocket("/rejecting", rejected=True),
    "websocket that the app denies": websocket("/denying", rejected=True),
    "websocket that fails": websocket("/failing", rejected=True),
    "websocket that fails when it is open": websocket("/failing-late"),
}

FORMS = HTTP | WEBSOCKET
