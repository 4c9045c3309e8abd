"""Hand-written equivalents of the resolvers, for a single application.

Each function reads the tenant from an ASGI scope or a WSGI environ. None of them checks for
malicious input: a second value, another spelling, an invalid host.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Awaitable, Callable, Iterable
from contextvars import copy_context
from typing import Any, Final, TypeAlias

import jwt
from itsdangerous import URLSafeTimedSerializer

from benchmarks.middleware import WSGI, IsolatedBody, tenant
from tenantshield_mw import PRINCIPAL_KEY, SESSION_KEY

__all__ = [
    "ASGI_READERS",
    "DOMAIN",
    "KEYS",
    "SECRET",
    "SIGNER",
    "WSGI_READERS",
    "ByHandASGI",
    "ByHandVaryASGI",
    "ByHandVaryWSGI",
    "ByHandWSGI",
    "Reader",
]

Reader: TypeAlias = Callable[[Any], str | None]

SECRET: Final = "a secret of more than thirty-two characters"
DOMAIN: Final = "example.com"
KEYS: Final = {hashlib.sha256(b"0b6b3a52").hexdigest(): "acme"}

SIGNER: Final = URLSafeTimedSerializer(SECRET, salt="tenantshield_mw.cookie.signed")
_DOMAINS: Final = {f"acme.{DOMAIN}": "acme"}
_REMEMBERED: Final[dict[Any, tuple[float, str]]] = {}


class ByHandASGI:
    """Binds the tenant that a function reads, like :class:`benchmarks.middleware.MinimalASGI`."""

    def __init__(self, app: Callable[[Any, Any, Any], Awaitable[None]], read: Reader) -> None:
        self.app = app
        self.read = read

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        token = tenant.set(self.read(scope))
        try:
            await self.app(scope, receive, send)
        finally:
            tenant.reset(token)


class ByHandVaryASGI(ByHandASGI):
    """The same, with the tenant's source in the ``Vary`` of each response."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def send_with_vary(message: Any) -> None:
            if message["type"] == "http.response.start":
                headers = [*message["headers"], (b"vary", b"X-Tenant-ID")]
                message = {**message, "headers": headers}
            await send(message)

        token = tenant.set(self.read(scope))
        try:
            await self.app(scope, receive, send_with_vary)
        finally:
            tenant.reset(token)


class ByHandWSGI:
    """Binds the tenant that a function reads, in a separate context for each request."""

    def __init__(self, app: WSGI, read: Reader) -> None:
        self.app = app
        self.read = read

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        context = copy_context()
        context.run(tenant.set, self.read(environ))
        body = context.run(self.app, environ, start_response)
        return body if type(body) is list else IsolatedBody(body, context.run)


class ByHandVaryWSGI(ByHandWSGI):
    """The same, with the tenant's source in the ``Vary`` of each response."""

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        def start_with_vary(status: str, headers: list[tuple[str, str]], *exc_info: Any) -> Any:
            return start_response(status, [*headers, ("Vary", "X-Tenant-ID")], *exc_info)

        context = copy_context()
        context.run(tenant.set, self.read(environ))
        body = context.run(self.app, environ, start_with_vary)
        return body if type(body) is list else IsolatedBody(body, context.run)


