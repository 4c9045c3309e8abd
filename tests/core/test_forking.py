"""A forked child waits for no thread of its parent."""

from __future__ import annotations

import gc
import re
import weakref
from pathlib import Path
from typing import Any

import pytest

from tenantshield_mw.forking import forkable_lock, renewed_in_child
from tests.forks import held_by_a_thread, in_child, needs_fork
from tests.threads import in_thread

CHECKOUT = Path(__file__).parents[2]

_HOLDS = re.compile(r"\b(?:R?Lock|(?:Bounded)?Semaphore|Condition|cached_property)\b")
_ALLOWED = {
    # The type and the making of the lock that the others use.
    "tenantshield_mw/forking.py": {"RLock"},
    # Renewed in a child; and one for each call, which nobody waits for.
    "tenantshield_mw/deadline.py": {"BoundedSemaphore", "Lock"},
}


class Counter:
    def __init__(self, *, fails: bool = False) -> None:
        self.renewed = 0
        self._fails = fails
        renewed_in_child(self)

    def renew_in_child(self) -> None:
        if self._fails:
            raise LookupError
        self.renewed += 1


@needs_fork
def test_a_child_takes_a_lock_that_a_thread_of_its_parent_holds() -> None:
    lock = forkable_lock()
    with held_by_a_thread(lock):
        assert in_child(lambda: lock.acquire(timeout=10)) == "True"
        # The parent's is not free because of that.
        assert not lock.acquire(blocking=False)


@needs_fork
def test_what_the_forking_thread_holds_it_holds_in_the_child() -> None:
    lock = forkable_lock()

    def held_and_released() -> tuple[Any, Any]:
        taken = in_thread(lambda: lock.acquire(blocking=False))
        lock.release()
        return taken, in_thread(lambda: lock.acquire(blocking=False))

    lock.acquire()
    assert in_child(held_and_released) == "(False, True)"
    lock.release()


def test_a_finalizer_may_come_back_to_it() -> None:
    lock = forkable_lock()
    with lock:
        assert lock.acquire(blocking=False)
        lock.release()


@needs_fork
def test_each_object_is_renewed_in_a_child_also_if_another_one_fails() -> None:
    counters = [Counter(fails=number % 2 == 1) for number in range(10)]
    assert in_child(lambda: [each.renewed for each in counters]) == str([1, 0] * 5)
    assert {each.renewed for each in counters} == {0}


@pytest.mark.parametrize("make", [forkable_lock, Counter])
def test_nothing_is_kept_by_that(make: Any) -> None:
    made = make()
    known = weakref.ref(made)
    del made
    gc.collect()
    assert known() is None


def test_every_lock_of_the_package_is_such_a_lock() -> None:
    linked = CHECKOUT / "tenantshield_mw" / "adapters"
    found = {
        path.relative_to(CHECKOUT).as_posix(): set(_HOLDS.findall(_code_of(path)))
        for room in ("tenantshield_mw", "adapters")
        for path in sorted((CHECKOUT / room).rglob("*.py"))
        if not path.is_relative_to(linked)
    }
    assert {name: held for name, held in found.items() if held} == _ALLOWED


def _code_of(path: Path) -> str:
    return re.sub(r"#.*", "", path.read_text())
