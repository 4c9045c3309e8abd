"""Features that a server offers only over HTTP/2: early hints, trailers, pushes (hypercorn)."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import h2.config
import h2.connection
import h2.events
import pytest

from .servers import Servers
from .subjects import make
from .wire import PATIENCE, Address

NOTICED = (
    h2.events.InformationalResponseReceived,
    h2.events.ResponseReceived,
    h2.events.PushedStreamReceived,
    h2.events.DataReceived,
    h2.events.TrailersReceived,
    h2.events.StreamEnded,
    h2.events.StreamReset,
)


@pytest.fixture(scope="module")
def addresses() -> Iterator[dict[str, Address]]:
    servers = Servers()
    try:
        yield {how: servers.hypercorn(make("raw_asgi", how)) for how in ("bare", "wrapped")}
    finally:
        servers.close()


def shown(event: Any) -> tuple[Any, ...]:
    headers = [
        (name, b"-" if name == b"date" else value)
        for name, value in getattr(event, "headers", None) or ()
    ]
    return type(event).__name__, event_stream(event), headers, getattr(event, "data", b"")


def event_stream(event: Any) -> int:
    stream: int = getattr(event, "pushed_stream_id", None) or event.stream_id
    return stream


def events(address: Address, path: str, streams: int) -> list[tuple[Any, ...]]:
    """Return the events of one request until so many streams have ended, stream by stream."""
    connection = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding=None))
    connection.initiate_connection()
    fields = [(":method", "GET"), (":path", path), (":scheme", "http")]
    fields += [(":authority", "shop.example"), ("x-tenant-id", "acme"), ("te", "trailers")]
    connection.send_headers(1, fields, end_stream=True)
    seen: list[Any] = []
    with socket.create_connection(address, timeout=PATIENCE) as client:
        while sum(isinstance(event, h2.events.StreamEnded) for event in seen) < streams:
            client.sendall(connection.data_to_send())
            data = client.recv(65536)
            assert data, seen
            for event in connection.receive_data(data):
                if isinstance(event, h2.events.DataReceived):
                    length = event.flow_controlled_length
                    connection.acknowledge_received_data(length, event.stream_id)
                if isinstance(event, NOTICED):
                    seen.append(event)
    # Streams go on beside each other, in whatever order, and how large their frames are
    # depends on when the client makes room.
    shape: list[tuple[Any, ...]] = []
    for each in map(shown, sorted(seen, key=event_stream)):
        if shape and each[0] == "DataReceived" and shape[-1][:2] == each[:2]:
            shape[-1] = (*each[:3], shape[-1][3] + each[3])
        else:
            shape.append(each)
    return shape


def is_vary(field: tuple[bytes, bytes]) -> bool:
    return field[0] == b"vary"


@pytest.mark.parametrize(
    ("path", "streams", "kind"),
    [
        ("/plain", 1, "ResponseReceived"),
        ("/stream", 1, "DataReceived"),
        ("/hint", 1, "InformationalResponseReceived"),
        ("/trailers", 1, "TrailersReceived"),
        ("/push", 2, "PushedStreamReceived"),
    ],
)
def test_the_frames_are_the_same_but_for_vary(
    path: str, streams: int, kind: str, addresses: dict[str, Address]
) -> None:
    bare = events(addresses["bare"], path, streams)
    ours = events(addresses["wrapped"], path, streams)
    assert kind in [name for name, *_ in bare]
    plain = [
        (name, stream, [field for field in headers if not is_vary(field)], data)
        for name, stream, headers, data in ours
    ]
    assert plain == bare
    for name, _, headers, _ in ours:
        vary = [value for _, value in filter(is_vary, headers)]
        assert vary == ([b"X-Tenant-ID"] if name == "ResponseReceived" else [])
