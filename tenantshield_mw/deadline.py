"""Time limits for finding the tenant of a request."""

from __future__ import annotations

import asyncio
import logging
import math
import queue
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from contextvars import ContextVar, copy_context
from typing import Any, Final, Generic, TypeAlias, TypeVar, final

from .errors import ConfigurationError
from .forking import renewed_in_child

__all__ = ["OverdueError", "check_timeout", "limited", "limited_in_thread", "waits_until"]

T = TypeVar("T")

Outcome: TypeAlias = Callable[[], T]
"""Returns what a call returned, or raises what it raised."""

_logger: Final = logging.getLogger("tenantshield_mw")

_MAX_WAITING: Final = 64
"""How many threads of one middleware may wait for resolvers that do not answer."""

waits_until: Final[ContextVar[float | None]] = ContextVar(
    "tenantshield_mw.waits_until", default=None
)
"""When a blocking wait for another caller's answer ends, by ``time.monotonic()``; ``None`` for
no limit. Cancellation does not reach a thread, so a time limit sets this as well."""


class OverdueError(TimeoutError):
    """Another caller's answer did not arrive before :data:`waits_until`."""


def check_timeout(timeout: object) -> None:
    """Check a middleware's ``timeout``.

    Raises:
        ConfigurationError: ``timeout`` is invalid.
    """
    if timeout is not None and not (
        isinstance(timeout, int | float)
        and not isinstance(timeout, bool)
        and 0 < timeout < math.inf
    ):
        raise ConfigurationError("timeout must be a number of seconds above 0, or None")


def limited(
    function: Callable[[Any], Awaitable[T]], timeout: float
) -> Callable[[Any], Awaitable[T]]:
    """Wrap an async ``function`` to raise ``TimeoutError`` after ``timeout`` seconds."""

    async def call(argument: Any) -> T:
        token = waits_until.set(time.monotonic() + timeout)
        try:
            async with asyncio.timeout(timeout):
                return await function(argument)
        finally:
            # Closed from another context, there is nothing to reset.
            with suppress(ValueError):
                waits_until.reset(token)

    return call


def limited_in_thread(function: Callable[[Any], T], timeout: float) -> Callable[[Any], T]:
    """Wrap a sync ``function`` to raise ``TimeoutError`` after ``timeout`` seconds.

    Each call runs in a thread of its own. A call cannot be interrupted: it continues in its
    thread, and the number of these threads is bounded.
    """
    waiting = _Waiting()

    def call(argument: Any) -> T:
        free = waiting.free
        until = time.monotonic() + timeout
        if not free.acquire(timeout=timeout):
            raise TimeoutError(f"{_MAX_WAITING} threads wait for a resolver that does not answer")
        limited_call = _LimitedCall(lambda: function(argument), until, free.release)
        # A daemon, so that a resolver that never answers does not keep the server from stopping.
        thread = threading.Thread(
            target=limited_call.run, name="tenantshield_mw resolver", daemon=True
        )
        try:
            thread.start()
        except RuntimeError:
            free.release()
            raise
        outcome = limited_call.wait()
        if outcome is None:
            raise TimeoutError(f"no answer within {timeout} seconds")
        return outcome()

    return call


@final
class _Waiting:
    """How many more threads may wait, in this process."""

    def __init__(self) -> None:
        self.renew_in_child()
        renewed_in_child(self)

    def renew_in_child(self) -> None:
        """Count anew in a forked child, where none of the parent's threads ends."""
        self.free = threading.BoundedSemaphore(_MAX_WAITING)


@final
class _LimitedCall(Generic[T]):
    """One call in a thread, and the wait for its outcome."""

    __slots__ = ("_context", "_decided", "_done", "_function", "_outcomes", "_until")

    def __init__(self, function: Callable[[], T], until: float, done: Callable[[], None]) -> None:
        self._function = function
        self._until = until
        self._done = done
        # What the resolver binds does not reach the app.
        self._context = copy_context()
        self._context.run(waits_until.set, until)
        self._outcomes: queue.SimpleQueue[Outcome[T]] = queue.SimpleQueue()
        # Taken first by the outcome or by the end of the wait: that decides whether the
        # outcome was in time.
        self._decided = threading.Lock()

    def run(self) -> None:
        """Call the function and deliver its outcome; runs in the thread."""
        try:
            answer = self._context.run(self._function)
        except OverdueError:
            # The wait ends at the same moment; there is nothing to add.
            pass
        except BaseException as error:  # noqa: BLE001 - raised where it is awaited
            self._deliver(_raising(error))
        else:
            self._deliver(lambda: answer)
        finally:
            self._done()

    def wait(self) -> Outcome[T] | None:
        """Return the outcome, or ``None`` if it was not in time."""
        try:
            return self._outcomes.get(timeout=max(0.0, self._until - time.monotonic()))
        except queue.Empty:
            return None if self._decided.acquire(blocking=False) else self._outcomes.get()

    def _deliver(self, outcome: Outcome[T]) -> None:
        if self._decided.acquire(blocking=False):
            self._outcomes.put(outcome)
        else:
            _log_late(outcome)


def _raising(error: BaseException) -> Callable[[], Any]:
    def outcome() -> Any:
        raise error

    return outcome


def _log_late(outcome: Callable[[], object]) -> None:
    try:
        outcome()
    except BaseException as error:
        _logger.warning("finding the tenant failed after its request was refused", exc_info=error)
    else:
        _logger.info("the tenant was found after its request was refused")
