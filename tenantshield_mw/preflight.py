"""Requests with which a browser asks for permission to send another one.

A preflight carries neither credentials nor the headers that it asks about (Fetch, "HTTP
requests": CORS-preflight request), so it cannot name a tenant in them. It runs without a tenant,
so that the application's CORS middleware answers it.
"""

from __future__ import annotations

from typing import Any, Final

from .errors import TenantResolutionError
from .mount import Mount
from .request import Request
from .resolution import CANNOT_AWAIT, TWICE_AWAITABLE, EitherResolver, is_awaitable, tenant_of

__all__ = ["blocking_preflight_prefix", "is_preflight", "preflight_prefix"]

_ASKS: Final = frozenset({b"origin", b"access-control-request-method"})


def is_preflight(request: Request) -> bool:
    """Return whether a request with the method ``OPTIONS`` is a CORS preflight."""
    if "headers" in request:
        return _ASKS.issubset(name.lower() for name, _ in request["headers"])
    return "HTTP_ORIGIN" in request and "HTTP_ACCESS_CONTROL_REQUEST_METHOD" in request


async def preflight_prefix(resolver: EitherResolver, mount: Mount, scope: Any) -> str:
    """Return the path prefix to move, so that the application routes the preflight like the
    request that it asks about; ``""`` for none.

    Raises:
        ConfigurationError: the resolver's answer has an invalid type.
    """
    try:
        answer: object = _for_preflight(resolver)(scope)
        if is_awaitable(answer):
            answer = await answer
        tenant = tenant_of(answer, if_awaitable=TWICE_AWAITABLE)
    except (TenantResolutionError, TimeoutError):
        return ""
    return "" if tenant is None else mount(scope, tenant)


def blocking_preflight_prefix(resolver: EitherResolver, mount: Mount, environ: Any) -> str:
    """Do the same as :func:`preflight_prefix` under WSGI."""
    try:
        tenant = tenant_of(_for_preflight(resolver)(environ), if_awaitable=CANNOT_AWAIT)
    except (TenantResolutionError, TimeoutError):
        return ""
    return "" if tenant is None else mount(environ, tenant)


def _for_preflight(resolver: EitherResolver) -> EitherResolver:
    """Return the form of a resolver that does without what a preflight never carries."""
    found: EitherResolver = getattr(resolver, "for_preflight", resolver)
    return found
