"""Refusals: the answers to requests that cannot be bound to a tenant.

The body is a problem detail (RFC 9457). It repeats nothing of the request.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, final

from .errors import (
    ConfigurationError,
    CrossTenantAccessError,
    MissingTenantContextError,
    PlacementUnavailableError,
    TenantNotAuthorizedError,
    TenantNotFoundError,
    TenantResolutionError,
    TenantSuspendedError,
    TenantUnauthenticatedError,
    TenantUnavailableError,
)
from .incidents import Incident, tell
from .request import TENANT_KEY, UNNAMED_KEY

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

__all__ = [
    "CROSS_TENANT",
    "MALFORMED",
    "MISSING",
    "NOT_AUTHORIZED",
    "NOT_IN_SCOPE",
    "PLACEMENT_UNAVAILABLE",
    "POLICY_VIOLATION",
    "REFUSAL_KEY",
    "REFUSED",
    "SUSPENDED",
    "UNAUTHENTICATED",
    "UNAVAILABLE",
    "UNKNOWN",
    "OnMissingTenant",
    "Refusal",
    "check_on_missing_tenant",
    "closing_with_refusal",
    "logged_refusal_for",
    "refusal_for",
    "refusal_or_error",
    "send_refusal",
    "start_refusal",
]

_logger: Final = logging.getLogger("tenantshield_mw")

OnMissingTenant: TypeAlias = Literal["reject", "raise", "allow_unbound"]
"""What to do with a request without a tenant: refuse it, raise
:class:`~tenantshield_mw.MissingTenantContextError` to the server's error handling, or run it
unbound, so that shared tables work and tenant-aware ones raise."""

REFUSAL_KEY: Final = "tenantshield_mw.refusal"
"""The key in scope and environ under which an ``on_refused`` app finds the
:class:`Refusal`."""

POLICY_VIOLATION: Final = 1008
"""The close code of a refused websocket (RFC 6455 section 7.4.1)."""


def check_on_missing_tenant(value: object) -> None:
    """Check a middleware's ``on_missing_tenant``.

    Raises:
        ConfigurationError: ``value`` is invalid.
    """
    if value not in ("reject", "raise", "allow_unbound"):
        raise ConfigurationError('on_missing_tenant must be "reject", "raise" or "allow_unbound"')


@final
class Refusal:
    """One way to be refused.

    Args:
        status: the HTTP status.
        code: identifies it to programs; the problem detail's member ``code``.
        detail: explains it to people.
        challenge: the value of ``WWW-Authenticate``, if any.
        retry_after: the seconds of ``Retry-After`` (RFC 9110 section 10.2.3), if any.
    """

    __slots__ = ("body", "code", "detail", "headers", "status")

    def __init__(
        self,
        status: HTTPStatus,
        code: str,
        detail: str,
        challenge: str | None = None,
        retry_after: int | None = None,
    ) -> None:
        self.status = status
        self.code = code
        self.detail = detail
        problem = {
            # RFC 9457 section 4.2.1: "about:blank" means the status code's own meaning.
            "type": "about:blank",
            "title": status.phrase,
            "status": status.value,
            "detail": detail,
            "code": code,
        }
        self.body = json.dumps(problem).encode("ascii")
        self.headers: tuple[tuple[str, str], ...] = (
            ("content-type", "application/problem+json"),
            ("content-length", str(len(self.body))),
            # A shared cache must not answer one tenant with the refusal of another.
            ("cache-control", "no-store"),
        )
        if challenge is not None:
            self.headers += (("www-authenticate", challenge),)
        if retry_after is not None:
            self.headers += (("retry-after", str(retry_after)),)

    def body_for(self, method: str | None) -> bytes:
        """Return the body for a request; none for HEAD (RFC 9110 section 9.3.2)."""
        return b"" if method == "HEAD" else self.body

    def challenged(self, challenge: str) -> Refusal:
        """Return the same refusal with a ``WWW-Authenticate`` (RFC 9110 section 11.6.1)."""
        return Refusal(self.status, self.code, self.detail, challenge)


MISSING: Final = Refusal(HTTPStatus.BAD_REQUEST, "tenant_missing", "The request names no tenant.")
MALFORMED: Final = Refusal(
    HTTPStatus.BAD_REQUEST,
    "tenant_malformed",
    "The tenant that the request names is malformed or ambiguous.",
)
UNAUTHENTICATED: Final = Refusal(
    HTTPStatus.UNAUTHORIZED,
    "tenant_unauthenticated",
    "The credentials that name the tenant are not valid.",
)
NOT_AUTHORIZED: Final = Refusal(
    HTTPStatus.FORBIDDEN, "tenant_not_authorized", "You may not act for the tenant."
)
SUSPENDED: Final = Refusal(HTTPStatus.FORBIDDEN, "tenant_suspended", "The tenant is suspended.")
CROSS_TENANT: Final = Refusal(
    HTTPStatus.FORBIDDEN,
    "cross_tenant",
    "The request would reach another tenant's data.",
)
UNKNOWN: Final = Refusal(
    HTTPStatus.NOT_FOUND, "tenant_unknown", "The tenant that the request names does not exist."
)
UNAVAILABLE: Final = Refusal(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "tenant_unavailable",
    "The tenant could not be looked up in time.",
)
PLACEMENT_UNAVAILABLE: Final = Refusal(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "placement_unavailable",
    "The tenant's data cannot be reached at the moment.",
    retry_after=1,
)
NOT_IN_SCOPE: Final = Refusal(
    HTTPStatus.INTERNAL_SERVER_ERROR,
    "tenant_not_in_scope",
    "The server ran code for a tenant without having bound one.",
)

REFUSED: Final = (
    TenantResolutionError,
    MissingTenantContextError,
    CrossTenantAccessError,
    PlacementUnavailableError,
)
"""The errors that are answered by a refusal, wherever they are raised."""

_BY_ERROR: Final[tuple[tuple[type[Exception], Refusal], ...]] = (
    (TenantSuspendedError, SUSPENDED),
    (TenantNotFoundError, UNKNOWN),
    (TenantNotAuthorizedError, NOT_AUTHORIZED),
    (TenantUnavailableError, UNAVAILABLE),
    (TimeoutError, UNAVAILABLE),
    (MissingTenantContextError, NOT_IN_SCOPE),
    (CrossTenantAccessError, CROSS_TENANT),
    (PlacementUnavailableError, PLACEMENT_UNAVAILABLE),
)


def refusal_for(error: BaseException, request: Mapping[str, Any] | None = None) -> Refusal:
    """Return the refusal for ``error``, one of :data:`REFUSED` or a ``TimeoutError``.

    Args:
        error: the error.
        request: the scope or environ of the request whose handling raised it. That no tenant is
            in scope is the client's mistake only if this request names none.
    """
    if isinstance(error, TenantUnauthenticatedError):
        return UNAUTHENTICATED.challenged(error.challenge)
    if isinstance(error, MissingTenantContextError) and _names_none(request):
        return MISSING
    return next((refusal for kind, refusal in _BY_ERROR if isinstance(error, kind)), MALFORMED)


def _names_none(request: Mapping[str, Any] | None) -> bool:
    # The app may have bound a tenant since.
    return request is not None and UNNAMED_KEY in request and request.get(TENANT_KEY) is None


def logged_refusal_for(
    error: BaseException, logger: logging.Logger, request: Mapping[str, Any] | None = None
) -> Refusal:
    """Return the refusal for ``error``, and log it with the error: at level ERROR if the mistake
    is the server's, otherwise as a warning. The listeners of
    :func:`~tenantshield_mw.on_incident` are told.

    The error is for the programmer, the refusal for the caller. See :func:`refusal_for`.
    """
    refusal = refusal_for(error, request)
    level = logging.ERROR if refusal is NOT_IN_SCOPE else logging.WARNING
    logger.log(level, "refused with %d %s", refusal.status, refusal.code, exc_info=error)
    return _told(refusal)


def _told(refusal: Refusal) -> Refusal:
    tell(Incident("refusal", refusal.code))
    return refusal


def refusal_or_error(
    error: TenantResolutionError | TimeoutError | None, on_missing_tenant: OnMissingTenant
) -> Refusal:
    """Return a middleware's refusal for a request without a tenant.

    A refusal that is not the caller's fault is logged, and the listeners of
    :func:`~tenantshield_mw.on_incident` are told of each.

    Args:
        error: why there is no tenant; ``None`` if the request names none.
        on_missing_tenant: the middleware's argument.

    Raises:
        MissingTenantContextError: with ``"raise"``, if the request names no tenant.
        TenantResolutionError: with ``"raise"``, for any other error.
    """
    if on_missing_tenant == "raise":
        if error is None:
            raise MissingTenantContextError("the request names no tenant")
        if isinstance(error, TimeoutError):
            raise TenantUnavailableError("the tenant could not be determined in time") from error
        raise error
    if error is None:
        return _told(MISSING)
    refusal = refusal_for(error)
    return logged_refusal_for(error, _logger) if refusal is UNAVAILABLE else _told(refusal)


async def send_refusal(
    refusal: Refusal,
    scope: Mapping[str, Any],
    send: Callable[[Any], Awaitable[None]],
    vary: tuple[str, ...] = (),
) -> None:
    """Refuse over ASGI.

    A websocket gets the refusal as a response if the server supports that (ASGI,
    "WebSocket Denial Response"), otherwise a close before the accept, which servers
    turn into a plain 403 (ASGI, "Close - send event").
    """
    prefix = ""
    if scope["type"] == "websocket":
        if "websocket.http.response" not in (scope.get("extensions") or ()):
            await send({"type": "websocket.close", "code": POLICY_VIOLATION})
            return
        prefix = "websocket."
    headers = _with_vary(refusal, vary)
    await send(
        {
            "type": f"{prefix}http.response.start",
            "status": refusal.status.value,
            "headers": [(n.encode("ascii"), v.encode("latin-1")) for n, v in headers],
        }
    )
    body = refusal.body_for(scope.get("method"))
    await send({"type": f"{prefix}http.response.body", "body": body})


def start_refusal(
    refusal: Refusal,
    environ: WSGIEnvironment,
    start_response: StartResponse,
    vary: tuple[str, ...] = (),
) -> list[bytes]:
    """Refuse over WSGI, and return the body."""
    status = refusal.status
    start_response(f"{status.value} {status.phrase}", _with_vary(refusal, vary))
    return [body] if (body := refusal.body_for(environ.get("REQUEST_METHOD"))) else []


def _with_vary(refusal: Refusal, vary: tuple[str, ...]) -> list[tuple[str, str]]:
    return [*refusal.headers, ("vary", ", ".join(vary))] if vary else [*refusal.headers]


def closing_with_refusal(scope: Any, send: Any) -> Any:
    """Wrap ``send`` for a framework that only closes a websocket whose handler failed.

    Args:
        scope: the connection's scope; the refusal to send is in its ``state`` under
            :data:`REFUSAL_KEY`.
        send: the server's ``send``.
    """
    if scope["type"] == "http":
        return send
    accepted = False

    async def send_refusing(message: Any) -> Any:
        nonlocal accepted
        accepted = accepted or message["type"] == "websocket.accept"
        refusal = scope["state"].get(REFUSAL_KEY)
        if refusal is None or message["type"] != "websocket.close":
            return await send(message)
        # Once it was accepted, no response is possible.
        return await send_refusal(refusal, {"type": "websocket"} if accepted else scope, send)

    return send_refusing
