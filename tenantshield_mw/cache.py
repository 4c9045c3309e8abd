"""A TTL cache with single-flight loading."""

from __future__ import annotations

import asyncio
import math
import time
import weakref
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from concurrent.futures import Future, wait
from typing import Any, Final, Generic, TypeAlias, TypeVar, final

from .deadline import OverdueError, waits_until
from .errors import ConfigurationError
from .forking import forkable_lock, renewed_in_child
from .resolution import is_awaitable

__all__ = [
    "Clock",
    "SingleFlightCache",
    "failure_seconds",
    "without_event_loop",
]

V = TypeVar("V")

Clock: TypeAlias = Callable[[], float]
"""Returns the time in seconds and never goes back, like ``time.monotonic``."""

_FAILURE_SECONDS: Final = 5.0
"""How long a failure is remembered by default, unless successes are remembered for less."""


def failure_seconds(ttl: float, failure_ttl: float | None) -> float:
    """Check two times to live, and return the one of failures, in seconds.

    Raises:
        ConfigurationError: one of them is invalid, or failures would be remembered longer
            than successes.
    """
    if failure_ttl is None:
        failure_ttl = min(_FAILURE_SECONDS, ttl) if _is_seconds(ttl) else _FAILURE_SECONDS
    if not _is_seconds(ttl) or not _is_seconds(failure_ttl) or ttl == 0:
        raise ConfigurationError(
            "a ttl is a number of seconds; it must be above 0 for what was found"
        )
    if failure_ttl > ttl:
        raise ConfigurationError(
            "failures may not be remembered longer than what was found: lower the ttl of "
            "failures, or raise the other"
        )
    return failure_ttl


def _is_seconds(value: object) -> bool:
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and math.isfinite(value)
        and value >= 0
    )


