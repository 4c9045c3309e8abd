"""The Celery adapter with brokers in memory: each task runs under its tenant."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from celery import VERSION, chain, chord, group
from celery.beat import ScheduleEntry, Scheduler, SchedulingError
from celery.schedules import schedule

from tenantshield_mw import (
    MissingTenantContextError,
    TenantId,
    TenantState,
    current_tenant,
    tenant_scope,
    try_current_tenant,
)
from tenantshield_mw.adapters.celery import TenantTask
from tenantshield_mw.jobs import for_each_tenant
from tests.jobs.brokers import until

from .celery_bench import TIMEOUT, Bench, Running, both, got, in_worker


@both
def test_a_task_runs_under_the_tenant_that_enqueued_it(running: Running) -> None:
    bench = Bench()

    @bench.task
    def look(number: int) -> Any:
        return number, dict(current_tenant().attributes)

    with running(bench):
        for tenant in ("acme", 7, uuid.uuid4(), "acme"):
            with tenant_scope(tenant):
                result = look.delay(1)
            assert result.get(interval=0.01, timeout=TIMEOUT)[1] in (
                {"of": tenant},
                {"of": str(tenant)},
            )


@both
def test_chains_groups_and_chords_stay_with_their_tenant(running: Running) -> None:
    bench = Bench()

    @bench.task
    def add(*numbers: int) -> int:
        bench.see()
        return sum(numbers)

    @bench.task
    def total(numbers: list[int]) -> int:
        bench.see()
        return sum(numbers)

    with running(bench):
        for tenant in ("acme", "globex"):
            with tenant_scope(tenant):
                assert got(chain(add.s(1, 1), add.s(2), add.s(3))) == 7
                assert got(group(add.s(i) for i in range(3))) == [0, 1, 2]
                assert got(chord([add.s(i) for i in range(3)], total.s())) == 3
                assert got(add.s(1).set(link=add.s(1))) == 1
                assert got(add.chunks([(1,), (2,)], 1)) == [[1], [2]]
            if running is in_worker:
                until(lambda: len(bench.seen) == 14)
            assert bench.seen == [tenant] * 14
            bench.seen.clear()


@both
def test_what_follows_a_task_without_a_tenant_stays_with_its_tenant(running: Running) -> None:
    bench = Bench()

    @bench.task(bind=True, system="statistics", default_retry_delay=0, max_retries=1)
    def statistics(self: Any, *_: Any) -> None:
        bench.see("statistics")
        if not self.request.retries:
            raise self.retry()

    @bench.task(tenant=None)
    def heartbeat(*_: Any) -> None:
        bench.see("heartbeat")

    @bench.task
    def after(*_: Any) -> None:
        bench.see("after")

    with running(bench):
        for tenant in ("acme", "globex"):
            for first in (statistics, heartbeat):
                with tenant_scope(tenant):
                    got(chain(first.s(), after.s(), first.s(), first.s(), after.s()))
                    got(chord([first.s(), after.s()], after.s()))
                    got(first.s().set(link=after.s()))
            until(lambda: sum(name == "after" for name, *_ in bench.seen) == 10)
            assert {of for name, *_, of in bench.seen if name == "after"} == {tenant}
            assert {of for name, of in bench.seen if name != "after"} == {
                "a system scope",
                "no scope",
            }
            bench.seen.clear()


@both
def test_a_task_without_a_tenant_sends_nothing_for_one_itself(running: Running) -> None:
    bench = Bench()

    @bench.task
    def work() -> None:
        bench.see()

    @bench.task(system="statistics")
    def statistics() -> str:
        with pytest.raises(MissingTenantContextError):
            work.delay()
        with tenant_scope("globex"):
            work.delay()
        return "done"

    with running(bench), tenant_scope("acme"):
        assert got(chain(statistics.s(), statistics.si())) == "done"
    assert bench.seen == ["globex", "globex"]


@both
def test_retries_stay_with_their_tenant(running: Running) -> None:
    bench = Bench()

    @bench.task(bind=True, default_retry_delay=0, max_retries=5)
    def flaky(self: Any) -> str:
        bench.see(self.request.retries)
        if self.request.retries < 2:
            raise self.retry(countdown=0)
        return "done"

    @bench.task(bind=True, autoretry_for=(ValueError,), retry_backoff=False, max_retries=5)
    def autoretried(self: Any) -> None:
        bench.see(self.request.retries)
        if not self.request.retries:
            self.default_retry_delay = 0
            raise ValueError

    with running(bench), tenant_scope("acme"):
        assert flaky.delay().get(interval=0.01, timeout=TIMEOUT) == "done"
        autoretried.delay().get(interval=0.01, timeout=TIMEOUT)
    assert bench.seen == [(0, "acme"), (1, "acme"), (2, "acme"), (0, "acme"), (1, "acme")]


@both
def test_a_nested_task_gets_the_scope_in_which_it_is_enqueued(running: Running) -> None:
    bench = Bench()
    results: list[Any] = []

    @bench.task
    def inner() -> None:
        bench.see()

    @bench.task(tenant=None)
    def without() -> None:
        bench.see()

    @bench.task(bind=True)
    def outer(self: Any) -> None:
        results.append(inner.delay())
        # Not that of headers that are passed on.
        with tenant_scope("globex"):
            results.append(inner.apply_async(headers=self.request.headers))
            results.append(without.apply_async(headers=self.request.headers))
        bench.see()

    with running(bench):
        with tenant_scope("acme"):
            outer.delay().get(interval=0.01, timeout=TIMEOUT)
        for result in results:
            result.get(interval=0.01, timeout=TIMEOUT, disable_sync_subtasks=False)
    assert sorted(bench.seen) == ["acme", "acme", "globex", "no scope"]


@both
def test_headers_are_copied(running: Running) -> None:
    bench = Bench()
    headers = {"trace": "1"}

    @bench.task(bind=True)
    def look(self: Any) -> Any:
        return self.request.headers["trace"]

    with running(bench), tenant_scope("acme"):
        assert look.apply_async(headers=headers).get(interval=0.01, timeout=TIMEOUT) == "1"
    assert headers == {"trace": "1"}


@both
def test_the_tenant_ends_with_its_task_whatever_happens(running: Running) -> None:
    bench = Bench()

    @bench.task
    def fail() -> None:
        raise ValueError

    @bench.task(tenant=None)
    def look() -> None:
        bench.see()

    with running(bench):
        with tenant_scope("acme"):
            failed = fail.delay()
        with pytest.raises(ValueError, match=r"^$"):
            failed.get(interval=0.01, timeout=TIMEOUT)
        look.delay().get(interval=0.01, timeout=TIMEOUT)
    assert bench.seen == ["no scope"]
    assert try_current_tenant() is None


@both
def test_hooks_and_errbacks_run_under_the_tenant(running: Running) -> None:
    bench = Bench()

    class Hooked(TenantTask):
        def before_start(self, task_id: str, args: Any, kwargs: Any) -> None:
            bench.see("before_start")

        def on_success(self, *args: Any, **kwargs: Any) -> None:
            bench.see("on_success")

        def on_failure(self, *args: Any, **kwargs: Any) -> None:
            bench.see("on_failure")

        def after_return(self, *args: Any, **kwargs: Any) -> None:
            bench.see("after_return")

    @bench.task(base=Hooked)
    def work(fails: bool) -> None:
        if fails:
            raise ValueError

    @bench.task
    def inline(request: Any, error: Any, traceback: Any) -> None:
        bench.see("inline")

    @bench.task
    def enqueued(task_id: str) -> None:
        bench.see("enqueued")

    with running(bench), tenant_scope("acme"):
        work.delay(False).get(interval=0.01, timeout=TIMEOUT)
        failed = work.apply_async((True,), link_error=[inline.s(), enqueued.s()])
        with pytest.raises(ValueError, match=r"^$"):
            failed.get(interval=0.01, timeout=TIMEOUT)
        until(lambda: ("enqueued", "acme") in bench.seen and len(bench.seen) == 8)
    assert {what for what, _ in bench.seen} == {
        *("before_start", "on_success", "on_failure", "after_return", "inline", "enqueued")
    }
    assert {tenant for _, tenant in bench.seen} == {"acme"}


def test_errbacks_run_under_the_tenant_of_the_task_that_has_failed() -> None:
    bench = Bench()

    @bench.task
    def fail(*_: Any) -> None:
        raise ValueError

    @bench.task(system="statistics")
    def fail_for_all(*_: Any) -> None:
        raise ValueError

    @bench.task
    def work(*_: Any) -> int:
        return 1

    @bench.task
    def inline(request: Any, error: Any, traceback: Any) -> None:
        bench.see("inline")

    @bench.task
    def enqueued(task_id: str) -> None:
        bench.see("enqueued")

    errbacks = [inline.s(), enqueued.s()]
    all_failing = [fail.s(), chain(work.s(), fail.s(), work.s())]
    if VERSION[:2] > (5, 5):
        # Celery 5.5 takes no errbacks for what begins with a group.
        all_failing.append(chain(group(work.s(), fail.s()), work.s()))
    with bench.worker():
        for tenant in ("acme", "globex", "acme"):
            for failing in all_failing:
                bench.seen.clear()
                with tenant_scope(tenant):
                    failing.apply_async(link_error=errbacks)
                until(lambda: {what for what, _ in bench.seen} == {"inline", "enqueued"})
                assert {of for _, of in bench.seen} == {tenant}
            # It runs in a system scope, and what is sent for it is the tenant's who has sent it.
            bench.seen.clear()
            with tenant_scope(tenant):
                fail_for_all.apply_async(link_error=errbacks)
            until(lambda: len(bench.seen) == 2)
            assert sorted(bench.seen) == [("enqueued", tenant), ("inline", "a system scope")]


def test_a_periodic_task_enqueues_one_for_each_active_tenant() -> None:
    bench = Bench()
    bench.states["suspended"] = TenantState.SUSPENDED
    results: list[Any] = []

    @bench.task
    def remind() -> None:
        bench.see()

    @bench.task(system="enqueue the reminders")
    def nightly() -> None:
        tenants: list[TenantId] = ["acme", "globex", "suspended", 7]
        enqueued = for_each_tenant(tenants, remind.delay, directory=bench.directory, parallel=2)
        results.extend(enqueued.values())

    with bench.worker():
        nightly.delay().get(interval=0.01, timeout=TIMEOUT)
        for result in results:
            result.get(interval=0.01, timeout=TIMEOUT)
    assert sorted(bench.seen, key=str) == [7, "acme", "globex"]


def test_beat_enqueues_what_needs_no_tenant() -> None:
    bench = Bench()

    @bench.task(name="statistics", system="statistics")
    def statistics() -> None:
        bench.see()

    @bench.task(name="remind")
    def remind() -> None:
        bench.see()

    # As beat's process does, where no tenant is ever in scope.
    scheduler: Any = Scheduler(app=bench.app, lazy=True)
    every = schedule(1, app=bench.app)

    def entry(name: str) -> ScheduleEntry:
        return ScheduleEntry(name=name, task=name, schedule=every, app=bench.app)

    with bench.worker():
        result = scheduler.apply_async(entry("statistics"), advance=False)
        result.get(interval=0.01, timeout=TIMEOUT)
        with pytest.raises(SchedulingError, match="none is in scope"):
            scheduler.apply_async(entry("remind"), advance=False)
    assert bench.seen == ["a system scope"]


@both
def test_a_task_that_replaces_itself_stays_with_its_tenant(running: Running) -> None:
    bench = Bench()

    @bench.task
    def add(left: int, right: int) -> int:
        bench.see()
        return left + right

    @bench.task(bind=True)
    def begin(self: Any) -> Any:
        return self.replace(chain(add.s(1, 1), add.s(2)))

    with running(bench), tenant_scope("acme"):
        assert got(chain(begin.s(), add.s(3))) == 7
    assert bench.seen == ["acme"] * 3


def test_celerys_own_tasks_run() -> None:
    bench = Bench()
    with bench.worker():
        bench.app.tasks["celery.backend_cleanup"].delay().get(interval=0.01, timeout=TIMEOUT)
