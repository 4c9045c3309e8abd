"""Require several resolvers to name the same tenant."""

from __future__ import annotations

from collections.abc import Awaitable, Iterator
from typing import Any, Final, final

from tenantshield_mw.errors import ConfigurationError, TenantResolutionError
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

    __slots__ = ("_every", "_resolvers", "for_preflight", "mount", "varies_on")

    def __init__(self, resolvers: tuple[EitherResolver, ...], every: bool) -> None:
        self._resolvers = checked_resolvers("agree", resolvers)
        if every is not True and every is not False:
            raise ConfigurationError("agree()'s every must be True or False")
        self._every = every
        # A preflight carries no credentials, and only the path decides where it is routed.
        self.for_preflight = Agree(resolvers, every=False) if every else self
        self.varies_on = declared_by(*resolvers)
        self.mount = first_mount(*resolvers)

    def __call__(self, request: Any) -> Any:
        """Return the tenant or an awaitable of it; ``None`` if no resolver names one, or with
        ``every`` if one of them names none.

        Raises:
            TenantResolutionError: two of the resolvers name different tenants.
        """
        named: TenantContext | None = None
        lacks = False
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
            elif answer is None:
                lacks = self._every
            else:
                if over_asgi(request) and is_awaitable(answer):
                    return self._go_on(request, (named, lacks), answer, remaining)
                named = _agreed(named, answer, CANNOT_AWAIT)
        return None if lacks else named

    async def _go_on(
        self,
        request: Any,
        before: tuple[TenantContext | None, bool],
        answer: Awaitable[object],
        remaining: Iterator[EitherResolver],
    ) -> TenantContext | None:
        named, lacks = before
        following: object = await answer
        while True:
            lacks = lacks or (self._every and following is None)
            named = _agreed(named, following)
            resolve = next(remaining, None)
            if resolve is None:
                return None if lacks else named
            following = resolve(request)
            if is_awaitable(following):
                following = await following


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


def agree(*resolvers: EitherResolver, every: bool = False) -> Agree:
    """Return a resolver that requires ``resolvers`` to name the same tenant.

    Args:
        resolvers: at least one; under ASGI, any of them may be async. All are called, and if
            one raises, so does the whole.
        every: whether each of them must name the tenant; if one does not, no tenant is named.
            By default one that names none does not count: a client who leaves its token out is
            then believed what it wrote into the host. So give ``every=True`` if one of them
            proves who the caller is.

    Raises:
        ConfigurationError: there are no resolvers, or one is not callable, or ``every`` is no
            ``bool``.
    """
    return Agree(resolvers, every)
