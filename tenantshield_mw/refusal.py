"""What a caller gets whose request cannot be bound to a tenant.

The body is a problem detail (RFC 9457). It says nothing of what the request held.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, final

from .errors import (
    ConfigurationError,
    TenantNotFoundError,
    TenantResolutionError,
    TenantSuspendedError,
)

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

__all__ = [
    "MALFORMED",
    "MISSING",
    "NO_TENANT",
    "SUSPENDED",
    "UNKNOWN",
    "OnMissingTenant",
    "Refusal",
    "check_on_missing_tenant",
    "refusal_for",
    "send_refusal",
    "start_refusal",
]

OnMissingTenant: TypeAlias = Literal["reject", "raise", "allow_unbound"]
"""What becomes of a request without a tenant: it is refused, it raises
:class:`~tenantshield_mw.MissingTenantContextError` to the server's error handling, or
it runs unbound, so that shared tables work and tenant-aware ones raise."""

NO_TENANT: Final = "the request names no tenant"
"""What a :class:`~tenantshield_mw.MissingTenantContextError` of a middleware says."""

POLICY_VIOLATION: Final = 1008
"""The close code of a refused websocket (RFC 6455 section 7.4.1)."""


def check_on_missing_tenant(value: object) -> None:
    """Check a middleware's ``on_missing_tenant``.

    Raises:
        ConfigurationError: ``value`` is none of the three.
    """
    if value not in ("reject", "raise", "allow_unbound"):
        raise ConfigurationError('on_missing_tenant must be "reject", "raise" or "allow_unbound"')


@final
class Refusal:
    """One way to be refused.

    Args:
        status: the HTTP status.
        code: what a program can tell it by; the problem detail's member ``code``.
        detail: what a person can tell it by.
    """

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: HTTPStatus, code: str, detail: str) -> None:
        self.status = status
        problem = {
            # RFC 9457 section 4.2.1: "about:blank" means the status code's own meaning.
            "type": "about:blank",
            "title": status.phrase,
            "status": status.value,
            "detail": detail,
            "code": code,
        }
        self.body = json.dumps(problem).encode("ascii")
        self.headers = (
            ("content-type", "application/problem+json"),
            ("content-length", str(len(self.body))),
            # A shared cache must not answer one tenant with the refusal of another.
            ("cache-control", "no-store"),
        )


MISSING: Final = Refusal(HTTPStatus.BAD_REQUEST, "tenant_missing", "The request names no tenant.")
MALFORMED: Final = Refusal(
    HTTPStatus.BAD_REQUEST,
    "tenant_malformed",
    "The tenant that the request names is malformed or ambiguous.",
)
SUSPENDED: Final = Refusal(
    HTTPStatus.FORBIDDEN, "tenant_suspended", "The tenant may not be used at present."
)
UNKNOWN: Final = Refusal(
    HTTPStatus.NOT_FOUND, "tenant_unknown", "The tenant that the request names does not exist."
)


def refusal_for(error: TenantResolutionError) -> Refusal:
    """Return how a request is refused whose resolver raised ``error``."""
    if isinstance(error, TenantSuspendedError):
        return SUSPENDED
    if isinstance(error, TenantNotFoundError):
        return UNKNOWN
    return MALFORMED


async def send_refusal(
    refusal: Refusal, scope: Mapping[str, Any], send: Callable[[Any], Awaitable[None]]
) -> None:
    """Refuse over ASGI.

    A websocket gets the refusal as a response where the server offers that (ASGI,
    "WebSocket Denial Response"), and otherwise a close before the accept, which servers
    turn into a plain 403 (ASGI, "Close - send event").
    """
    prefix = ""
    if scope["type"] == "websocket":
        if "websocket.http.response" not in (scope.get("extensions") or ()):
            await send({"type": "websocket.close", "code": POLICY_VIOLATION})
            return
        prefix = "websocket."
    await send(
        {
            "type": f"{prefix}http.response.start",
            "status": refusal.status.value,
            "headers": [(n.encode("ascii"), v.encode("ascii")) for n, v in refusal.headers],
        }
    )
    # RFC 9110 section 9.3.2: the same headers, no content.
    body = b"" if scope.get("method") == "HEAD" else refusal.body
    await send({"type": f"{prefix}http.response.body", "body": body})


def start_refusal(
    refusal: Refusal, environ: WSGIEnvironment, start_response: StartResponse
) -> list[bytes]:
    """Refuse over WSGI, and return the body."""
    status = refusal.status
    start_response(f"{status.value} {status.phrase}", list(refusal.headers))
    return [] if environ.get("REQUEST_METHOD") == "HEAD" else [refusal.body]
