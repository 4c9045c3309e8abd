"""Keys from a server: while it does not provide any, the tenant is unavailable."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import jwt
import pytest
from jwt import algorithms

from tenantshield_mw import (
    TenantContext,
    TenantUnauthenticatedError,
    TenantUnavailableError,
    resolvers,
)

from ..core.calling import http_scope
from .sending import Sent, outcome, refused
from .tokens import RSA_KEY, token

KEY: Any = algorithms.RSAAlgorithm.to_jwk(RSA_KEY.public_key(), as_dict=True)
KEYS = json.dumps({"keys": [{**KEY, "use": "sig", "kid": "rsa"}]}).encode()
TOKEN = token(RSA_KEY, "RS256", kid="rsa")


class KeyServer(HTTPServer):
    """Answers every request with ``body``; without one, it closes the connection."""

    status = 200
    body: bytes | None = KEYS
    asked = 0


class Answering(BaseHTTPRequestHandler):
    server: KeyServer  # pyright: ignore[reportIncompatibleVariableOverride]

    def do_GET(self) -> None:
        self.server.asked += 1
        if self.server.body is not None:
            self.send_response(self.server.status)
            self.end_headers()
            self.wfile.write(self.server.body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture(autouse=True)
def _directly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")


@pytest.fixture
def server() -> Iterator[KeyServer]:
    with KeyServer(("127.0.0.1", 0), Answering) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def asking(server: KeyServer) -> Any:
    client = jwt.PyJWKClient(f"http://127.0.0.1:{server.server_port}/keys")
    return resolvers.jwt_claim("tenant", jwks=client, algorithms=["RS256"])


def bearer(value: bytes) -> Any:
    return http_scope(headers=[(b"authorization", b"Bearer " + value)])


def test_the_keys_are_fetched(server: KeyServer) -> None:
    assert asking(server)(bearer(TOKEN)) == TenantContext("acme")


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, KEYS),
        (404, b""),
        (200, b""),
        (200, b"<html>Down for maintenance</html>"),
        (200, b"\xff"),
        (200, b'{"keys": []}'),
        (200, None),
    ],
)
def test_without_keys_the_tenant_is_unavailable(
    server: KeyServer, status: int, body: bytes | None
) -> None:
    server.status, server.body = status, body
    with pytest.raises(TenantUnavailableError, match="keys") as caught:
        asking(server)(bearer(TOKEN))
    assert isinstance(caught.value.__cause__, Exception)
    sent = Sent(headers=((b"authorization", b"Bearer " + TOKEN),))
    told = outcome({"resolve_tenant": asking(server), "vary": ()}, sent)
    assert told == refused(503, "tenant_unavailable")


def test_without_a_server_the_tenant_is_unavailable() -> None:
    with KeyServer(("127.0.0.1", 0), Answering) as server:
        pass
    with pytest.raises(TenantUnavailableError):
        asking(server)(bearer(TOKEN))


def test_unavailability_is_not_remembered(server: KeyServer) -> None:
    resolver = resolvers.cached(asking(server), key="Authorization", ttl=60)
    server.status = 500
    for _ in range(2):
        with pytest.raises(TenantUnavailableError):
            resolver(bearer(TOKEN))
    server.status = 200
    assert resolver(bearer(TOKEN)) == TenantContext("acme")


def test_a_key_that_the_server_does_not_have_makes_a_token_invalid(server: KeyServer) -> None:
    with pytest.raises(TenantUnauthenticatedError):
        asking(server)(bearer(token(RSA_KEY, "RS256", kid="other")))


def test_the_server_is_not_called_for_a_malformed_token(server: KeyServer) -> None:
    with pytest.raises(TenantUnauthenticatedError):
        asking(server)(bearer(b"no.to.ken"))
    assert server.asked == 0
