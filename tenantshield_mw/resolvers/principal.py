"""Read the tenant id from the user that the framework has authenticated."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, final

from tenantshield_mw.errors import ConfigurationError
from tenantshield_mw.request import PRINCIPAL_KEY, Request
from tenantshield_mw.tenant import TenantContext

from .identifier import Kind, parser_for

__all__ = ["PrincipalAttribute", "principal"]

_MISSING: Final = object()


@final
class PrincipalAttribute:
    """What :func:`principal` returns."""

    __slots__ = ("_attribute", "_parse")

    # The headers that carry credentials.
    varies_on: Final = ("Authorization", "Cookie")

    def __init__(self, attribute: str, kind: Kind) -> None:
        if not isinstance(attribute, str) or not attribute.isidentifier():
            raise ConfigurationError(
                'principal() takes the name of an attribute, as in principal("tenant_id")'
            )
        self._attribute = attribute
        self._parse: Callable[[object], TenantContext] = parser_for(kind)

    def __call__(self, request: Request) -> TenantContext | None:
        """Return the tenant; ``None`` if no user is authenticated, or the user has no tenant.

        Raises:
            TenantResolutionError: the attribute's value names no tenant.
            ConfigurationError: authentication has not run, or the user has no such attribute.
        """
        over_asgi = "headers" in request
        user: Any = request.get("user" if over_asgi else PRINCIPAL_KEY, _MISSING)
        if user is _MISSING:
            raise ConfigurationError(
                "the request has no user: the framework's authentication must run before this "
                "middleware, and under WSGI put the user into the environ under "
                f"{PRINCIPAL_KEY!r}"
            )
        if not over_asgi and callable(user):
            user = user()
        if user is None:
            return None
        if isinstance(user, Mapping):
            value: object = user.get(self._attribute)
        else:
            if getattr(user, "is_authenticated", True) is False:
                return None
            value = getattr(user, self._attribute, _MISSING)
            if value is _MISSING:
                raise ConfigurationError(
                    f"the user, a {type(user).__name__}, has no attribute {self._attribute!r}; "
                    "give principal() the attribute that holds the tenant id"
                )
        return None if value is None else self._parse(value)


def principal(
    attribute: str,
    *,
    type: Kind = str,  # noqa: A002
) -> PrincipalAttribute:
    """Return a resolver that reads the tenant id from the authenticated user.

    In ASGI the user is ``scope["user"]``, where the authentication of Starlette and Litestar
    puts it; in WSGI it is in the environ under
    :data:`~tenantshield_mw.request.PRINCIPAL_KEY`. A user whose ``is_authenticated`` is
    ``False`` counts as none.

    Args:
        attribute: the user's attribute, or key if the user is a mapping, that holds the
            tenant id, a :class:`~tenantshield_mw.TenantContext` or ``None``.
        type: ``str``, ``int`` or ``uuid.UUID``, the type of the tenant columns.

    Raises:
        ConfigurationError: ``attribute`` or ``type`` is invalid.
    """
    return PrincipalAttribute(attribute, type)
