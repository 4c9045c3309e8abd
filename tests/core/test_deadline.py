"""The time limit of a thread that waits for an answer that another thread loads."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

import pytest

from tenantshield_mw import deadline
from tenantshield_mw.cache import SingleFlightCache
from tenantshield_mw.deadline import OverdueError, limited_in_thread, waits_until
from tests.forks import in_child, needs_fork


def memory() -> SingleFlightCache[Any]:
    return SingleFlightCache(maxsize=10, seconds=lambda answer: 60.0, clock=time.monotonic)


@pytest.mark.parametrize("seconds", [0.0, 0.01])
def test_a_thread_waits_for_another_threads_answer_only_until_its_limit(seconds: float) -> None:
    remembered = memory()
    loading = threading.Event()
    go_on = threading.Event()

    def load() -> str:
        loading.set()
        assert go_on.wait(30)
        return "answer"

    def ask_in_time() -> Any:
        waits_until.set(time.monotonic() + seconds)
        return remembered.get("a", load, blocking=True)

    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(remembered.get, "a", load, blocking=True)
        assert loading.wait(30)
        patient = pool.submit(remembered.get, "a", load, blocking=True)
        with pytest.raises(OverdueError):
            pool.submit(copy_context().run, ask_in_time).result(30)
        # Neither other callers nor other keys are blocked by that.
        assert copy_context().run(remembered.get, "b", lambda: "other", blocking=True) == "other"
        go_on.set()
        assert [first.result(30), patient.result(30)] == ["answer"] * 2
        assert copy_context().run(ask_in_time) == "answer"


def test_after_a_caller_times_out_another_one_loads() -> None:
    outer, inner = memory(), memory()
    inside, outside = threading.Event(), threading.Event()
    go_on = threading.Event()

    def load() -> str:
        inside.set()
        assert go_on.wait(30)
        return "answer"

    def ask_inner() -> Any:
        outside.set()
        return inner.get("a", load, blocking=True)

    def ask_outer() -> Any:
        # Its time ends while the other one waits for it, not before.
        waits_until.set(time.monotonic() + 0.2)
        return outer.get("a", ask_inner, blocking=True)

    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(inner.get, "a", load, blocking=True)
        assert inside.wait(30)
        overdue = pool.submit(copy_context().run, ask_outer)
        assert outside.wait(30)
        patient = pool.submit(outer.get, "a", ask_inner, blocking=True)
        assert isinstance(overdue.exception(30), OverdueError)
        go_on.set()
        assert [first.result(30), patient.result(30)] == ["answer"] * 2


@needs_fork
def test_threads_of_a_parent_do_not_count_in_a_child(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadline, "_MAX_WAITING", 1)
    inside, go_on = threading.Event(), threading.Event()

    def find(argument: str) -> str:
        if argument == "parent":
            inside.set()
            assert go_on.wait(60)
        return argument

    call = limited_in_thread(find, 20)
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(call, "parent")
        assert inside.wait(60)
        try:
            own = in_child(lambda: call("child"))
        finally:
            go_on.set()
        assert answer.result(60) == "parent"
    assert own == repr("child")
