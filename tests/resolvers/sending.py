"""One request, sent through both middlewares."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from urllib.parse import unquote_to_bytes

import pytest

from tenantshield_mw import (
    PRINCIPAL_KEY,
    SESSION_KEY,
    TenantId,
    TenantSessionMiddleware,
    TenantSessionMiddlewareWSGI,
    try_current_tenant,
)

from ..core.calling import Response, as_environ, call_asgi, call_wsgi, http_scope

__all__ = [
    "PROXY",
    "Cases",
    "Outcome",
    "Sent",
    "assert_outcome",
    "at",
    "bearer",
    "each_case",
    "fields",
    "host",
    "malformed",
    "missing",
    "outcome",
    "proxied",
    "ran",
    "refused",
    "with_",
]

PROXY = "10.0.0.1"


@dataclass(frozen=True)
class Sent:
    """A request as the client, the server and the framework create it."""

    target: bytes = b"/"
    headers: tuple[tuple[bytes, bytes], ...] = ()
    client: str = "203.0.113.7"
    root: str = ""
    session: Any = field(default_factory=dict)
    user: Any = None
    subject: str | None = None
    certificate_fails: bool = False

    def scope(self) -> dict[str, Any]:
        raw_path, _, query = self.target.partition(b"?")
        path = self.root + unquote_to_bytes(raw_path).decode("utf-8", "replace")
        error = "expired" if self.certificate_fails else None
        return http_scope(
            path,
            headers=self.headers,
            raw_path=self.root.encode() + raw_path,
            root_path=self.root,
            query_string=query,
            client=(self.client, 50000),
            session=self.session,
            user=self.user,
            extensions={
                "tls": {"client_cert_name": self.subject, "client_cert_error": error},
            },
        )

    def environ(self) -> dict[str, Any]:
        raw_path, _, query = self.target.partition(b"?")
        cookies = [value for name, value in self.headers if name.lower() == b"cookie"]
        others = [entry for entry in self.headers if entry[0].lower() != b"cookie"]
        if cookies:
            # RFC 9113 section 8.2.3: joined like this before anything other than HTTP/2 gets them.
            others.append((b"cookie", b"; ".join(cookies)))
        environ = as_environ(
            headers=others,
            PATH_INFO=unquote_to_bytes(raw_path).decode("latin-1"),
            SCRIPT_NAME=self.root,
            QUERY_STRING=query.decode("latin-1"),
            REMOTE_ADDR=self.client,
        )
        environ[SESSION_KEY] = self.session
        environ[PRINCIPAL_KEY] = self.user
        if self.subject is not None:
            environ["SSL_CLIENT_S_DN"] = self.subject
            environ["SSL_CLIENT_VERIFY"] = "SUCCESS"
        if self.certificate_fails:
            environ["SSL_CLIENT_VERIFY"] = "FAILED:expired"
        return environ


def at(target: str) -> Sent:
    return Sent(target.encode())


def with_(**fields: str) -> Sent:
    """Return a request with these header fields; ``_`` in a name stands for ``-``."""
    return Sent(
        headers=tuple(
            (name.replace("_", "-").encode(), value.encode()) for name, value in fields.items()
        )
    )


def fields(*each: tuple[str, str], **more: Any) -> Sent:
    return Sent(headers=tuple((name.encode(), value.encode()) for name, value in each), **more)


def host(name: str) -> Sent:
    return fields(("host", name))


def proxied(*each: tuple[str, str], client: str = PROXY) -> Sent:
    return fields(("host", "inner.example.com"), *each, client=client)


def bearer(value: bytes) -> Sent:
    return Sent(headers=((b"authorization", b"Bearer " + value),))


@dataclass(frozen=True)
class Outcome:
    """The outcome of a request: the tenant and the path that it ran with, or its refusal."""

    tenant: TenantId | None
    status: int = 200
    code: str = ""
    mounted_at: str = ""
    challenge: str | None = None
    vary: str | None = None


def ran(tenant: TenantId | None, mounted_at: str = "") -> Outcome:
    return Outcome(tenant, mounted_at=mounted_at)


def refused(status: int, code: str, challenge: str | None = None) -> Outcome:
    return Outcome(None, status, code, challenge=challenge)


missing = refused(400, "tenant_missing")
malformed = refused(400, "tenant_malformed")


def _told(response: Response, seen: list[tuple[Any, str]]) -> Outcome:
    vary = response.headers.get("vary")
    if response.status == 200:
        ((tenant, mounted_at),) = seen
        return Outcome(tenant, mounted_at=mounted_at, vary=vary)
    assert seen == []
    assert response.problem["status"] == response.status
    return Outcome(
        None,
        response.status,
        response.problem["code"],
        challenge=response.headers.get("www-authenticate"),
        vary=vary,
    )


def outcome(options: dict[str, Any], sent: Sent) -> Outcome:
    """Send one request through both middlewares, which must give the same outcome."""
    seen: list[tuple[Any, str]] = []

    def note(mounted_at: str) -> None:
        tenant = try_current_tenant()
        seen.append((None if tenant is None else tenant.tenant_id, mounted_at))

    async def asgi(scope: Any, receive: Any, send: Any) -> None:
        assert scope["path"] == before["path"]
        assert scope["raw_path"] == before["raw_path"]
        assert scope["path"].startswith(scope["root_path"])
        note(scope["root_path"].removeprefix(sent.root))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})

    def wsgi(environ: Any, start_response: Any) -> list[bytes]:
        whole = sent.environ()
        assert environ["SCRIPT_NAME"] + environ["PATH_INFO"] == (
            whole["SCRIPT_NAME"] + whole["PATH_INFO"]
        )
        note(environ["SCRIPT_NAME"].removeprefix(sent.root))
        start_response("200 OK", [])
        return [b"ok"]

    before = sent.scope()
    over_asgi = _told(
        asyncio.run(call_asgi(TenantSessionMiddleware(asgi, **options), sent.scope())), seen
    )
    seen.clear()
    over_wsgi = _told(call_wsgi(TenantSessionMiddlewareWSGI(wsgi, **options), sent.environ()), seen)
    assert over_asgi == over_wsgi
    return over_asgi


Cases: TypeAlias = dict[str, tuple[Any, list[tuple[Sent, Outcome]]]]
"""Resolvers by name, each with requests and their outcomes."""


def each_case(cases: Cases) -> pytest.MarkDecorator:
    """Give a test each request of ``cases`` as ``resolver``, ``sent`` and ``expected``."""
    return pytest.mark.parametrize(
        ("resolver", "sent", "expected"),
        [
            pytest.param(resolver, sent, expected, id=f"{name}-{number}")
            for name, (resolver, requests) in cases.items()
            for number, (sent, expected) in enumerate(requests)
        ],
    )


def assert_outcome(resolver: Any, sent: Sent, expected: Outcome) -> None:
    """Check the outcome of one request through both middlewares, and what it varies on."""
    told = outcome({"resolve_tenant": resolver}, sent)
    assert told.vary == (", ".join(resolver.varies_on) or None)
    assert (told.tenant, told.status, told.code, told.mounted_at, told.challenge) == (
        expected.tenant,
        expected.status,
        expected.code,
        expected.mounted_at,
        expected.challenge,
    )
