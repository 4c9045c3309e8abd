"""What a process needs that was forked while threads of its parent were at work.

These threads do not exist in the child, and neither release their locks nor finish anything there.
Servers fork before they serve, and jobs with ``multiprocessing`` at any time.
"""

from __future__ import annotations

import logging
import os
from threading import RLock
from typing import Any, Final, Protocol
from weakref import WeakSet

__all__ = ["Renewable", "forkable_lock", "renewed_in_child"]

# Imported above in any case: logging and threading renew their own locks before this does.
_logger: Final = logging.getLogger("tenantshield_mw")


class Renewable(Protocol):
    """An object that has to do with what threads do."""

    def renew_in_child(self) -> None:
        """Become what the child can use. Its locks are free; nothing else runs in the process."""


# Weak: whoever uses one keeps it.
_locks: Final[WeakSet[Any]] = WeakSet()
_renewables: Final[WeakSet[Renewable]] = WeakSet()


def forkable_lock() -> RLock:
    """Return a lock that no thread of the parent holds in a forked child.

    It is reentrant: where it is held, the garbage collector may run a finalizer that executes a
    statement, which may come back to the same lock. What it protects must bear both: that, and
    that a child begins with what is half done.
    """
    lock = RLock()
    _locks.add(lock)
    return lock


def renewed_in_child(renewable: Renewable) -> None:
    """Call ``renewable.renew_in_child()`` in each forked child, as long as the object lives."""
    _renewables.add(renewable)


def _begin_child() -> None:
    lock: Any
    for lock in list(_locks):
        # What the forking thread holds, it goes on to hold, and releases. The name is Python's own
        # for this; logging has no other way.
        if not lock._is_owned():
            lock._at_fork_reinit()
    for each in list(_renewables):
        try:
            each.renew_in_child()
        except Exception:
            _logger.exception("a forked process could not renew a %s", type(each).__name__)


# Windows has no fork.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_child)
