"""Require several resolvers to name the same tenant."""

from __future__ import annotations

from collections.abc import Awaitable, Iterator
from typing import Any, Final, final

from tenantshield_mw.errors import TenantResolutionError
from tenantshield_mw.mount import first_mount
from tenantshield_mw.request import over_asgi
from tenantshield_mw.resolution import (
    CANNOT_AWAIT,
    TWICE_AWAITABLE,
    EitherResolver,
    checked_resolvers,
    is_awaitable,
    tenant_of,
)
from tenantshield_mw.tenant import TenantContext, with_claims
from tenantshield_mw.vary import declared_by

__all__ = ["Agree", "agree"]

_DIFFERENT: Final = "two parts of the request name different tenants"


@final
class Agree:
    """What :func:`agree` returns."""

    __slots__ = ("_resolvers", "mount", "varies_on")

    def __init__(self, resolvers: tuple[EitherResolver, ...]) -> None:
        self._resolvers = checked_resolvers("agree", resolvers)
        self.varies_on = declared_by(*resolvers)
        self.mount = first_mount(*resolvers)

    def __call__(self, request: Any) -> Any:
        """Return the tenant or an awaitable of it; ``None`` if no resolver names one.

        Raises:
            TenantResolutionError: two of the resolvers name different tenants.
        """
        named: TenantContext | None = None
        remaining = iter(self._resolvers)
        for resolve in remaining:
            answer: object = resolve(request)
            if type(answer) is TenantContext:
                if named is None:
                    named = answer
                # The comparison of TenantContext, without its call.
                elif answer.tenant_id != named.tenant_id or (
                    type(answer.tenant_id) is not type(named.tenant_id)
                ):
                    raise TenantResolutionError(_DIFFERENT)
                elif answer.claims and not named.claims:
                    named = with_claims(named, answer.claims)
            elif answer is not None:
                if over_asgi(request) and is_awaitable(answer):
                    return _go_on(request, named, answer, remaining)
                named = _agreed(named, answer, CANNOT_AWAIT)
        return named


async def _go_on(
    request: Any,
    named: TenantContext | None,
    answer: Awaitable[object],
    remaining: Iterator[EitherResolver],
) -> TenantContext | None:
    named = _agreed(named, await answer)
    for resolve in remaining:
        following: object = resolve(request)
        named = _agreed(named, await following if is_awaitable(following) else following)
    return named


def _agreed(
    named: TenantContext | None, answer: object, if_awaitable: str = TWICE_AWAITABLE
) -> TenantContext | None:
    tenant = tenant_of(answer, if_awaitable=if_awaitable)
    if tenant is None:
        return named
    if named is None:
        return tenant
    if named == tenant:
        return named if named.claims else with_claims(named, tenant.claims)
    raise TenantResolutionError(_DIFFERENT)


def agree(*resolvers: EitherResolver) -> Agree:
    """Return a resolver that requires ``resolvers`` to name the same tenant.

    Args:
        resolvers: at least one; under ASGI, any of them may be async. All are called. One
            that names no tenant does not count; if one raises, so does the whole.

    Raises:
        ConfigurationError: there are no resolvers, or one is not callable.
    """
    return Agree(resolvers)
