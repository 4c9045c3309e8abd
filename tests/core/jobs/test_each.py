"""One call for each active tenant."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from tenantshield_mw import (
    ConfigurationError,
    TenantContext,
    TenantId,
    TenantResolutionError,
    TenantState,
    TenantSuspendedError,
    current_tenant,
    system_scope,
    try_current_tenant,
)
from tenantshield_mw.jobs import Progress, afor_each_tenant, for_each_tenant

from .directory import alook_up, look_up


class _AtOnce:
    """Calls that wait until as many have begun as may run at a time."""

    def __init__(self, parallel: int) -> None:
        self._lock = threading.Lock()
        self._all = threading.Barrier(parallel)
        self._running = 0
        self.most = 0

    def __call__(self) -> TenantId:
        with self._lock:
            self._running += 1
            self.most = max(self.most, self._running)
        self._all.wait(30)
        with self._lock:
            self._running -= 1
        return current_tenant().tenant_id


def test_each_active_tenant_gets_a_call_in_its_scope_some_at_a_time() -> None:
    call = _AtOnce(3)
    with system_scope("a test"):
        results = for_each_tenant([1, 2, 3, 2, 1, 4, 5, 6], call, directory=None, parallel=3)
    assert results == {number: number for number in range(1, 7)}
    assert call.most == 3
    assert try_current_tenant() is None


def test_tenants_that_are_not_active_are_left_out(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "tenantshield_mw"):
        results = for_each_tenant(
            ["acme", "suspended", "gone"],
            lambda: current_tenant().attributes["plan"],
            directory=look_up,
            parallel=2,
        )
    assert results == {"acme": "large"}
    assert caplog.messages == ["left 2 tenants out that are not active"]


def test_a_call_that_fails_keeps_no_other_from_being_made() -> None:
    called: list[TenantId] = []

    def call() -> None:
        called.append(current_tenant().tenant_id)
        if called[-1] == 2:
            raise TenantSuspendedError("raised by what is called")

    with pytest.raises(ExceptionGroup, match="1 of 3 tenants failed") as raised:
        for_each_tenant([1, 2, 3], call, directory=None, parallel=1)
    assert called == [1, 2, 3]
    assert raised.value.exceptions[0].__notes__ == ["raised for the tenant 2"]
    with pytest.raises(ExceptionGroup) as raised:
        for_each_tenant(["broken", "acme"], lambda: None, directory=look_up, parallel=1)
    assert isinstance(raised.value.exceptions[0], OSError)


@pytest.mark.parametrize("parallel", [0, -1, True, 1.5, None])
def test_the_number_of_calls_at_a_time_is_checked(parallel: Any) -> None:
    with pytest.raises(ConfigurationError, match="parallel"):
        for_each_tenant([1], current_tenant, directory=None, parallel=parallel)


def test_nothing_is_called_if_an_id_is_none() -> None:
    called: list[TenantContext] = []
    tenants: Any = ["acme", None]
    with pytest.raises(TenantResolutionError):
        for_each_tenant(
            tenants, lambda: called.append(current_tenant()), directory=None, parallel=1
        )
    assert called == []


async def test_each_active_tenant_gets_an_async_call_some_at_a_time() -> None:
    running = most = 0
    all_begun = asyncio.Barrier(3)

    async def call() -> TenantId:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.wait_for(all_begun.wait(), 30)
        running -= 1
        return current_tenant().tenant_id

    tenants: list[TenantId] = [1, 2, 3, 3, 4, 5, 6]
    results = await afor_each_tenant(tenants, call, directory=None, parallel=3)
    assert results == {number: number for number in range(1, 7)}
    assert most == 3
    assert try_current_tenant() is None


async def test_async_calls_leave_inactive_tenants_out_and_go_on_after_a_failure() -> None:
    called: list[TenantId] = []

    async def call() -> None:
        await asyncio.sleep(0)
        called.append(current_tenant().tenant_id)

    with pytest.raises(ExceptionGroup, match="1 of 4 tenants failed"):
        await afor_each_tenant(
            ["broken", "suspended", "gone", "acme"], call, directory=alook_up, parallel=1
        )
    assert called == ["acme"]


async def _awaiting_what_was_cancelled() -> None:
    helper = asyncio.create_task(asyncio.sleep(10))
    helper.cancel()
    await helper


@pytest.mark.parametrize("parallel", [1, 2])
async def test_a_call_that_awaits_what_was_cancelled_has_failed(
    tmp_path: Path, parallel: int
) -> None:
    called: list[TenantId] = []
    journal = tmp_path / "journal"

    async def call() -> None:
        called.append(current_tenant().tenant_id)
        if called[-1] == "b":
            await _awaiting_what_was_cancelled()

    with pytest.raises(ExceptionGroup, match="1 of 4 tenants failed") as raised:
        await afor_each_tenant("abcd", call, directory=None, parallel=parallel, journal=journal)
    (error,) = raised.value.exceptions
    assert error.__notes__ == ["raised for the tenant 'b'"]
    assert isinstance(error.__cause__, asyncio.CancelledError)
    assert sorted(map(str, called)) == ["a", "b", "c", "d"]
    assert journal.exists()


def test_a_call_in_a_thread_that_ends_as_cancelled_has_failed() -> None:
    called: list[TenantId] = []

    def call() -> None:
        called.append(current_tenant().tenant_id)
        if called[-1] == "a":
            asyncio.run(_awaiting_what_was_cancelled())

    with pytest.raises(ExceptionGroup, match="1 of 2 tenants failed"):
        for_each_tenant("ab", call, directory=None, parallel=1)
    assert called == ["a", "b"]


async def test_tenants_whose_turn_did_not_come_or_end_are_errors(tmp_path: Path) -> None:
    journal = tmp_path / "journal"

    async def call() -> None:
        if current_tenant().tenant_id == "b":
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            await asyncio.sleep(0)

    with pytest.raises(ExceptionGroup, match="3 of 4 tenants failed") as raised:
        await afor_each_tenant("abcd", call, directory=None, parallel=1, journal=journal)
    assert [error.__notes__ for error in raised.value.exceptions] == [
        [f"raised for the tenant {each!r}"] for each in "bcd"
    ]
    assert journal.exists()


async def test_all_calls_end_if_they_are_cancelled_from_outside(tmp_path: Path) -> None:
    called: list[TenantId] = []
    journal = tmp_path / "journal"

    async def call() -> None:
        called.append(current_tenant().tenant_id)
        await asyncio.sleep(0 if called[-1] == "a" else 30)

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await afor_each_tenant("abc", call, directory=None, parallel=1, journal=journal)
    assert called == ["a", "b"]
    assert journal.exists()


async def _async() -> None: ...


def _generator() -> Iterator[None]:
    yield


async def _async_generator() -> AsyncIterator[None]:
    yield


@pytest.mark.parametrize("function", [_async, _generator, _async_generator, partial(_async)])
def test_a_function_that_only_returns_what_would_do_the_work_is_refused(function: Any) -> None:
    with pytest.raises(ConfigurationError, match="await afor_each_tenant"):
        for_each_tenant("ab", function, directory=None, parallel=1)


@pytest.mark.parametrize(
    "function", [_async, _generator, _async_generator, lambda: map(str, "a"), asyncio.Event().wait]
)
def test_work_that_is_not_done_is_not_taken_for_done(tmp_path: Path, function: Any) -> None:
    journal = tmp_path / "journal"
    with pytest.raises(ExceptionGroup, match="2 of 2 tenants failed") as raised:
        # Such a function cannot be told from others by its looks.
        for_each_tenant("ab", lambda: function(), directory=None, parallel=1, journal=journal)
    assert {type(error) for error in raised.value.exceptions} == {ConfigurationError}
    assert "its work is not done: await afor_each_tenant" in str(raised.value.exceptions[0])
    assert not journal.exists()


@pytest.mark.parametrize("function", [_generator, _async_generator, lambda: map(str, "a")])
@pytest.mark.parametrize("in_async", [False, True])
async def test_async_work_that_is_not_done_is_not_taken_for_done(
    function: Any, in_async: bool
) -> None:
    async def call() -> Any:
        return function()

    with pytest.raises(ExceptionGroup, match="2 of 2 tenants failed") as raised:
        await afor_each_tenant("ab", call if in_async else function, directory=None, parallel=1)
    assert "its work is not done: give afor_each_tenant" in str(raised.value.exceptions[0])


async def test_what_an_async_call_returns_is_not_awaited_again() -> None:
    async def call() -> Any:
        return _async()

    with pytest.raises(ExceptionGroup) as raised:
        await afor_each_tenant("a", call, directory=None, parallel=1)
    assert "returned a coroutine" in str(raised.value.exceptions[0])
    sync: Any = current_tenant
    with pytest.raises(ExceptionGroup) as raised:
        await afor_each_tenant("a", sync, directory=None, parallel=1)
    assert "no awaitable" in str(raised.value.exceptions[0])


class DriversUUID(UUID):
    """As asyncpg's, which it reads from a database."""