def without_event_loop() -> bool:
    """Return whether the running thread has no event loop that blocking would stop."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return True
    return False


class _AbandonedError(Exception):
    """The caller that was loading was cancelled; another one has to load."""


@final
class SingleFlightCache(Generic[V]):
    """A bounded cache of answers by key, least recently used out first.

    Of several callers that ask for one key at the same time, tasks or threads, the first
    loads the answer and the others wait for it. An error reaches all of them and is not
    remembered. If the first caller is cancelled, the next one loads. A forked process begins with
    an empty cache.

    Args:
        maxsize: the largest number of answers to remember; at least 1.
        seconds: returns how long to remember an answer.
        clock: returns the time.

    Raises:
        ConfigurationError: ``maxsize`` or ``clock`` is invalid.
    """

    __slots__ = ("__weakref__", "_clock", "_entries", "_flights", "_lock", "_maxsize", "_seconds")

    def __init__(self, *, maxsize: int, seconds: Callable[[V], float], clock: Clock) -> None:
        if type(maxsize) is not int or maxsize < 1:
            raise ConfigurationError("maxsize must be a number of entries, at least 1")
        if not callable(clock):
            raise ConfigurationError(
                "clock must be a callable that returns seconds, like time.monotonic"
            )
        self._maxsize = maxsize
        self._seconds = seconds
        self._clock = clock
        # Reentrant: the garbage collector may finalize an unawaited coroutine at any time. Held for
        # each step, since comparing keys may call Python code of the application's.
        self._lock = forkable_lock()
        self.renew_in_child()
        renewed_in_child(self)

    def renew_in_child(self) -> None:
        """Begin empty: nobody in a forked child finishes what the parent's threads load."""
        self._entries: OrderedDict[Hashable, tuple[float, V]] = OrderedDict()
        self._flights: dict[Hashable, Future[V]] = {}

    def known(self, key: Hashable) -> V | None:
        """Return the remembered answer for ``key``, or ``None``."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is None or self._clock() >= entry[0]:
                return None
            self._touch(key)
            return entry[1]

    def _touch(self, key: Hashable) -> None:
        try:  # noqa: SIM105 - suppress() costs more than everything else here
            self._entries.move_to_end(key)
        except KeyError:
            # A finalizer has run since, and dropped it.
            pass

    def get(
        self, key: Hashable, load: Callable[[], V | Awaitable[V]], *, blocking: bool
    ) -> V | Awaitable[V]:
        """Return the answer for ``key``, or an awaitable of it.

        Args:
            key: the key of the answer.
            load: loads the answer if it is not remembered; returns it or an awaitable of it.
            blocking: whether to block, in a thread without an event loop; then neither
                ``load`` nor this method may return an awaitable.

        Raises:
            OverdueError: another caller is loading it, and did not finish before
                :data:`~tenantshield_mw.deadline.waits_until`.
        """
        while True:
            with self._lock:
                entry = self._entries.get(key)
                if entry is not None:
                    if self._clock() < entry[0]:
                        self._touch(key)
                        return entry[1]
                    self._entries.pop(key, None)
                flight = self._flights.get(key)
                # A finished one stays only if comparing keys has failed.
                if flight is None or flight.done():
                    own = self._flights[key] = Future()
                    # From now on none of the waiting callers can cancel it.
                    own.set_running_or_notify_cancel()
                    break
            if not blocking:
                return self._follow(key, flight, load)
            try:
                return _result(flight)
            except _AbandonedError:
                continue
        return self._lead(key, own, load)

    def _lead(
        self,
        key: Hashable,
        flight: Future[V],
        load: Callable[[], V | Awaitable[V]],
    ) -> V | Awaitable[V]:
        try:
            answer = load()
        except BaseException as error:
            self._fail(key, flight, error)
            raise
        if not is_awaitable(answer):
            self._land(key, flight, answer)  # type: ignore[arg-type]
            return answer
        leading = self._lead_later(key, flight, answer)  # type: ignore[arg-type]
        # A coroutine that is never awaited, or a task that is cancelled before it starts,
        # would leave the others waiting forever.
        weakref.finalize(leading, self._fail, key, flight, _AbandonedError()).atexit = False
        return leading

    async def _lead_later(self, key: Hashable, flight: Future[V], awaitable: Awaitable[V]) -> V:
        try:
            answer = await awaitable
        except BaseException as error:
            self._fail(key, flight, error)
            raise
        self._land(key, flight, answer)
        return answer

    async def _follow(
        self, key: Hashable, flight: Future[V], load: Callable[[], V | Awaitable[V]]
    ) -> V:
        try:
            return await asyncio.wrap_future(flight)
        except _AbandonedError:
            answer: Any = self.get(key, load, blocking=False)
            if is_awaitable(answer):
                answer = await answer
            return answer  # type: ignore[no-any-return]

    def _land(self, key: Hashable, flight: Future[V], answer: V) -> None:
        try:
            with self._lock:
                # Not if forget() was called meanwhile: the answer may predate that.
                if self._flights.get(key) is flight:
                    del self._flights[key]
                    seconds = self._seconds(answer)
                    if seconds > 0:
                        self._entries[key] = (self._clock() + seconds, answer)
                        if len(self._entries) > self._maxsize:
                            self._entries.popitem(last=False)
        finally:
            # The others wait without a limit, and need not care what is remembered.
            flight.set_result(answer)

    def _fail(self, key: Hashable, flight: Future[V], error: BaseException) -> None:
        if flight.done():
            return
        try:
            with self._lock:
                if self._flights.get(key) is flight:
                    del self._flights[key]
        finally:
            # A cancellation or time limit concerns only the caller it was set for.
            reaches_all = isinstance(error, Exception) and not isinstance(error, OverdueError)
            flight.set_exception(error if reaches_all else _AbandonedError())

    def forget(self, is_meant: Callable[[Hashable, V], bool]) -> None:
        """Forget the entries that ``is_meant`` selects, and everything that is being loaded."""
        with self._lock:
            # From now on, whatever is remembered was loaded after this call.
            self._flights.clear()
            entries = list(self._entries.items())
        for key, entry in entries:
            # Not while the lock is held: this is the caller's code.
            if is_meant(key, entry[1]):
                with self._lock:
                    if self._entries.get(key) is entry:
                        del self._entries[key]


def _result(flight: Future[V]) -> V:
    until = waits_until.get()
    if until is not None and not wait([flight], max(0.0, until - time.monotonic())).done:
        raise OverdueError("an answer that several requests wait for did not arrive in time")
    return flight.result()
