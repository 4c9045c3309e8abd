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
                "api_key()'s lookup is a callable that takes the SHA-256 of the key, in "
                "hexadecimal digits, and returns the tenant or None"
            )
        in_authorization = isinstance(header, str) and header.lower() == "authorization"
        self._key = credentials_in(header, "Bearer" if in_authorization else None)
        self._challenge = "Bearer" if in_authorization else "ApiKey"
        self._find: Callable[[Any], Any] = callable_directly(lookup)
        self.varies_on = (header,)

    def __call__(self, request: Request) -> Any:
        """Return the tenant, or what to await for it; ``None`` where there is no key.

        Raises:
            TenantUnauthenticatedError: the key belongs to nobody.
            TenantResolutionError: there are several keys, or what is there is no key.
        """
        key = self._key(request)
        if key is None:
            return None
        answer: object = self._find(sha256(key).hexdigest())
        if type(answer) is str or type(answer) is TenantContext:
            return answer
        if answer is None:
            raise self._nobodys()
        if "headers" in request and is_awaitable(answer):
            return self._awaited(answer)
        return answer

    async def _awaited(self, answer: Awaitable[object]) -> object:
        awaited = await answer
        if awaited is None:
            raise self._nobodys()
        return awaited

    def _nobodys(self) -> TenantUnauthenticatedError:
        return TenantUnauthenticatedError(
            "the API key belongs to nobody", challenge=self._challenge
        )


def api_key(header: str, lookup: Callable[[str], Any]) -> ApiKey:
    """Return a resolver that finds the tenant by an API key.

    Keep in the database what ``hashlib.sha256(key.encode()).hexdigest()`` makes of a key,
    not the key: this resolver hands on nothing else. That is safe for keys that are
    random, of 128 bits or more (``secrets.token_urlsafe(32)``), and for no others.

    Args:
        header: the header that holds the key; in ``Authorization`` it stands behind
            ``Bearer`` (RFC 6750 section 2.1).
        lookup: takes the SHA-256 of the key, 64 hexadecimal digits in lower case, and
            returns a tenant id, a :class:`~tenantshield_mw.TenantContext`, or ``None`` for
            a key of nobody; under ASGI sync or async.

    Raises:
        ConfigurationError: an argument is not one of these.
    """
    return ApiKey(header, lookup)
