"""Try several resolvers in turn."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, final

from tenantshield_mw.mount import first_mount
from tenantshield_mw.request import over_asgi
from tenantshield_mw.resolution import Answer, EitherResolver, checked_resolvers, is_awaitable
from tenantshield_mw.tenant import TenantContext
from tenantshield_mw.vary import declared_by

__all__ = ["FirstOf", "first_of"]


@final
class FirstOf:
    """What :func:`first_of` returns."""

    __slots__ = ("_resolvers", "mount", "varies_on")

    def __init__(self, resolvers: tuple[EitherResolver, ...]) -> None:
        self._resolvers = checked_resolvers("first_of", resolvers)
        self.varies_on = declared_by(*resolvers)
        self.mount = first_mount(*resolvers)

    def __call__(self, request: Any) -> Any:
        """Return the first answer that is not ``None``, or an awaitable of it."""
        remaining = iter(self._resolvers)
        for resolve in remaining:
            answer: object = resolve(request)
            if answer is None:
                continue
            if type(answer) is TenantContext or type(answer) is str:
                return answer
            # Under WSGI the middleware refuses an awaitable.
            later = over_asgi(request) and is_awaitable(answer)
            return _go_on(request, answer, remaining) if later else answer
        return None


async def _go_on(request: Any, answer: Any, remaining: Iterator[EitherResolver]) -> Answer:
    awaited: Any = await answer
    if awaited is None:
        for resolve in remaining:
            awaited = resolve(request)
            if is_awaitable(awaited):
                awaited = await awaited
            if awaited is not None:
                break
    return awaited  # type: ignore[no-any-return]


def first_of(*resolvers: EitherResolver) -> FirstOf:
    """Return a resolver that calls ``resolvers`` in turn until one names a tenant.

    An error ends the search: a valid cookie does not make up for a malformed header.

    Args:
        resolvers: at least one; under ASGI, any of them may be async.

    Raises:
        ConfigurationError: there are no resolvers, or one is not callable.
    """
    return FirstOf(resolvers)
