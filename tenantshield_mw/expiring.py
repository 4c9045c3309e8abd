"""A bounded memory whose entries expire, and which asks once for what many want at once."""

from __future__ import annotations

import asyncio
import math
import time
import weakref
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from concurrent.futures import Future, wait
from contextvars import ContextVar
from threading import RLock
from typing import Any, Final, Generic, TypeAlias, TypeVar, final

from .dispatch import is_awaitable
from .errors import ConfigurationError

__all__ = [
    "Clock",
    "OverdueError",
    "SingleFlightCache",
    "failure_seconds",
    "waits_until",
    "without_event_loop",
]

V = TypeVar("V")

Clock: TypeAlias = Callable[[], float]
"""Tells the time in seconds and never goes back, as ``time.monotonic`` does."""

FAILURE_SECONDS: Final = 5.0
"""How long a failure is remembered where nothing is said, or less if successes are."""


def failure_seconds(ttl: float, failure_ttl: float | None) -> float:
    """Return how long failures are remembered, given how long successes are, in seconds.

    Raises:
        ConfigurationError: one of the two is no such time, or failures would be
            remembered longer than successes.
    """
    if failure_ttl is None:
        failure_ttl = min(FAILURE_SECONDS, ttl) if _is_seconds(ttl) else FAILURE_SECONDS
    if not _is_seconds(ttl) or not _is_seconds(failure_ttl) or ttl == 0:
        raise ConfigurationError("a ttl is a number of seconds, above 0 for what was found")
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
    """Say whether the running thread has no event loop that waiting in place would stop."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return True
    return False


waits_until: Final[ContextVar[float | None]] = ContextVar(
    "tenantshield_mw.waits_until", default=None
)
"""Until when a thread waits for an answer that another one loads, as ``time.monotonic()`` tells
the time; ``None`` for as long as it takes. For whoever has a time limit and runs the waiting in
a thread: nothing else ends it."""


class OverdueError(TimeoutError):
    """The answer that another one loads did not come until :data:`waits_until`."""


class _AbandonedError(Exception):
    """Whoever asked was cancelled; somebody else has to ask."""


@final
class SingleFlightCache(Generic[V]):
    """Answers by key: the least recently used go first, and all go when their time is over.

    Of several that ask for one key at the same time, tasks and threads alike, the first
    loads the answer and the others wait for it. An error reaches all of them and is not
    remembered. Where the first is cancelled, the next one loads.

    Args:
        maxsize: how many answers are remembered at most; at least 1.
        seconds: for how long an answer is remembered.
        clock: what tells the time.

    Raises:
        ConfigurationError: ``maxsize`` or ``clock`` is none.
    """

    __slots__ = ("_clock", "_entries", "_flights", "_lock", "_maxsize", "_seconds")

    def __init__(self, *, maxsize: int, seconds: Callable[[V], float], clock: Clock) -> None:
        if type(maxsize) is not int or maxsize < 1:
            raise ConfigurationError("maxsize is a number of entries, at least 1")
        if not callable(clock):
            raise ConfigurationError("clock is a callable that returns seconds: time.monotonic")
        self._maxsize = maxsize
        self._seconds = seconds
        self._clock = clock
        # Collecting garbage may come upon a coroutine that nobody awaited, at any time.
        self._lock = RLock()
        self._entries: OrderedDict[Hashable, tuple[float, V]] = OrderedDict()
        self._flights: dict[Hashable, Future[V]] = {}

    def known(self, key: Hashable) -> V | None:
        """Return the answer for ``key`` if it is remembered, else ``None``."""
        entry = self._entries.get(key)
        if entry is None or self._clock() >= entry[0]:
            return None
        # Without the lock, since each of these is one step, and the worst that another
        # thread can do in between is to let the entry go.
        try:  # noqa: SIM105 - suppress() costs more than all the rest
            self._entries.move_to_end(key)
        except KeyError:
            pass
        return entry[1]

    def get(
        self, key: Hashable, load: Callable[[], V | Awaitable[V]], *, blocking: bool
    ) -> V | Awaitable[V]:
        """Return the answer for ``key``, or what to await for it.

        Args:
            key: what the answer is remembered by.
            load: finds the answer where it is not known; returns it or what to await.
            blocking: whether to wait in place, in a thread without an event loop; then
                ``load`` may not return an awaitable, and this does not.

        Raises:
            OverdueError: another one loads it, and has not until :data:`waits_until`.
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
                    # From now on it cannot be cancelled by one of those who wait for it.
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
        # A coroutine that nobody awaits, or a task that is cancelled before it begins,
        # would leave the others waiting for ever.
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
            # Not if it was forgotten in the meantime, for the answer may be older.
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
        # A cancellation or a time limit is meant for the one who was under it.
        reaches_all = isinstance(error, Exception) and not isinstance(error, OverdueError)
        flight.set_exception(error if reaches_all else _AbandonedError())

    def forget(self, is_meant: Callable[[Hashable, V], bool]) -> None:
        """Forget the entries that ``is_meant`` says, and what is being loaded at present."""
        with self._lock:
            for key in [key for key, (_, answer) in self._entries.items() if is_meant(key, answer)]:
                del self._entries[key]
            self._flights.clear()


def _result(flight: Future[V]) -> V:
    until = waits_until.get()
    if until is not None and not wait([flight], max(0.0, until - time.monotonic())).done:
        raise OverdueError("an answer that several requests wait for did not come in time")
    return flight.result()
