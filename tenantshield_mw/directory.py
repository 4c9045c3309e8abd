"""The tenants that exist, and which of them are active."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from enum import Enum
from typing import Final, TypeAlias, final

from .cache import Clock, SingleFlightCache, failure_seconds
from .errors import ConfigurationError, TenantNotFoundError, TenantSuspendedError
from .resolution import close_unawaited, is_awaitable
from .tenant import TenantContext, TenantId

__all__ = ["Lookup", "LookupResult", "TenantDirectory", "TenantState", "as_directory"]


class TenantState(Enum):
    """Whether a tenant may be used."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    UNKNOWN = "unknown"


LookupResult: TypeAlias = TenantContext | TenantState | None
"""A lookup's answer: the context of an active tenant, or a state. ``None`` means
``TenantState.UNKNOWN``."""

Lookup: TypeAlias = Callable[[TenantId], LookupResult | Awaitable[LookupResult]]
"""Takes the tenant id that the resolver returned; may be async under ASGI."""

_BLOCKED: Final = (
    "the directory's lookup returned an awaitable, and neither a WSGI app nor a sync scope can "
    "await; give TenantSessionMiddlewareWSGI or SessionScope a directory with a sync lookup"
)


@final
class TenantDirectory:
    """Looks tenants up and caches the answers.

    ::

        directory = TenantDirectory(find_tenant, ttl=30)
        app = TenantSessionMiddleware(app, resolve_tenant=..., directory=directory)
        directory.invalidate("acme")  # suspended just now

    Concurrent requests for a tenant that is not cached share one lookup. An error of the
    lookup reaches all of them and is not cached.

    Args:
        lookup: takes a tenant id and returns the tenant's
            :class:`~tenantshield_mw.TenantContext` if it is active, else a
            :class:`TenantState`; ``None`` means unknown. The context may have another
            tenant id than the one that was looked up; the request then runs under the
            context's id. Async lookups work under ASGI only. There, wrap a sync one that
            blocks: ``asgiref.sync.sync_to_async(lookup, thread_sensitive=False)``.
        ttl: how long to cache an active tenant, in seconds; above 0.
        negative_ttl: how long to cache a suspended or unknown tenant, in seconds; from 0
            to ``ttl``. The default is 5, or ``ttl`` if that is less.
        maxsize: the largest number of tenants to cache; at least 1.
        clock: returns the time in seconds and never goes back.

    Raises:
        ConfigurationError: an argument is invalid.
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
                "a directory's lookup must be a callable that takes a tenant id and returns a "
                "TenantContext, a TenantState or None"
            )
        negative = failure_seconds(ttl, negative_ttl)
        self._lookup = lookup
        self._memory: SingleFlightCache[TenantContext | TenantState] = SingleFlightCache(
            maxsize=maxsize,
            seconds=lambda listed: ttl if isinstance(listed, TenantContext) else negative,
            clock=clock,
        )

    @property
    def lookup(self) -> Lookup:
        """The lookup that the directory was given."""
        return self._lookup

    def find(
        self, tenant_id: TenantId, *, blocking: bool
    ) -> TenantContext | Awaitable[TenantContext]:
        """Return the tenant, or an awaitable of it.

        Args:
            tenant_id: the id that the resolver returned.
            blocking: whether to block, as in a WSGI app; otherwise the result may be an
                awaitable, even if the lookup is sync.

        Raises:
            TenantNotFoundError: there is no such tenant.
            TenantSuspendedError: it is suspended.
            ConfigurationError: the lookup's answer is invalid, or awaitable although
                ``blocking`` is true.
        """

        def load() -> TenantContext | TenantState | Awaitable[TenantContext | TenantState]:
            listed = self._lookup(tenant_id)
            if not is_awaitable(listed):
                return _active_or_state(tenant_id, listed)
            if blocking:
                close_unawaited(listed)
                raise ConfigurationError(_BLOCKED)
            return _awaited(tenant_id, listed)

        listed = self._memory.get(tenant_id, load, blocking=blocking)
        if isinstance(listed, TenantContext | TenantState):
            return _usable(listed)
        return _usable_later(listed)

    def invalidate(self, tenant_id: TenantId) -> None:
        """Drop a tenant from the cache, so that the next request looks it up.

        Args:
            tenant_id: the id that the resolver returned, or the one in the lookup's answer.
        """
        self._memory.forget(
            lambda key, listed: (
                key == tenant_id
                or (isinstance(listed, TenantContext) and listed.tenant_id == tenant_id)
            )
        )


async def _awaited(tenant_id: TenantId, listed: Awaitable[object]) -> TenantContext | TenantState:
    return _active_or_state(tenant_id, await listed)


def _active_or_state(tenant_id: TenantId, listed: object) -> TenantContext | TenantState:
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


def as_directory(directory: TenantDirectory | Lookup | None) -> TenantDirectory | None:
    """Return what a ``directory=`` argument stands for: a lookup gets a directory of its own.

    Raises:
        ConfigurationError: it is neither a directory nor a lookup.
    """
    if directory is None or isinstance(directory, TenantDirectory):
        return directory
    return TenantDirectory(directory)
