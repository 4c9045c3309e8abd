"""Send raw bytes to a server and read the response, and compare two responses to the same bytes."""

from __future__ import annotations

import contextlib
import re
import socket
from dataclasses import dataclass

__all__ = ["Address", "Answer", "Wire", "answers", "ask", "frame", "request", "without_vary"]

Address = tuple[str, int]

# A silent server must fail the test instead of blocking it.
PATIENCE = 5.0

_BOUNDARY = re.compile(rb"boundary=([0-9A-Za-z]+)")


def request(
    path: str,
    *fields: str,
    method: str = "GET",
    body: bytes = b"",
    version: str = "1.1",
    last: bool = True,
) -> bytes:
    """Return a request of the tenant, with ``Content-Length`` if it has a body."""
    lines = [f"{method} {path} HTTP/{version}", "Host: shop.example", "X-Tenant-ID: acme"]
    lines += [*fields]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    if last and version == "1.1":
        lines.append("Connection: close")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def frame(opcode: int, payload: bytes) -> bytes:
    """Return a websocket frame of a client (RFC 6455 section 5.2), under the mask zero."""
    assert len(payload) < 126
    return bytes([0x80 | opcode, 0x80 | len(payload), 0, 0, 0, 0]) + payload


class Wire:
    """One connection, and all that was read from it."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.read = b""
        self._waited = 0
        self._socket = socket.create_connection(address, timeout=PATIENCE)

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def until(self, marker: bytes) -> None:
        """Read until ``marker`` is received, after the previous call's position."""
        while (found := self.read.find(marker, self._waited)) < 0:
            data = self._socket.recv(65536)
            assert data, f"the server ended before {marker!r}: {self.read!r}"
            self.read += data
        self._waited = found + len(marker)

    def to_the_end(self) -> None:
        try:
            while data := self._socket.recv(65536):
                self.read += data
        except ConnectionResetError:
            # The server closed the connection before it read all of the request.
            pass

    def end(self) -> None:
        """Shut down the sending side."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    def leave(self) -> None:
        """Close early. What has been received by then is not part of the response."""
        self.read = self.read[: self._waited]
        self.close()

    def close(self) -> None:
        self._socket.close()

    def ask(self, path: str) -> bytes:
        """Return the body of ``path``, through a separate connection."""
        return ask(self.address, path)


def ask(address: Address, path: str) -> bytes:
    wire = Wire(address)
    wire.send(request(path, version="1.0"))
    wire.to_the_end()
    wire.close()
    head, _, body = wire.read.partition(b"\r\n\r\n")
    assert b" 200 " in head.split(b"\r\n")[0], wire.read
    return body


@dataclass
class Answer:
    """A response as received: the fields, one per line, and the body with its chunks."""

    status: bytes
    fields: list[bytes]
    body: bytes

    @property
    def vary(self) -> list[bytes]:
        """The values of its ``Vary`` fields."""
        return [line.split(b":", 1)[1].strip() for line in self.fields if _names(line, b"vary")]


def _names(line: bytes, name: bytes) -> bool:
    return line.split(b":", 1)[0].lower() == name


def _value(fields: list[bytes], name: bytes) -> bytes:
    return b",".join(line.split(b":", 1)[1].strip() for line in fields if _names(line, name))


def answers(data: bytes, methods: list[bytes]) -> list[Answer]:
    """Cut what was read into responses (RFC 9112 section 6.3), one or more a method.

    ``Date`` and the boundary of several ranges, which differ from one response to the
    next, become a dash. What has no end yet is the last one's body.
    """
    found: list[Answer] = []
    waiting = [*methods]
    while data:
        if not data.startswith(b"HTTP/"):
            # HTTP/0.9, or a body where none may be.
            found = found or [Answer(b"", [], b"")]
            found[-1].body += data
            break
        head, end, rest = data.partition(b"\r\n\r\n")
        assert end, f"no head: {data!r}"
        status, *lines = head.split(b"\r\n")
        fields = [b"date: -" if _names(line, b"date") else line for line in lines]
        code = int(status.split(b" ")[1])
        method = b"" if code < 200 and code != 101 else waiting.pop(0) if waiting else b"GET"
        length = _length(code, method, fields, rest)
        body, data = rest[:length], rest[length:]
        boundary = _BOUNDARY.search(_value(fields, b"content-type"))
        if boundary:
            fields = [line.replace(boundary[1], b"-") for line in fields]
            body = body.replace(boundary[1], b"-")
        found.append(Answer(status, fields, body))
    return found


def _length(code: int, method: bytes, fields: list[bytes], rest: bytes) -> int:
    if code == 101:
        return len(rest)
    if method == b"HEAD" or code < 200 or code in (204, 304):
        return 0
    if b"chunked" in _value(fields, b"transfer-encoding").lower():
        end = re.search(rb"(?:\A|\r\n)0\r\n(?:[^\r\n]+\r\n)*\r\n", rest)
        return end.end() if end else len(rest)
    length = _value(fields, b"content-length")
    return int(length) if length else len(rest)


def without_vary(answer: Answer) -> Answer:
    fields = [line for line in answer.fields if not _names(line, b"vary")]
    return Answer(answer.status, fields, answer.body)
