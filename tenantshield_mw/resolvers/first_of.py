"""The tenant that the first resolver names that names any."""

from __future__ import annotations

from typing import Any, final

from tenantshield_mw.dispatch import Answer, EitherResolver, is_awaitable
from tenantshield_mw.mount import first_mount
from tenantshield_mw.request import over_asgi
from tenantshield_mw.tenant import TenantContext
from tenantshield_mw.vary import declared_by

from .several import checked

__all__ = ["FirstOf", "first_of"]


@final
class FirstOf:
    """What :func:`first_of` returns."""

    __slots__ = ("_resolvers", "mount", "varies_on")

    def __init__(self, resolvers: tuple[EitherResolver, ...]) -> None:
        self._resolvers = checked("first_of", resolvers)
        self.varies_on = declared_by(*resolvers)
        self.mount = first_mount(*resolvers)

    def __call__(self, request: Any) -> Any:
        """Return the first answer that is not ``None``, or what to await for it."""
        for index, resolve in enumerate(self._resolvers):
            answer: object = resolve(request)
            if type(answer) is TenantContext:
                return answer
            if answer is not None:
                # Under WSGI the middleware says that it cannot be awaited.
                later = over_asgi(request) and is_awaitable(answer)
                return self._go_on(request, answer, index) if later else answer
        return None

    async def _go_on(self, request: Any, answer: Any, index: int) -> Answer:
        awaited: Any = await answer
        while awaited is None and (index := index + 1) < len(self._resolvers):
            awaited = self._resolvers[index](request)
            if is_awaitable(awaited):
                awaited = await awaited
        return awaited  # type: ignore[no-any-return]


def first_of(*resolvers: EitherResolver) -> FirstOf:
    """Return a resolver that asks ``resolvers`` in turn until one names a tenant.

    An error stops it: a header that is there and malformed is not made good by a cookie.

    Args:
        resolvers: at least one; under ASGI, any of them may be async.

    Raises:
        ConfigurationError: there is none, or one is not callable.
    """
    return FirstOf(resolvers)
