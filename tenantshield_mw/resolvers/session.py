"""Read the tenant id from the framework's session."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, final

from tenantshield_mw.errors import ConfigurationError
from tenantshield_mw.request import SESSION_KEY, Request
from tenantshield_mw.tenant import TenantContext

from .identifier import Kind, parser_for

__all__ = ["SessionEntry", "session"]


@final
class SessionEntry:
    """What :func:`session` returns."""

    __slots__ = ("_key", "_parse")

    varies_on: Final = ("Cookie",)

    def __init__(self, key: str, kind: Kind) -> None:
        if not isinstance(key, str) or not key:
            raise ConfigurationError(
                'session() takes a key of the session, as in session("tenant_id")'
            )
        self._key = key
        self._parse: Callable[[object], TenantContext] = parser_for(kind)

    def __call__(self, request: Request) -> TenantContext | None:
        """Return the tenant; ``None`` if the session has no such key.

        Raises:
            TenantResolutionError: the value names no tenant.
            ConfigurationError: the request has no session.
        """
        found: Any = request.get("session" if "headers" in request else SESSION_KEY)
        if type(found) is not dict and callable(found):
            found = found()
        # isinstance() is slow for an abstract class, so the usual type comes first.
        if type(found) is not dict and not isinstance(found, Mapping):
            raise ConfigurationError(
                "the request has no session: the framework's session middleware must run "
                "before this one, and under WSGI put the session into the environ under "
                f"{SESSION_KEY!r}"
            )
        value: object = found.get(self._key)
        return None if value is None else self._parse(value)


def session(
    key: str,
    *,
    type: Kind = str,  # noqa: A002
) -> SessionEntry:
    """Return a resolver that reads the tenant id from the framework's session.

    In ASGI the session is ``scope["session"]``, where Starlette and Litestar put it; in WSGI
    it is in the environ under :data:`~tenantshield_mw.request.SESSION_KEY`.

    Args:
        key: the key under which the session holds the tenant id, a
            :class:`~tenantshield_mw.TenantContext` or ``None``.
        type: ``str``, ``int`` or ``uuid.UUID``, the type of the tenant columns.

    Raises:
        ConfigurationError: ``key`` or ``type`` is invalid.
    """
    return SessionEntry(key, type)
