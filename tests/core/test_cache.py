"""What the cache remembers and for how long, and concurrent callers share one load."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenantshield_mw import ConfigurationError
from tenantshield_mw.cache import SingleFlightCache, failure_seconds, without_event_loop


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def memory(clock: Clock, *, maxsize: int = 10, seconds: float = 60.0) -> SingleFlightCache[Any]:
    return SingleFlightCache(maxsize=maxsize, seconds=lambda answer: seconds, clock=clock)


class Loads:
    """Loads that are counted."""

    def __init__(self) -> None:
        self.keys: list[Any] = []

    def of(self, key: Any) -> Callable[[], Any]:
        def load() -> Any:
            self.keys.append(key)
            return f"{key} {len(self.keys)}"

        return load


def get(remembered: SingleFlightCache[Any], loads: Loads, key: Any) -> Any:
    return remembered.get(key, loads.of(key), blocking=True)


def test_an_answer_is_remembered_until_its_time_is_over() -> None:
    clock, loads = Clock(), Loads()
    remembered = memory(clock, seconds=60)
    assert get(remembered, loads, "a") == "a 1"
    clock.now += 59.9
    assert get(remembered, loads, "a") == "a 1"
    clock.now += 0.1
    assert get(remembered, loads, "a") == "a 2"
    clock.now += 59.9
    assert get(remembered, loads, "a") == "a 2"


def test_an_answer_with_no_time_to_live_is_not_remembered() -> None:
    clock, loads = Clock(), Loads()
    remembered = memory(clock, seconds=0)
    assert [get(remembered, loads, "a") for _ in range(2)] == ["a 1", "a 2"]


def test_the_least_recently_used_goes_first() -> None:
    clock, loads = Clock(), Loads()
    remembered = memory(clock, maxsize=2)
    for key in ("a", "b", "a", "c", "a", "b"):
        get(remembered, loads, key)
    assert loads.keys == ["a", "b", "c", "b"]


@given(keys=st.lists(st.integers(0, 9), max_size=60), maxsize=st.integers(1, 5))
def test_it_behaves_like_a_list_of_the_last_used_keys(keys: list[int], maxsize: int) -> None:
    remembered, loads = memory(Clock(), maxsize=maxsize), Loads()
    model: list[int] = []
    expected: list[int] = []
    for key in keys:
        get(remembered, loads, key)
        if key in model:
            model.remove(key)
        else:
            expected.append(key)
        model = [*model, key][-maxsize:]
    assert loads.keys == expected


def test_an_error_is_not_remembered() -> None:
    remembered = memory(Clock())

    def broken() -> Any:
        raise LookupError

    for _ in range(2):
        with pytest.raises(LookupError):
            remembered.get("a", broken, blocking=True)
    assert remembered.get("a", lambda: 1, blocking=True) == 1


def test_what_is_forgotten_is_loaded_again() -> None:
    clock, loads = Clock(), Loads()
    remembered = memory(clock)
    for key in ("a", "b"):
        get(remembered, loads, key)
    remembered.forget(lambda key, answer: key == "a" and answer == "a 1")
    for key in ("a", "b"):
        get(remembered, loads, key)
    assert loads.keys == ["a", "b", "a"]


async def test_concurrent_tasks_share_one_load() -> None:
    remembered = memory(Clock())
    go_on = asyncio.Event()
    calls: list[str] = []

    async def load() -> str:
        calls.append("called")
        await go_on.wait()
        return "answer"

    async def ask() -> Any:
        answer = remembered.get("a", load, blocking=False)
        return answer if isinstance(answer, str) else await answer

    tasks = [asyncio.create_task(ask()) for _ in range(20)]
    await asyncio.sleep(0)
    go_on.set()
    assert await asyncio.gather(*tasks) == ["answer"] * 20
    assert calls == ["called"]
    assert await ask() == "answer"
    assert calls == ["called"]


async def test_an_error_reaches_every_task_that_waited_for_it() -> None:
    remembered = memory(Clock())
    go_on = asyncio.Event()

    async def load() -> str:
        await go_on.wait()
        raise LookupError("broken")

    async def ask() -> Any:
        return await remembered.get("a", load, blocking=False)

    tasks = [asyncio.create_task(ask()) for _ in range(5)]
    await asyncio.sleep(0)
    go_on.set()
    errors = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(error) for error in errors] == [LookupError] * 5


async def test_when_the_first_caller_is_cancelled_the_next_one_loads() -> None:
    remembered = memory(Clock())
    go_on = asyncio.Event()
    calls: list[int] = []

    async def load() -> int:
        calls.append(len(calls))
        number = len(calls)
        await go_on.wait()
        return number

    async def ask() -> Any:
        return await remembered.get("a", load, blocking=False)

    first, *others = (asyncio.create_task(ask()) for _ in range(4))
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    go_on.set()
    assert await asyncio.gather(*others) == [2, 2, 2]


async def test_a_cancelled_follower_does_not_affect_the_others() -> None:
    remembered = memory(Clock())
    go_on = asyncio.Event()

    async def load() -> str:
        await go_on.wait()
        return "answer"

    async def ask() -> Any:
        return await remembered.get("a", load, blocking=False)

    first, second, third = (asyncio.create_task(ask()) for _ in range(3))
    await asyncio.sleep(0)
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    go_on.set()
    assert list(await asyncio.gather(first, third)) == ["answer"] * 2


async def test_an_answer_that_is_never_awaited_does_not_block_the_others() -> None:
    remembered = memory(Clock())

    def load() -> Any:
        answer = asyncio.get_running_loop().create_future()
        answer.set_result("answer")
        return answer

    task = asyncio.create_task(remembered.get("a", load, blocking=False))  # type: ignore[arg-type]
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    del task
    gc.collect()
    again: Any = remembered.get("a", load, blocking=False)
    assert await asyncio.wait_for(again, 30) == "answer"


async def test_what_is_forgotten_while_it_is_loaded_is_not_remembered() -> None:
    remembered = memory(Clock())
    answers = {"stale": asyncio.Event(), "fresh": asyncio.Event()}
    names = iter(answers)

    async def load() -> str:
        name = next(names)
        await answers[name].wait()
        return name

    before: Any = asyncio.ensure_future(remembered.get("a", load, blocking=False))
    await asyncio.sleep(0)
    remembered.forget(lambda key, answer: False)
    after: Any = asyncio.ensure_future(remembered.get("a", load, blocking=False))
    await asyncio.sleep(0)
    answers["fresh"].set()
    assert await after == "fresh"
    # The older answer arrives last.
    answers["stale"].set()
    assert await before == "stale"
    assert remembered.get("a", load, blocking=False) == "fresh"


def test_concurrent_threads_share_one_load() -> None:
    remembered = memory(Clock())
    asking = threading.Barrier(8)
    loading = threading.Event()
    go_on = threading.Event()
    calls: list[int] = []

    def load() -> str:
        calls.append(1)
        loading.set()
        assert go_on.wait(30)
        return "answer"

    def ask() -> Any:
        asking.wait(30)
        return remembered.get("a", load, blocking=True)

    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(ask) for _ in range(8)]
        assert loading.wait(30)
        go_on.set()
        assert [answer.result(30) for answer in answers] == ["answer"] * 8
    assert calls == [1]


def test_after_an_interrupted_thread_another_one_loads() -> None:
    remembered = memory(Clock())
    loading = threading.Event()
    go_on = threading.Event()

    def interrupted() -> Any:
        loading.set()
        assert go_on.wait(30)
        raise KeyboardInterrupt

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(remembered.get, "a", interrupted, blocking=True)
        assert loading.wait(30)
        second = pool.submit(remembered.get, "a", lambda: "answer", blocking=True)
        go_on.set()
        assert second.result(30) == "answer"
        assert isinstance(first.exception(30), KeyboardInterrupt)


async def test_a_task_waits_for_a_thread_without_stopping_its_loop() -> None:
    remembered = memory(Clock())
    loading = threading.Event()
    go_on = threading.Event()

    def load() -> str:
        loading.set()
        assert go_on.wait(30)
        return "answer"

    leading = asyncio.create_task(asyncio.to_thread(remembered.get, "a", load, blocking=True))
    await asyncio.to_thread(loading.wait, 30)
    answer: Any = remembered.get("a", load, blocking=False)
    go_on.set()
    assert await answer == "answer"
    assert await leading == "answer"


async def test_an_event_loop_in_the_thread_is_detected() -> None:
    assert not without_event_loop()
    assert await asyncio.to_thread(without_event_loop)


@pytest.mark.parametrize(
    ("ttl", "failure_ttl", "seconds"),
    [(60, None, 5), (2, None, 2), (60, 0, 0), (60, 60, 60), (0.5, 0.25, 0.25)],
)
def test_failures_are_remembered_for_at_most_as_long(
    ttl: float, failure_ttl: float | None, seconds: float
) -> None:
    assert failure_seconds(ttl, failure_ttl) == seconds


@pytest.mark.parametrize(
    ("ttl", "failure_ttl"),
    [
        (60, 61),
        (0, None),
        (0, 0),
        (-1, None),
        (60, -1),
        (True, None),
        (60, True),
        (float("inf"), None),
        (float("nan"), None),
        ("60", None),
        (60, "5"),
        (None, None),
    ],
)
def test_other_times_are_refused(ttl: Any, failure_ttl: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"ttl|remembered"):
        failure_seconds(ttl, failure_ttl)


@pytest.mark.parametrize("arguments", [{"maxsize": 0}, {"maxsize": True}, {"maxsize": 1.5}])
def test_other_sizes_are_refused(arguments: Any) -> None:
    with pytest.raises(ConfigurationError, match="maxsize"):
        SingleFlightCache(seconds=lambda answer: 1.0, clock=time.monotonic, **arguments)


def test_an_invalid_clock_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="clock"):
        SingleFlightCache(maxsize=1, seconds=lambda answer: 1.0, clock=0)  # type: ignore[arg-type]
