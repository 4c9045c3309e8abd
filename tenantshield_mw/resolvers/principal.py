"""The tenant of whoever the framework has authenticated."""

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

    # The two that credentials come in.
    varies_on: Final = ("Authorization", "Cookie")

    def __init__(self, attribute: str, kind: Kind) -> None:
        if not isinstance(attribute, str) or not attribute.isidentifier():
            raise ConfigurationError(
                'principal() takes the attribute\'s name, as in principal("tenant_id")'
            )
        self._attribute = attribute
        self._parse: Callable[[object], TenantContext] = parser_for(kind)

    def __call__(self, request: Request) -> TenantContext | None:
        """Return the tenant; ``None`` where nobody is authenticated, or has no tenant.

        Raises:
            TenantResolutionError: the attribute's value names no tenant.
            ConfigurationError: nothing has authenticated the request, or what it found
                has no such attribute.
        """
        over_asgi = "headers" in request
        user: Any = request.get("user" if over_asgi else PRINCIPAL_KEY, _MISSING)
        if user is _MISSING:
            raise ConfigurationError(
                "the request has not been through authentication: the framework's "
                "authentication must run before this middleware, and under WSGI put whom it "
                f"found into the environ under {PRINCIPAL_KEY!r}"
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
                    f"a {type(user).__name__} has no attribute {self._attribute!r}; give "
                    "principal() the one that holds the tenant id"
                )
        return None if value is None else self._parse(value)


def principal(
    attribute: str,
    *,
    type: Kind = str,  # noqa: A002
) -> PrincipalAttribute:
    """Return a resolver that asks whoever the framework has authenticated for the tenant.

    In ASGI that is ``scope["user"]``, where the authentication of Starlette and Litestar
    puts it; in WSGI it stands in the environ under
    :data:`~tenantshield_mw.request.PRINCIPAL_KEY`. One whose ``is_authenticated`` is
    ``False`` counts as nobody.

    Args:
        attribute: the attribute, or of a mapping the key, that holds the tenant id, a
            :class:`~tenantshield_mw.TenantContext` or ``None``.
        type: ``str``, ``int`` or ``uuid.UUID``, the type of the tenant columns.

    Raises:
        ConfigurationError: ``attribute`` or ``type`` is not one of these.
    """
    return PrincipalAttribute(attribute, type)
