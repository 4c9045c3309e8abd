"""The tenant that an API key belongs to."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import Any, final

from tenantshield_mw.errors import ConfigurationError, TenantUnauthenticatedError
from tenantshield_mw.request import Request
from tenantshield_mw.resolution import callable_directly, is_awaitable
from tenantshield_mw.tenant import TenantContext

from .credentials import credentials_in

__all__ = ["ApiKey", "api_key"]


@final
class ApiKey:
    """What :func:`api_key` returns."""

    __slots__ = ("_challenge", "_find", "_key", "varies_on")

    def __init__(self, header: str, lookup: Callable[[str], Any]) -> None:
        if not callable(lookup):
            raise ConfigurationError(
                "api_key()'s lookup must be a callable that takes the key's SHA-256 in "
                "hexadecimal digits, and returns the tenant or None"
            )
        in_authorization = isinstance(header, str) and header.lower() == "authorization"
        self._key = credentials_in(header, "Bearer" if in_authorization else None)
        self._challenge = "Bearer" if in_authorization else "ApiKey"
        self._find: Callable[[Any], Any] = callable_directly(lookup)
        self.varies_on = (header,)

    def __call__(self, request: Request) -> Any:
        """Return the tenant or an awaitable of it; ``None`` if the request has no key.

        Raises:
            TenantUnauthenticatedError: the key is unknown.
            TenantResolutionError: there are several keys, or the header's value is malformed.
        """
        key = self._key(request)
        if key is None:
            return None
        answer: object = self._find(sha256(key).hexdigest())
        if type(answer) is str or type(answer) is TenantContext:
            return answer
        if answer is None:
            raise self._unknown_key()
        if "headers" in request and is_awaitable(answer):
            return self._awaited(answer)
        return answer

    async def _awaited(self, answer: Awaitable[object]) -> object:
        awaited = await answer
        if awaited is None:
            raise self._unknown_key()
        return awaited

    def _unknown_key(self) -> TenantUnauthenticatedError:
        return TenantUnauthenticatedError("the API key is unknown", challenge=self._challenge)


def api_key(header: str, lookup: Callable[[str], Any]) -> ApiKey:
    """Return a resolver that finds the tenant by an API key.

    Store ``hashlib.sha256(key.encode()).hexdigest()`` in the database, not the key itself:
    the lookup gets only the hash. That is safe only for random keys of at least 128 bits
    (``secrets.token_urlsafe(32)``).

    Args:
        header: the header that holds the key; in ``Authorization`` the key follows
            ``Bearer`` (RFC 6750 section 2.1).
        lookup: takes the SHA-256 of the key, 64 hexadecimal digits in lower case, and
            returns a tenant id, a :class:`~tenantshield_mw.TenantContext`, or ``None`` if
            the key is unknown; may be async under ASGI.

    Raises:
        ConfigurationError: an argument is invalid.
    """
    return ApiKey(header, lookup)