async def test_a_uuid_of_a_drivers_own_class_names_its_tenant() -> None:
    plain = UUID("0f8fad5b-d9cb-469f-a165-70867728950e")

    async def call() -> TenantId:
        return current_tenant().tenant_id

    for ids in ([DriversUUID(int=plain.int)], [plain, DriversUUID(int=plain.int)]):
        results = await afor_each_tenant(ids, call, directory=None, parallel=1)
        assert results == {plain: plain}
        assert {type(each) for each in (*results, *results.values())} == {UUID}
        called = for_each_tenant(
            ids, lambda: current_tenant().tenant_id, directory=None, parallel=1
        )
        assert {type(each) for each in called} == {UUID}


def test_progress_is_shown_after_each_tenant() -> None:
    shown: list[Progress] = []

    def call() -> None:
        if current_tenant().tenant_id == "globex":
            raise RuntimeError

    def directory(tenant_id: TenantId) -> TenantState:
        return TenantState.SUSPENDED if tenant_id == "suspended" else TenantState.ACTIVE

    with pytest.raises(ExceptionGroup):
        for_each_tenant(
            ["acme", "suspended", "globex"],
            call,
            directory=directory,
            parallel=1,
            on_progress=shown.append,
        )
    assert shown == [
        Progress("acme", 1, 0, 0, 3),
        Progress("suspended", 1, 0, 1, 3),
        Progress("globex", 1, 1, 1, 3),
    ]


