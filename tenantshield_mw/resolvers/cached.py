"""Cache the answers of another resolver by key."""

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
    "cached()'s key must be a header's name, or a sync callable that takes the request and "
    "returns everything in it that the answer depends on"
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
        """Return the tenant or an awaitable of it; ``None`` if the resolver names none.

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
            # Each awaitable is a new object, so no answer would ever be found again.
            if inspect.iscoroutine(key):
                key.close()
            raise ConfigurationError(_KEY)
        blocking = not over_asgi(request) or without_event_loop()
        outcome = self._memory.get(key, lambda: self._ask(request, blocking), blocking=blocking)
        if type(outcome) is TenantContext:
            return outcome
        return _answer_later(outcome) if is_awaitable(outcome) else _answer(outcome)

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
    # Its traceback would keep alive the request for which it was raised.
    return _unraised(error)


def _unraised(error: TenantResolutionError) -> TenantResolutionError:
    """Return a copy of ``error`` without its traceback, cause and context."""
    kind = type(error)
    # Not through the constructor, whose arguments may differ from error.args.
    copied = kind.__new__(kind, *error.args)
    copied.__dict__.update(error.__dict__)
    if "__notes__" in error.__dict__:
        copied.__notes__ = [*error.__notes__]
    return copied


async def _answer_later(outcome: Awaitable[object]) -> TenantContext | None:
    return _answer(await outcome)


def _answer(outcome: object) -> TenantContext | None:
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
    """Return a resolver that caches the answers of ``resolver`` by key.

    Concurrent requests with a key that is not cached share one call, in tasks and in
    threads. A cached answer is used until it expires: an expired token or a revoked key still
    names its tenant for up to ``ttl`` seconds. A
    :class:`~tenantshield_mw.TenantResolutionError` is cached as well, except for
    :class:`~tenantshield_mw.TenantUnavailableError`; other errors are not.

    Args:
        resolver: the resolver; may be async under ASGI.
        key: the name of the only header that the answer depends on; or a sync callable that
            takes the request and returns everything in it that the answer depends on, as a
            hashable object. Requests with equal keys get the same tenant. If the key is
            ``None``, or the header is missing, the resolver is called.
        ttl: how long to cache a tenant, in seconds; above 0.
        maxsize: the largest number of keys to cache; at least 1. The least recently used
            key is dropped first.
        failure_ttl: how long to cache an error or ``None``, in seconds; from 0 to ``ttl``.
            The default is 5, or ``ttl`` if that is less.
        clock: returns the time in seconds and never goes back.

    Raises:
        ConfigurationError: an argument is invalid.
    """
    return Cached(resolver, key, ttl, maxsize, failure_ttl, clock)
