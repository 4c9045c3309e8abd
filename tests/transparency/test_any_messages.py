"""Whatever an application does, the server gets the same messages, except for ``Vary``."""

from __future__ import annotations

import asyncio
import copy
import sys
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenantshield_mw import TenantSessionMiddleware, TenantSessionMiddlewareWSGI, resolvers
from tests.core.calling import as_environ, http_scope, websocket_scope

ACME = [(b"x-tenant-id", b"acme")]
RESOLVER = resolvers.header("X-Tenant-ID")

NAMES = st.sampled_from(
    ["vary", "Vary", "VARY", "very", "set-cookie", "x-a", "", "content-type", "vary-by"]
)
VALUES = st.sampled_from(["", "Cookie", "Cookie, Origin", "*", " x ", "X-Tenant-ID", "é"])
FIELDS = st.lists(st.tuples(NAMES, VALUES), max_size=6)


def in_bytes(fields: list[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode("latin-1")) for name, value in fields]


HEADERS = FIELDS.map(in_bytes)
EXTRA = st.dictionaries(
    st.sampled_from(["trailers", "path", "links", "more_body", "x"]),
    st.one_of(st.booleans(), st.binary(max_size=4), st.lists(st.binary(max_size=3))),
)
STARTS = st.builds(
    lambda status, headers, extra: {
        **extra,
        "type": "http.response.start",
        "status": status,
        **({} if headers is None else {"headers": headers}),
    },
    st.integers(100, 599),
    st.one_of(st.none(), HEADERS, HEADERS.map(tuple)),
    EXTRA,
)
OTHERS = st.builds(
    lambda kind, headers, extra: {**extra, "type": kind, "headers": headers},
    st.sampled_from(
        [
            "http.response.body",
            "http.response.trailers",
            "http.response.pathsend",
            "http.response.zerocopysend",
            "http.response.push",
            "http.response.early_hint",
            "http.response.debug",
            "websocket.accept",
            "websocket.send",
            "websocket.close",
            "websocket.http.response.start",
            "websocket.http.response.body",
            "",
            "of the future",
        ]
    ),
    HEADERS,
    EXTRA,
)


