"""No tenant yet: the application binds it itself, after it has authenticated the caller."""

from __future__ import annotations

from typing import Final, final

from tenantshield_mw.request import Request

__all__ = ["BoundLater", "bound_later"]


@final
class BoundLater:
    """What :func:`bound_later` returns."""

    __slots__ = ()

    # The headers that carry credentials.
    varies_on: Final = ("Authorization", "Cookie")
    binds_later: Final = True

    def __call__(self, request: Request) -> None:
        """Return no tenant."""


def bound_later() -> BoundLater:
    """Return a resolver for an application that binds the tenant itself.

    Every request runs, and tenant-aware tables are closed until the application binds a tenant,
    from a dependency or with :func:`~tenantshield_mw.tenant_from`. Code that needs a tenant and
    has none is the server's mistake, and answered with 500. The middleware is still needed: it
    keeps the tenant out of the server's code and out of the next request.

    It stands alone: not in ``first_of`` or ``agree``, and without ``directory=`` and
    ``authorize=``.
    """
    return BoundLater()
