"""The tenants that there are, and which of them may be used at present."""

from __future__ import annotations

import inspect
import time
from collections.abc import Awaitable, Callable
from enum import Enum
from typing import Final, TypeAlias, final

from .dispatch import is_awaitable
from .errors import ConfigurationError, TenantNotFoundError, TenantSuspendedError
from .expiring import Clock, SingleFlightCache, failure_seconds
from .tenant import TenantContext, TenantId

__all__ = ["Lookup", "LookupResult", "TenantDirectory", "TenantState"]


class TenantState(Enum):
    """Whether a tenant may be used."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    UNKNOWN = "unknown"


LookupResult: TypeAlias = TenantContext | TenantState | None
"""What a lookup says of a tenant: its context, which makes it active, or its state alone;
``None`` is the same as ``TenantState.UNKNOWN``."""

Lookup: TypeAlias = Callable[[TenantId], LookupResult | Awaitable[LookupResult]]
"""Finds a tenant by the id that the resolver gave; may be async under ASGI."""

_BLOCKED: Final = (
    "the directory's lookup returned an awaitable, and a WSGI app cannot await; give "
    "TenantSessionMiddlewareWSGI a directory with a sync lookup"
)


@final
class TenantDirectory:
    """Looks tenants up, and remembers for a while what it was told.

    ::

        directory = TenantDirectory(find_tenant, ttl=30)
        app = TenantSessionMiddleware(app, resolve_tenant=..., directory=directory)
        directory.invalidate("acme")  # suspended just now

    Several requests for a tenant that is not remembered make one lookup. An error of the
    lookup reaches all of them and is not remembered.

    Args:
        lookup: takes a tenant id and returns the tenant's
            :class:`~tenantshield_mw.TenantContext` if it is active, else a
            :class:`TenantState`; ``None`` stands for unknown. The context may name the
            tenant by another id than the one that was looked up: the request runs under
            that one. Async lookups work under ASGI only; a sync one that blocks should
            there be given as ``asgiref.sync.sync_to_async(lookup, thread_sensitive=False)``.
        ttl: for how long an active tenant is remembered, in seconds; above 0.
        negative_ttl: the same for one that is suspended or unknown; 0 up to ``ttl``. By
            default 5, or ``ttl`` where that is less.
        maxsize: how many tenants are remembered, the most recently used; at least 1.
        clock: tells the time in seconds and never goes back.

    Raises:
        ConfigurationError: an argument is not one of these.
    """

    __slots__ = ("_lookup", "_memory")

    def __init__(
        self,
        lookup: Lookup,
        *,
        ttl: float = 60.0,
        negative_ttl: float | None = None,
        maxsize: int = 10_000,
        clock: Clock = time.monotonic,
    ) -> None:
        if not callable(lookup):
            raise ConfigurationError(
                "a directory's lookup is a callable that takes a tenant id and returns a "
                "TenantContext, a TenantState or None"
            )
        negative = failure_seconds(ttl, negative_ttl)
        self._lookup = lookup
        self._memory: SingleFlightCache[TenantContext | TenantState] = SingleFlightCache(
            maxsize=maxsize,
            seconds=lambda listed: ttl if isinstance(listed, TenantContext) else negative,
            clock=clock,
        )

    def find(
        self, tenant_id: TenantId, *, blocking: bool
    ) -> TenantContext | Awaitable[TenantContext]:
        """Return the tenant, or what to await for it.

        Args:
            tenant_id: what the resolver gave.
            blocking: whether to wait in place, as a WSGI app does; else an awaitable may
                come back, whatever the lookup is.

        Raises:
            TenantNotFoundError: there is no such tenant.
            TenantSuspendedError: it is suspended.
            ConfigurationError: the lookup returned something else, or an awaitable
                although ``blocking`` was asked for.
        """

        def load() -> TenantContext | TenantState | Awaitable[TenantContext | TenantState]:
            listed = self._lookup(tenant_id)
            if not is_awaitable(listed):
                return _checked(tenant_id, listed)
            if blocking:
                if inspect.iscoroutine(listed):
                    listed.close()
                raise ConfigurationError(_BLOCKED)
            return _awaited(tenant_id, listed)

        listed = self._memory.get(tenant_id, load, blocking=blocking)
        if isinstance(listed, TenantContext | TenantState):
            return _usable(listed)
        return _usable_later(listed)

    def invalidate(self, tenant_id: TenantId) -> None:
        """Forget what is known of a tenant, so that the next request looks it up.

        Args:
            tenant_id: the id that the resolver gave, or the one that the lookup returned.
        """
        self._memory.forget(
            lambda key, listed: (
                key == tenant_id
                or (isinstance(listed, TenantContext) and listed.tenant_id == tenant_id)
            )
        )


async def _awaited(tenant_id: TenantId, listed: Awaitable[object]) -> TenantContext | TenantState:
    return _checked(tenant_id, await listed)


def _checked(tenant_id: TenantId, listed: object) -> TenantContext | TenantState:
    if isinstance(listed, TenantContext):
        return listed
    if listed is None:
        return TenantState.UNKNOWN
    if isinstance(listed, TenantState):
        return TenantContext(tenant_id) if listed is TenantState.ACTIVE else listed
    raise ConfigurationError(
        f"the directory's lookup returned a {type(listed).__name__}; it must return a "
        "TenantContext, a TenantState or None"
    )


def _usable(listed: TenantContext | TenantState) -> TenantContext:
    if isinstance(listed, TenantContext):
        return listed
    if listed is TenantState.SUSPENDED:
        raise TenantSuspendedError("the tenant is suspended")
    raise TenantNotFoundError("the tenant is not in the directory")


async def _usable_later(listed: Awaitable[TenantContext | TenantState]) -> TenantContext:
    return _usable(await listed)
