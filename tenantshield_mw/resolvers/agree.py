"""The tenant that several resolvers name, all of them the same."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, final

from tenantshield_mw.admission import CANNOT_AWAIT, TWICE_AWAITABLE
from tenantshield_mw.dispatch import EitherResolver, is_awaitable, tenant_of
from tenantshield_mw.errors import TenantResolutionError
from tenantshield_mw.mount import first_mount
from tenantshield_mw.request import over_asgi
from tenantshield_mw.tenant import TenantContext
from tenantshield_mw.vary import declared_by

from .several import checked

__all__ = ["Agree", "agree"]


@final
class Agree:
    """What :func:`agree` returns."""

    __slots__ = ("_resolvers", "mount", "varies_on")

    def __init__(self, resolvers: tuple[EitherResolver, ...]) -> None:
        self._resolvers = checked("agree", resolvers)
        self.varies_on = declared_by(*resolvers)
        self.mount = first_mount(*resolvers)

    def __call__(self, request: Any) -> Any:
        """Return the tenant, or what to await for it; ``None`` where nobody names one.

        Raises:
            TenantResolutionError: two of the resolvers name different tenants.
        """
        named: TenantContext | None = None
        for index, resolve in enumerate(self._resolvers):
            answer: object = resolve(request)
            if answer is None:
                continue
            if type(answer) is not TenantContext and (over_asgi(request) and is_awaitable(answer)):
                return self._go_on(request, named, answer, index)
            named = _agreed(named, answer, CANNOT_AWAIT)
        return named

    async def _go_on(
        self, request: Any, named: TenantContext | None, answer: Awaitable[object], index: int
    ) -> TenantContext | None:
        named = _agreed(named, await answer)
        for resolve in self._resolvers[index + 1 :]:
            following: object = resolve(request)
            named = _agreed(named, await following if is_awaitable(following) else following)
        return named


def _agreed(
    named: TenantContext | None, answer: object, if_awaitable: str = TWICE_AWAITABLE
) -> TenantContext | None:
    tenant = (
        answer if type(answer) is TenantContext else tenant_of(answer, if_awaitable=if_awaitable)
    )
    if tenant is None or named == tenant:
        return named
    if named is None:
        return tenant
    raise TenantResolutionError("two parts of the request name different tenants")


def agree(*resolvers: EitherResolver) -> Agree:
    """Return a resolver whose ``resolvers`` must name the same tenant if they name any.

    Args:
        resolvers: at least one; under ASGI, any of them may be async. All are asked, and
            an error of one is an error of all. One that names no tenant does not count.

    Raises:
        ConfigurationError: there is none, or one is not callable.
    """
    return Agree(resolvers)
