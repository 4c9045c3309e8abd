"""What threads, finalizers and keys with code of their own do to the cache."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tenantshield_mw.cache import SingleFlightCache
from tests.forks import in_child, needs_fork
from tests.threads import in_thread


def memory(seconds: Any = lambda answer: 60.0) -> SingleFlightCache[Any]:
    return SingleFlightCache(maxsize=10, seconds=seconds, clock=time.monotonic)


class Key:
    """A key of the application's own: all have one hash, and comparing may fail."""

    fails = False

    def __init__(self, number: int) -> None:
        self.number = number

    def __hash__(self) -> int:
        return 1

    def __eq__(self, other: object) -> bool:
        if Key.fails:
            raise LookupError("cannot compare")
        return isinstance(other, Key) and other.number == self.number


class Watching:
    """A key that calls something whenever it is hashed."""

    def __init__(self) -> None:
        self.calls: list[Any] = []
        self.call: Any = lambda: None

    def __hash__(self) -> int:
        self.calls.append(self.call())
        return 1


@needs_fork
def test_a_child_does_not_wait_for_what_a_thread_of_its_parent_loads() -> None:
    remembered = memory()
    loading, go_on = threading.Event(), threading.Event()

    def load() -> str:
        loading.set()
        assert go_on.wait(60)
        return "the parent's"

    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(remembered.get, "a", load, blocking=True)
        assert loading.wait(60)
        try:
            own = in_child(lambda: remembered.get("a", lambda: "the child's", blocking=True))
        finally:
            go_on.set()
        assert answer.result(60) == "the parent's"
    assert own == repr("the child's")


@needs_fork
def test_a_child_begins_with_an_empty_cache() -> None:
    remembered = memory()
    remembered.get("a", lambda: "answer", blocking=True)
    assert in_child(lambda: remembered.known("a")) == "None"
    assert remembered.known("a") == "answer"


async def test_the_others_get_an_answer_that_cannot_be_remembered() -> None:
    def seconds(answer: Any) -> float:
        raise LookupError("no time to live")

    remembered = memory(seconds)

    async def load() -> str:
        return "answer"

    both: list[Any] = [remembered.get("a", load, blocking=False) for _ in range(2)]
    first, second = await asyncio.wait_for(asyncio.gather(*both, return_exceptions=True), 20)
    assert isinstance(first, LookupError)
    assert second == "answer"


@pytest.mark.parametrize("fails", [False, True])
async def test_what_is_finished_is_not_waited_for_although_keys_could_not_be_compared(
    monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    remembered = memory()
    answers = iter(["first", "second"])
    forever = asyncio.get_running_loop().create_future()
    pending: Any = remembered.get(Key(1), lambda: forever, blocking=False)

    async def load() -> str:
        monkeypatch.setattr(Key, "fails", True)
        if fails:
            raise ValueError
        return next(answers)

    landing: Any = remembered.get(Key(2), load, blocking=False)
    with pytest.raises(LookupError):
        await asyncio.wait_for(landing, 20)
    monkeypatch.setattr(Key, "fails", False)
    again: Any = remembered.get(Key(2), lambda: asyncio.sleep(0, "again"), blocking=False)
    assert await asyncio.wait_for(again, 20) == "again"
    pending.close()


@pytest.mark.parametrize("method", ["known", "get"])
def test_the_entries_are_used_under_the_lock_alone(method: str) -> None:
    remembered, key = memory(), Watching()
    for each in (key, "the last one"):
        remembered.get(each, lambda: "answer", blocking=True)
    key.calls.clear()
    key.call = lambda: in_thread(lambda: remembered._lock.acquire(blocking=False))
    if method == "known":
        assert remembered.known(key) == "answer"
    else:
        assert remembered.get(key, lambda: "another", blocking=True) == "answer"
    # To find it, and to move it to the end.
    assert key.calls == [False, False]


@pytest.mark.parametrize("method", ["known", "get"])
def test_an_entry_may_be_dropped_while_it_is_used(method: str) -> None:
    remembered, key = memory(), Watching()
    for each in (key, "the last one"):
        remembered.get(each, lambda: "answer", blocking=True)
    key.calls.clear()

    def drop() -> None:
        # As a finalizer could, between the two steps.
        if len(key.calls) == 1:
            remembered._entries.clear()

    key.call = drop
    if method == "known":
        assert remembered.known(key) == "answer"
    else:
        assert remembered.get(key, lambda: "another", blocking=True) == "answer"
    assert not remembered._entries


def test_what_is_meant_is_asked_while_other_threads_use_the_cache() -> None:
    remembered = memory()
    for number in range(4):
        remembered.get(number, lambda: "answer", blocking=True)

    def is_meant(key: Any, answer: Any) -> bool:
        in_thread(lambda: remembered.known(0))
        return bool(key == 2)

    remembered.forget(is_meant)
    assert [remembered.known(number) for number in range(4)] == ["answer", "answer", None, "answer"]


def test_what_was_loaded_again_meanwhile_is_not_forgotten() -> None:
    remembered = memory()
    remembered.get("a", lambda: "old", blocking=True)

    def is_meant(key: Any, answer: Any) -> bool:
        remembered._entries.clear()
        remembered.get("a", lambda: "new", blocking=True)
        return True

    remembered.forget(is_meant)
    assert remembered.known("a") == "new"