def test_what_was_interrupted_is_taken_up_again(tmp_path: Path) -> None:
    called: list[TenantId] = []
    failing = {2}
    journal = tmp_path / "journal"

    def call() -> None:
        tenant_id = current_tenant().tenant_id
        called.append(tenant_id)
        if tenant_id in failing:
            raise RuntimeError

    def run() -> None:
        for_each_tenant([1, 2, 3], call, directory=None, parallel=2, journal=journal)

    with pytest.raises(ExceptionGroup):
        run()
    assert sorted(called) == [1, 2, 3]
    failing.clear()
    run()
    assert called[3:] == [2]
    # All are done, so the next run begins anew.
    run()
    assert sorted(called[4:]) == [1, 2, 3]


async def test_what_was_interrupted_is_taken_up_again_in_tasks(tmp_path: Path) -> None:
    called: list[TenantId] = []
    shown: list[Progress] = []

    async def call() -> None:
        called.append(current_tenant().tenant_id)
        if len(called) == 2:
            raise RuntimeError

    async def run() -> None:
        await afor_each_tenant(
            [1, 2, 3],
            call,
            directory=None,
            parallel=1,
            on_progress=shown.append,
            journal=tmp_path / "journal",
        )

    with pytest.raises(ExceptionGroup):
        await run()
    await run()
    assert called == [1, 2, 3, 2]
    assert shown[-1] == Progress(2, 3, 0, 0, 3)


async def test_progress_that_would_have_to_be_awaited_is_refused() -> None:
    called: list[TenantId] = []

    async def show(progress: Progress) -> None:
        raise AssertionError(progress)

    async def call() -> None:
        called.append(current_tenant().tenant_id)

    with pytest.raises(ConfigurationError, match="on_progress"):
        for_each_tenant([1], called.clear, directory=None, parallel=1, on_progress=show)
    with pytest.raises(ConfigurationError, match="on_progress"):
        await afor_each_tenant([1], call, directory=None, parallel=1, on_progress=show)
    assert called == []
