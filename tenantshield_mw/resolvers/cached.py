"""The tenant that another resolver named a while ago for the same key."""

from __future__ import annotations

import inspect
import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, Final, TypeAlias, final

from tenantshield_mw.cache import Clock, SingleFlightCache, failure_seconds, without_event_loop
from tenantshield_mw.errors import ConfigurationError, TenantResolutionError, TenantUnavailableError
from tenantshield_mw.mount import mount_of
from tenantshield_mw.request import HeaderField, over_asgi
from tenantshield_mw.resolution import (
    CANNOT_AWAIT,
    TWICE_AWAITABLE,
    EitherResolver,
    callable_directly,
    is_awaitable,
    tenant_of,
)
from tenantshield_mw.tenant import TenantContext
from tenantshield_mw.vary import declared_by

__all__ = ["Cached", "cached"]

_KEY: Final = (
    "cached()'s key is a header's name, or a callable, not an async one, that takes the "
    "request and returns all of it that the answer depends on"
)

Outcome: TypeAlias = TenantContext | TenantResolutionError | None


@final
class Cached:
    """What :func:`cached` returns."""

    __slots__ = ("_key", "_memory", "_resolve", "mount", "varies_on")

    def __init__(
        self,
        resolver: EitherResolver,
        key: str | Callable[[Any], Hashable],
        ttl: float,
        maxsize: int,
        failure_ttl: float | None,
        clock: Clock,
    ) -> None:
        for_failures = failure_seconds(ttl, failure_ttl)
        self._resolve = callable_directly(resolver)
        self.varies_on = declared_by(resolver)
        if isinstance(key, str):
            field = HeaderField(key, bytes)
            self._key: Callable[[Any], Hashable] = field.raw
            self.varies_on = declared_by(resolver, field)
        elif callable(key) and not _is_async(key):
            self._key = key
        else:
            raise ConfigurationError(_KEY)
        self.mount = mount_of(resolver)
        self._memory: SingleFlightCache[Outcome] = SingleFlightCache(
            maxsize=maxsize,
            seconds=lambda outcome: ttl if isinstance(outcome, TenantContext) else for_failures,
            clock=clock,
        )

    def __call__(self, request: Any) -> Any:
        """Return the tenant, or what to await for it; ``None`` where none is named.

        Raises:
            ConfigurationError: the key is an awaitable.
        """
        key = self._key(request)
        if key is None:
            return self._resolve(request)
        known = self._memory.known(key)
        if type(known) is TenantContext:
            return known
        if is_awaitable(key):
            # Each is another one, so none of them would ever be found again.
            if inspect.iscoroutine(key):
                key.close()
            raise ConfigurationError(_KEY)
        blocking = not over_asgi(request) or without_event_loop()
        outcome = self._memory.get(key, lambda: self._ask(request, blocking), blocking=blocking)
        if type(outcome) is TenantContext:
            return outcome
        return _told_later(outcome) if is_awaitable(outcome) else _told(outcome)

    def _ask(self, request: Any, blocking: bool) -> Any:
        try:
            answer: object = self._resolve(request)
            if not blocking and is_awaitable(answer):
                return _awaited(answer)
            return tenant_of(answer, if_awaitable=CANNOT_AWAIT)
        except TenantResolutionError as error:
            return _kept(error)


def _is_async(key: Callable[[Any], Hashable]) -> bool:
    # An instance runs its class's __call__.
    return any(map(inspect.iscoroutinefunction, (key, type(key).__call__)))


async def _awaited(answer: Awaitable[object]) -> Outcome:
    try:
        return tenant_of(await answer, if_awaitable=TWICE_AWAITABLE)
    except TenantResolutionError as error:
        return _kept(error)


def _kept(error: TenantResolutionError) -> TenantResolutionError:
    if isinstance(error, TenantUnavailableError):
        raise error
    # Its traceback would keep the request alive that it was raised for.
    return _unraised(error)


def _unraised(error: TenantResolutionError) -> TenantResolutionError:
    """Return ``error`` anew, without what raising adds: traceback, cause and context."""
    kind = type(error)
    # Not through the constructor, which may take other arguments than the error has.
    anew = kind.__new__(kind, *error.args)
    anew.__dict__.update(error.__dict__)
    if "__notes__" in error.__dict__:
        anew.__notes__ = [*error.__notes__]
    return anew


async def _told_later(outcome: Awaitable[object]) -> TenantContext | None:
    return _told(await outcome)


def _told(outcome: object) -> TenantContext | None:
    if isinstance(outcome, TenantResolutionError):
        raise _unraised(outcome)
    assert outcome is None or isinstance(outcome, TenantContext)
    return outcome


def cached(
    resolver: EitherResolver,
    *,
    key: str | Callable[[Any], Hashable],
    ttl: float,
    maxsize: int = 1024,
    failure_ttl: float | None = None,
    clock: Clock = time.monotonic,
) -> Cached:
    """Return ``resolver`` so that it is asked once for each key within a time.

    Several requests with a key that is not remembered make one call, in tasks as in
    threads. What is remembered is believed until its time is over: a token that expires,
    or a key that is revoked, goes on naming its tenant for up to ``ttl`` seconds. An error
    other than :class:`~tenantshield_mw.TenantResolutionError`, and
    :class:`~tenantshield_mw.TenantUnavailableError`, is not remembered.

    Args:
        resolver: sync, or under ASGI async.
        key: the name of the one header that the answer depends on, or a sync callable that
            takes the request and returns, hashable, all of it that the answer depends on:
            two requests with one key get one tenant. ``None``, or no such header, asks
            the resolver.
        ttl: for how long a tenant is remembered, in seconds; above 0.
        maxsize: how many keys are remembered, the most recently used; at least 1.
        failure_ttl: for how long is remembered that there is none, in seconds; 0 up to
            ``ttl``. By default 5, or ``ttl`` where that is less.
        clock: tells the time in seconds and never goes back.

    Raises:
        ConfigurationError: an argument is not one of these.
    """
    return Cached(resolver, key, ttl, maxsize, failure_ttl, clock)
