"""A TTL cache with single-flight loading."""

from __future__ import annotations

import asyncio
import math
import time
import weakref
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from concurrent.futures import Future, wait
from threading import RLock
from typing import Any, Final, Generic, TypeAlias, TypeVar, final

from .deadline import OverdueError, waits_until
from .errors import ConfigurationError
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
    remembered. If the first caller is cancelled, the next one loads.

    Args:
        maxsize: the largest number of answers to remember; at least 1.
        seconds: returns how long to remember an answer.
        clock: returns the time.

    Raises:
        ConfigurationError: ``maxsize`` or ``clock`` is invalid.
    """

    __slots__ = ("_clock", "_entries", "_flights", "_lock", "_maxsize", "_seconds")

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
        # Reentrant: the garbage collector may finalize an unawaited coroutine at any time.
        self._lock = RLock()
        self._entries: OrderedDict[Hashable, tuple[float, V]] = OrderedDict()
        self._flights: dict[Hashable, Future[V]] = {}

    def known(self, key: Hashable) -> V | None:
        """Return the remembered answer for ``key``, or ``None``."""
        entry = self._entries.get(key)
        if entry is None or self._clock() >= entry[0]:
            return None
        # No lock: each step is atomic, and another thread can at worst drop the entry
        # in between.
        try:  # noqa: SIM105 - suppress() costs more than everything else here
            self._entries.move_to_end(key)
        except KeyError:
            pass
        return entry[1]

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
                        self._entries.move_to_end(key)
                        return entry[1]
                    del self._entries[key]
                flight = self._flights.get(key)
                if flight is None:
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
        with self._lock:
            # Not if forget() was called meanwhile: the answer may predate that.
            if self._flights.get(key) is flight:
                del self._flights[key]
                seconds = self._seconds(answer)
                if seconds > 0:
                    self._entries[key] = (self._clock() + seconds, answer)
                    if len(self._entries) > self._maxsize:
                        self._entries.popitem(last=False)
        flight.set_result(answer)

    def _fail(self, key: Hashable, flight: Future[V], error: BaseException) -> None:
        if flight.done():
            return
        with self._lock:
            if self._flights.get(key) is flight:
                del self._flights[key]
        # A cancellation or time limit concerns only the caller it was set for.
        reaches_all = isinstance(error, Exception) and not isinstance(error, OverdueError)
        flight.set_exception(error if reaches_all else _AbandonedError())

    def forget(self, is_meant: Callable[[Hashable, V], bool]) -> None:
        """Forget the entries that ``is_meant`` selects, and everything that is being loaded."""
        with self._lock:
            for key in [key for key, (_, answer) in self._entries.items() if is_meant(key, answer)]:
                del self._entries[key]
            self._flights.clear()


def _result(flight: Future[V]) -> V:
    until = waits_until.get()
    if until is not None and not wait([flight], max(0.0, until - time.monotonic())).done:
        raise OverdueError("an answer that several requests wait for did not arrive in time")
    return flight.result()
