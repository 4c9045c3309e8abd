"""The engines of the databases in use, of which there are at most so many."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import Engine

from tenantshield_mw.forking import forkable_lock, renewed_in_child

from ..errors import PlacementUnavailableError
from .placement import Placement
from .unfinished import UNFINISHED, is_unfinished

__all__ = ["Engines"]


@dataclass(slots=True, eq=False)
class _Opened:
    """An engine in use.

    Attributes:
        engine: the engine.
        pins: how many threads and tasks are about to connect with it.
        is_finished: whether the database is known not to have the mark of an unfinished one.
        variants: the same engine with the execution options of another, by that one.
    """

    engine: Engine
    pins: int = 0
    is_finished: bool = False
    variants: WeakKeyDictionary[Engine, Engine] = field(default_factory=WeakKeyDictionary)

    def is_idle(self) -> bool:
        pool: Any = self.engine.pool
        # The pins last: a finalizer may connect with it while the pool is asked.
        return pool.checkedout() == 0 and self.pins == 0


class Engines:
    """The engines of the databases in use, by the name of the database.

    Args:
        make: creates the engine of a database.
        most: the largest number of engines.
        asks: whether databases are asked here whether they are finished; otherwise each
            transaction does.
    """

    def __init__(self, make: Callable[[str], Engine], most: int, *, asks: bool) -> None:
        self._make = make
        self._most = most
        self._asks = asks
        # The one that was not used for longest comes first.
        self._opened: OrderedDict[str, _Opened] = OrderedDict()
        self._closing = 0
        self._lock = forkable_lock()
        renewed_in_child(self)

    def renew_in_child(self) -> None:
        """Begin without engines in a forked child: their connections are the parent's."""
        self._closing = 0
        self.dispose(close=False)

    def names(self) -> tuple[str, ...]:
        """Return the databases that have an engine, the one that was used last at the end."""
        with self._lock:
            return (*self._opened,)

    @contextmanager
    def pinned(self, name: str, placement: Placement, like: Engine) -> Generator[Engine]:
        """Yield the engine of a database, which is not disposed of before the end of the block.

        Args:
            name: the database.
            placement: the place in it that is used.
            like: the engine whose execution options it gets.

        Raises:
            PlacementError: there is no such database.
            PlacementUnavailableError: it is unfinished, or too many are in use.
        """
        opened = self._pin(name)
        try:
            if self._asks and not (placement.unfinished or opened.is_finished):
                _check_finished(opened, placement)
            yield self._variant(opened, like)
        finally:
            with self._lock:
                opened.pins -= 1

    def _pin(self, name: str) -> _Opened:
        with self._lock:
            opened = self._opened.get(name)
            if opened is not None:
                opened.pins += 1
                self._opened.move_to_end(name)
                return opened
        # This calls the application, so not while the lock is held. Nothing is connected yet.
        made = _Opened(self._make(name))
        with self._lock:
            if name in self._opened:
                # Another thread was faster.
                self._opened[name].pins += 1
                return self._opened[name]
            idle = self._make_room()
            if idle is None:
                self._opened[name] = made
                made.pins += 1
                return made
            self._closing += 1
        # Closing may wait for the database, so not while the lock is held.
        try:
            idle.engine.dispose()
        except BaseException:
            with self._lock:
                self._closing -= 1
            raise
        with self._lock:
            self._closing -= 1
            made = self._opened.setdefault(name, made)
            made.pins += 1
            return made

    def _make_room(self) -> _Opened | None:
        """Return the engine to dispose of, if there is no room for another one."""
        if len(self._opened) + self._closing < self._most:
            return None
        # A copy, since a finalizer that runs meanwhile may change them.
        for name, opened in list(self._opened.items()):
            if opened.is_idle() and self._opened.pop(name, None) is not None:
                return opened
        raise PlacementUnavailableError(
            f"{self._most} databases of tenants are in use, and there is no room for another one: "
            "raise Databases(open_databases=...), or shorten transactions"
        )

    def _variant(self, opened: _Opened, like: Engine) -> Engine:
        options = like.get_execution_options()
        if not options:
            return opened.engine
        with self._lock:
            found = opened.variants.get(like)
        if found is not None:
            return found
        # This calls the application's listeners, so not while the lock is held.
        made = opened.engine.execution_options(**options)
        with self._lock:
            # A session knows its connections by the engine, so the first one stays.
            return opened.variants.setdefault(like, made)

    def dispose(self, *, close: bool = True) -> None:
        """Dispose of all engines; those in use close their connections when they are returned.

        Args:
            close: whether to close connections; otherwise they are left as they are, for another
                process.
        """
        with self._lock:
            opened, self._opened = self._opened, OrderedDict()
        for each in opened.values():
            each.engine.dispose(close=close)


def _check_finished(opened: _Opened, placement: Placement) -> None:
    if is_unfinished(opened.engine):
        raise PlacementUnavailableError(
            f"{placement} is being made or emptied: it can be used when its table "
            f"{UNFINISHED!r} is dropped, which is the last step of that"
        )
    opened.is_finished = True