class Readers:
    """Reads tenants from requests of one interface.

    Args:
        field: takes a header's name in lower case, and returns a function that reads it.
        query: returns the query string.
        peer: returns the address of the connection's other end.
        subject: returns the subject of the client's certificate.
        session: the key of the session in the request.
        user: the key of the user in the request.
    """

    def __init__(
        self,
        *,
        field: Callable[[str], Reader],
        query: Callable[[Any], str],
        peer: Callable[[Any], str],
        subject: Callable[[Any], str],
        session: str,
        user: str,
    ) -> None:
        self.header, self.absent, self.key = map(field, ("x-tenant-id", "x-absent", "x-request-id"))
        self.host, self.forwarded_host = map(field, ("host", "x-forwarded-host"))
        self.cookies, self.authorization = map(field, ("cookie", "authorization"))
        self.query, self.peer, self.subject = query, peer, subject
        self.session_key, self.user_key = session, user

    def by_resolver(self) -> dict[str, Reader]:
        """Return the functions by the names of the resolvers in :mod:`benchmarks.resolvers`."""
        return {
            "header": self.header,
            "query": self.parameter,
            "cookie": self.cookie,
            "cookie, signed": self.signed,
            "session": self.session,
            "subdomain": self.subdomain,
            "subdomain, proxies": self.behind_proxies,
            "domain": self.domain,
            "principal": self.principal,
            "client_certificate": self.certificate,
            "api_key": self.api_key,
            "first_of query, header": self.parameter_or_header,
            "first_of two headers": lambda request: self.absent(request) or self.header(request),
            "agree query, host": lambda request: agreed(
                self.parameter(request), self.subdomain(request)
            ),
            "agree header, host": lambda request: agreed(
                self.header(request), self.subdomain(request)
            ),
            "cached": self.remembered,
            "jwt_claim": self.claim,
        }

    def parameter(self, request: Any, name: str = "tenant") -> str | None:
        for pair in self.query(request).split("&"):
            key, _, value = pair.partition("=")
            if key == name:
                return value
        return None

    def parameter_or_header(self, request: Any) -> str | None:
        return self.parameter(request, "absent") or self.header(request)

    def cookie(self, request: Any, name: str = "tenant") -> str | None:
        for pair in (self.cookies(request) or "").split("; "):
            key, _, value = pair.partition("=")
            if key == name:
                return value
        return None

    def signed(self, request: Any) -> str | None:
        value = self.cookie(request, "signed")
        return None if value is None else str(SIGNER.loads(value, max_age=3600))

    def session(self, request: Any) -> str | None:
        value: str | None = request[self.session_key].get("tenant")
        return value

    def subdomain(self, request: Any) -> str | None:
        return below(self.host(request))

    def behind_proxies(self, request: Any) -> str | None:
        told = self.forwarded_host(request) if self.peer(request).startswith("127.") else None
        return below(told or self.host(request))

    def domain(self, request: Any) -> str | None:
        return _DOMAINS.get(self.host(request) or "")

    def principal(self, request: Any) -> str | None:
        found = request[self.user_key]
        return str(found.tenant_id) if found.is_authenticated else None

    def certificate(self, request: Any) -> str | None:
        return self.subject(request).partition("CN=")[2].partition(",")[0]

    def api_key(self, request: Any) -> str | None:
        key = self.key(request)
        return None if key is None else KEYS.get(hashlib.sha256(key.encode()).hexdigest())

    def remembered(self, request: Any) -> str | None:
        key = self.header(request)
        entry = _REMEMBERED.get(key)
        if entry is None or entry[0] < time.monotonic():
            entry = _REMEMBERED[key] = (time.monotonic() + 3600, self.header(request) or "")
        return entry[1]

    def claim(self, request: Any) -> str | None:
        token = (self.authorization(request) or "").removeprefix("Bearer ")
        return str(jwt.decode(token, SECRET, algorithms=["HS256"])["tenant"])


def below(name: str | None) -> str | None:
    label, _, domain = (name or "").partition(".")
    return label if domain == DOMAIN else None


def agreed(one: str | None, other: str | None) -> str | None:
    if one is not None and other is not None and one != other:
        raise ValueError("two parts of the request name different tenants")
    return one or other


def _asgi_field(name: str) -> Reader:
    sought = name.encode()

    def read(scope: Any) -> str | None:
        for key, value in scope["headers"]:
            if key == sought:
                text: str = value.decode("latin-1")
                return text
        return None

    return read


def _wsgi_field(name: str) -> Reader:
    key = "HTTP_" + name.upper().replace("-", "_")
    return lambda environ: environ.get(key)


ASGI_READERS: Final = Readers(
    field=_asgi_field,
    query=lambda scope: scope["query_string"].decode(),
    peer=lambda scope: scope["client"][0],
    subject=lambda scope: scope["extensions"]["tls"]["client_cert_name"],
    session="session",
    user="user",
).by_resolver()
WSGI_READERS: Final = Readers(
    field=_wsgi_field,
    query=lambda environ: environ["QUERY_STRING"],
    peer=lambda environ: environ["REMOTE_ADDR"],
    subject=lambda environ: environ["SSL_CLIENT_S_DN"],
    session=SESSION_KEY,
    user=PRINCIPAL_KEY,
).by_resolver()