def others(fields: Iterable[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    return [field for field in fields if field[0].lower() not in (b"vary", "vary")]


def varied(fields: Iterable[tuple[Any, Any]]) -> list[str]:
    """Return the members of ``Vary``, like a cache."""
    values = [
        value.decode("latin-1") if isinstance(value, bytes) else value
        for name, value in fields
        if name.lower() in (b"vary", "vary")
    ]
    members = [member.strip() for value in values for member in value.split(",")]
    return [member for member in members if member]


def check_vary(before: Iterable[tuple[Any, Any]], after: list[tuple[Any, Any]]) -> None:
    assert others(after) == others(before)
    assert len(after) == len(others(after)) + 1
    members = varied(before)
    if "*" in members:
        assert varied(after) == ["*"]
    elif "x-tenant-id" in map(str.lower, members):
        assert varied(after) == members
    else:
        assert varied(after) == [*members, "X-Tenant-ID"]


@given(
    messages=st.lists(st.one_of(STARTS, OTHERS), max_size=8),
    kind=st.sampled_from(["http", "websocket"]),
    fails_at=st.one_of(st.none(), st.integers(0, 8)),
)
def test_an_asgi_server_gets_the_very_messages(
    messages: list[dict[str, Any]], kind: str, fails_at: int | None
) -> None:
    before = copy.deepcopy(messages)
    answers: list[object] = []
    sent: list[dict[str, Any]] = []
    received = [{"type": "of the server", "n": n} for n in range(3)]
    incoming = iter(received)
    got: list[Any] = []

    async def receive() -> Any:
        return next(incoming)

    async def send(message: dict[str, Any]) -> Any:
        if len(sent) == fails_at:
            raise OSError("the client is gone")
        sent.append(message)
        return message

    async def app(scope: Any, receive: Any, send: Any) -> None:
        got.extend([await receive() for _ in received])
        for message in messages:
            answers.append(await send(message))  # noqa: PERF401 what came before an error counts
        raise LookupError("at the end")

    scope = http_scope if kind == "http" else websocket_scope
    middleware = TenantSessionMiddleware(app, resolve_tenant=RESOLVER)
    gone = fails_at is not None and fails_at < len(messages)
    with pytest.raises(OSError if gone else LookupError):
        asyncio.run(middleware(scope("/", headers=ACME), receive, send))

    assert len(sent) == (fails_at if gone else len(messages))
    assert all(one is other for one, other in zip(got, received, strict=True))
    assert all(one is other for one, other in zip(answers, sent, strict=True))
    assert messages == before
    for message, ours in zip(messages, sent, strict=False):
        if kind == "http" and message["type"] == "http.response.start":
            rest = {name: value for name, value in message.items() if name != "headers"}
            assert {name: value for name, value in ours.items() if name != "headers"} == rest
            check_vary(message.get("headers", ()), ours["headers"])
        else:
            assert ours is message


class Recorded:
    """A body that records its iteration and its end."""

    def __init__(self, done: list[Any], chunks: list[bytes], fails: bool) -> None:
        self.done, self.chunks, self.fails = done, chunks, fails

    def __iter__(self) -> Iterator[bytes]:
        self.done.append("iter")
        yield from self.chunks
        if self.fails:
            raise LookupError("in the body")

    def close(self) -> None:
        self.done.append("closed")
        if self.fails:
            raise LookupError("in the end")


def driven(app: Any, stops_after: int) -> list[Any]:
    """Call ``app`` like a server, and return everything that it observed."""
    done: list[Any] = []

    def start_response(status: str, headers: list[tuple[str, str]], *exc_info: Any) -> Any:
        done.append(("start", status, list(headers), [kind for kind, *_ in exc_info]))
        return lambda data: done.append(("write", data))

    try:
        body = app(done)(as_environ(headers=ACME), start_response)
    except LookupError as error:
        return [*done, repr(error)]
    try:
        for number, chunk in enumerate(body):
            done.append(("chunk", chunk))
            if number == stops_after:
                break
    except LookupError as error:
        done.append(repr(error))
    finally:
        close = getattr(body, "close", None)
        if close is not None:
            try:
                close()
            except LookupError as error:
                done.append(repr(error))
    return done


@given(
    status=st.sampled_from(["200 OK", "204 No Content", "599 Very  Odd"]),
    fields=FIELDS,
    second=st.one_of(st.none(), FIELDS),
    written=st.lists(st.binary(max_size=4), max_size=3),
    chunks=st.lists(st.binary(max_size=4), max_size=4),
    kind=st.sampled_from(["list", "tuple", "generator", "iterable", "file", "raise"]),
    fails=st.booleans(),
    stops_after=st.integers(0, 5),
)
def test_a_wsgi_server_notices_the_same(  # noqa: C901
    status: str,
    fields: list[tuple[str, str]],
    second: list[tuple[str, str]] | None,
    written: list[bytes],
    chunks: list[bytes],
    kind: str,
    fails: bool,
    stops_after: int,
) -> None:
    def bare(done: list[Any]) -> Any:
        def app(environ: Any, start_response: Any) -> Any:
            given = [*fields]
            write = start_response(status, given)
            assert given == fields
            for data in written:
                write(data)
            if second is not None:
                try:
                    raise LookupError
                except LookupError:
                    start_response("500 Oh", [*second], sys.exc_info())
            match kind:
                case "raise":
                    raise LookupError("in the call")
                case "list":
                    return chunks
                case "tuple":
                    return tuple(chunks)
                case "generator":
                    return (chunk for chunk in chunks)
                case "file":
                    return environ.get("wsgi.file_wrapper", list)(chunks)
                case _:
                    return Recorded(done, chunks, fails)

        return app

    def wrapped(done: list[Any]) -> Any:
        return TenantSessionMiddlewareWSGI(bare(done), resolve_tenant=RESOLVER)

    expected, noticed = driven(bare, stops_after), driven(wrapped, stops_after)
    assert len(expected) == len(noticed)
    for before, after in zip(expected, noticed, strict=True):
        if before[0] == "start":
            assert (after[:2], after[3]) == (before[:2], before[3])
            check_vary(before[2], after[2])
        else:
            assert after == before
