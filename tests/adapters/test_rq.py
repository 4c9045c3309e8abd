"""The RQ adapter, with workers in this process; tests/jobs has one that is killed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Generator
from typing import Any, ClassVar

import pytest
from redis import Redis
from rq import Callback, Queue, Retry, SimpleWorker
from rq.job import Job
from rq.registry import FailedJobRegistry

from tenantshield_mw import (
    ConfigurationError,
    MissingTenantContextError,
    ScopeMismatchError,
    TenantDirectory,
    TenantId,
    TenantState,
    system_scope,
    tenant_scope,
    try_current_tenant,
)
from tenantshield_mw.adapters.rq import TenantJob, job_scope
from tenantshield_mw.jobs import HEADER, JobTenants, for_each_tenant
from tests.jobs.brokers import redis_server

from .job_bench import KEY, JobBench

bench = JobBench()
seen, states, failures = bench.seen, bench.states, bench.failures
directory = TenantDirectory(bench.look_up, ttl=1e-9)


class AppJob(TenantJob):
    tenants = JobTenants(directory=directory, keys=[KEY])
    retry_refused: ClassVar[Retry] = Retry(max=2)


class RetriedJob(AppJob):
    tenants = JobTenants(directory=directory, keys=[KEY], on_refused="retry")


class KeptJob(AppJob):
    tenants = JobTenants(directory=directory, keys=[KEY], on_refused="dead_letter")


def look(*what: Any) -> None:
    bench.see(*what)


async def alook() -> None:
    look("async")


def fail() -> None:
    look("failed")
    raise ValueError


def flaky() -> None:
    look("flaky")
    if seen.count(("flaky", "acme")) < 3:
        raise ValueError


def nest() -> None:
    queue = Queue(connection=connections[0], job_class=AppJob)
    queue.enqueue(look, "inner")
    with tenant_scope("globex"):
        queue.enqueue(look, "inner")
    look("outer")


@job_scope(tenant=None)
def without() -> None:
    look()


@job_scope(system="statistics")
def statistics() -> None:
    look()


@job_scope(system="enqueue the reminders")
def nightly() -> None:
    queue = Queue(connection=connections[0], job_class=AppJob)
    tenants: list[TenantId] = ["acme", "globex", "suspended", 7]
    for_each_tenant(tenants, lambda: queue.enqueue(look), directory=directory, parallel=2)


def told(job: Any, connection: Any, *more: Any) -> None:
    look("told")


class Thing:
    def look(self) -> None:
        look("method")


connections: list[Redis] = []


@pytest.fixture(scope="module")
def server() -> Generator[Redis]:
    with redis_server() as listens, Redis(unix_socket_path=str(listens)) as connection:
        connections.append(connection)
        yield connection
        connections.clear()


@pytest.fixture
def redis(server: Redis) -> Generator[Redis]:
    server.flushall()
    yield server
    for kept in (seen, states, failures):
        kept.clear()


@pytest.fixture(autouse=True)
def event_loops_closed(monkeypatch: pytest.MonkeyPatch) -> Generator[None]:
    """Close what older releases of RQ leave open after a job that is a coroutine."""
    loops: list[asyncio.AbstractEventLoop] = []
    make = asyncio.new_event_loop

    def make_noted() -> asyncio.AbstractEventLoop:
        loops.append(make())
        return loops[-1]

    monkeypatch.setattr(asyncio, "new_event_loop", make_noted)
    yield
    for loop in loops:
        loop.close()


class DeafWorker(SimpleWorker):
    """A worker that takes no commands, which it would wait for a second to stop."""

    def subscribe(self, *arguments: Any) -> None:
        pass

    def unsubscribe(self) -> None:
        pass


def work(queue: Queue, job_class: Any = AppJob) -> None:
    """Run a worker until nothing is left."""
    worker = DeafWorker([queue], connection=queue.connection, job_class=job_class)
    worker.log.setLevel(logging.CRITICAL)
    worker.work(burst=True, logging_level="CRITICAL")
    assert try_current_tenant() is None


def error_of(job: Job) -> str:
    result = job.latest_result()
    assert result is not None
    return str(result.exc_string)


def test_a_job_runs_under_the_tenant_that_enqueued_it(redis: Redis) -> None:
    queue = Queue(connection=redis, job_class=AppJob)
    for tenant in ("acme", 7):
        with tenant_scope(tenant):
            queue.enqueue(look)
            queue.enqueue(alook)
            queue.enqueue(Thing().look)
            queue.enqueue("tests.adapters.test_rq.look", "named")
    work(queue)
    assert seen == [
        *("acme", ("async", "acme"), ("method", "acme"), ("named", "acme")),
        *(7, ("async", 7), ("method", 7), ("named", 7)),
    ]


def test_a_job_that_is_not_queued_runs_here_in_its_own_scope(redis: Redis) -> None:
    queue = Queue(connection=redis, job_class=AppJob, is_async=False)
    with tenant_scope("acme"):
        queue.enqueue(look, on_success=Callback(told))
        queue.enqueue(without)
        queue.enqueue(fail, on_failure=Callback(told))
        look("after")
    assert seen == [
        *("acme", ("told", "acme"), "no scope", ("failed", "acme"), ("told", "acme")),
        ("after", "acme"),
    ]


def test_dependents_retries_and_callbacks_stay_with_their_tenant(redis: Redis) -> None:
    queue = Queue(connection=redis, job_class=AppJob)
    for tenant in ("acme", "globex"):
        with tenant_scope(tenant):
            first = queue.enqueue(look, "first", on_success=Callback(told))
            queue.enqueue(look, "second", depends_on=first)
            many = [Queue.prepare_data(look, ("many",)), Queue.prepare_data(look, ("many",))]
            queue.enqueue_many(many)
        work(queue)
        assert sorted(seen) == sorted(
            (what, tenant) for what in ("first", "told", "second", "many", "many")
        )
        seen.clear()
    with tenant_scope("acme"):
        queue.enqueue(flaky, retry=Retry(max=3))
        queue.enqueue(fail, on_failure=Callback(told))
    work(queue)
    assert sorted(seen, key=str) == [("failed", "acme"), *[("flaky", "acme")] * 3, ("told", "acme")]


def test_a_nested_job_gets_the_scope_in_which_it_is_enqueued(redis: Redis) -> None:
    queue = Queue(connection=redis, job_class=AppJob)
    with tenant_scope("acme"):
        queue.enqueue(nest)
    work(queue)
    assert sorted(seen) == [("inner", "acme"), ("inner", "globex"), ("outer", "acme")]


def test_metadata_is_copied(redis: Redis) -> None:
    queue = Queue(connection=redis, job_class=AppJob)
    meta = {"trace": "1", HEADER: {"str": "globex"}}
    with tenant_scope("acme"):
        job = queue.enqueue(look, meta=meta)
        queue.enqueue(without, meta=meta)
    with pytest.raises(MissingTenantContextError):
        queue.enqueue(look, meta=meta)
    assert meta == {"trace": "1", HEADER: {"str": "globex"}}
    assert job.meta["trace"] == "1"
    work(queue)
    assert seen == ["acme", "no scope"]


def test_a_job_without_a_tenant_is_refused_where_it_is_enqueued(redis: Redis) -> None:
    queue = Queue(connection=redis, job_class=AppJob)
    functions: tuple[Any, ...] = (look, "tests.adapters.test_rq.look", "elsewhere.look")
    for function in functions:
        with pytest.raises(MissingTenantContextError, match="none is in scope"):
            queue.enqueue(function)
    with system_scope("a test"), pytest.raises(MissingTenantContextError):
        queue.enqueue(look)
    assert queue.count == 0


def test_a_job_may_work_for_no_tenant_or_in_a_system_scope(
    redis: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    queue = Queue(connection=redis, job_class=AppJob)
    with tenant_scope("acme"):
        queue.enqueue(without)
        queue.enqueue(statistics)
    queue.enqueue("tests.adapters.test_rq.without")
    # RQ's own scheduler of periodic jobs knows of no class of jobs.
    Queue(connection=redis).enqueue(statistics)
    with caplog.at_level(logging.INFO, "tenantshield_mw.audit"):
        work(queue)
    assert seen == ["no scope", "a system scope", "no scope", "a system scope"]
    assert caplog.messages.count("system scope: statistics") == 2


@pytest.mark.parametrize(
    ("meta", "error"),
    [
        ({}, "MissingTenantContextError"),
        ({HEADER: {"str": "acme"}}, "TenantUnauthenticatedError"),
        ({HEADER: {"str": "acme", "signature": "0" * 64}}, "TenantUnauthenticatedError"),
    ],
)
def test_a_job_that_somebody_else_enqueued_is_refused(
    redis: Redis, meta: dict[str, Any], error: str
) -> None:
    queue = Queue(connection=redis, job_class=AppJob)
    bare = Queue(connection=redis)
    job = bare.enqueue(look, meta=dict(meta), retry=Retry(max=3))
    other = bare.enqueue(without, meta=dict(meta))
    work(queue)
    assert error in error_of(job)
    assert job.is_failed
    if meta:
        assert ScopeMismatchError.__name__ in error_of(other)
    assert seen == ([] if meta else ["no scope"])


@pytest.mark.parametrize("job_class", [AppJob, KeptJob])
@pytest.mark.parametrize("state", [TenantState.SUSPENDED, TenantState.UNKNOWN])
def test_a_tenant_that_is_not_active_any_more_is_refused(
    redis: Redis, state: TenantState, job_class: Any
) -> None:
    queue = Queue(connection=redis, job_class=job_class)
    with tenant_scope("acme"):
        job = queue.enqueue(look, retry=Retry(max=3), on_failure=Callback(told))
    states["acme"] = state
    work(queue, job_class)
    assert seen == [("told", "no scope")]
    assert job.get_status() == "failed"
    registry = FailedJobRegistry(queue=queue)
    assert registry.get_job_ids() == [job.id]
    # An expired job would have a time there.
    assert (redis.zscore(registry.key, job.id) == -1) is (job_class is KeptJob)
    states.clear()
    registry.requeue(job.id)
    work(queue, job_class)
    assert seen == [("told", "no scope"), "acme"]


def test_a_refused_job_can_be_retried(redis: Redis) -> None:
    queue = Queue(connection=redis, job_class=RetriedJob)
    states["acme"] = TenantState.SUSPENDED
    with tenant_scope("acme"):
        given_up = queue.enqueue(look)
    work(queue, RetriedJob)
    assert given_up.get_status() == "failed"
    assert given_up.is_failed
    assert seen == []

    def reactivate(job: Job, *error: Any) -> bool:
        states.clear()
        return True

    with tenant_scope("acme"):
        queue.enqueue(look, retry=Retry(max=1))
    worker = DeafWorker(
        [queue], connection=redis, job_class=RetriedJob, exception_handlers=[reactivate]
    )
    worker.work(burst=True, logging_level="CRITICAL")
    assert seen == ["acme"]


def test_a_directory_that_fails_is_asked_again(redis: Redis) -> None:
    queue = Queue(connection=redis, job_class=AppJob)
    failures.append(OSError("no database"))
    with tenant_scope("acme"):
        queue.enqueue(look)
    work(queue)
    assert seen == ["acme"]


def test_a_periodic_job_enqueues_one_for_each_active_tenant(redis: Redis) -> None:
    queue = Queue(connection=redis, job_class=AppJob)
    states["suspended"] = TenantState.SUSPENDED
    queue.enqueue(nightly)
    work(queue)
    assert sorted(seen, key=str) == [7, "acme", "globex"]


@pytest.mark.parametrize("is_forged", [False, True])
def test_callbacks_in_another_process_run_under_the_tenant(redis: Redis, is_forged: bool) -> None:
    queue = Queue(connection=redis, job_class=AppJob)
    with tenant_scope("acme"):
        enqueued = queue.enqueue(look, on_stopped=Callback(told))
        system = queue.enqueue(statistics, on_failure=Callback(told))
    if is_forged:
        enqueued.meta[HEADER]["str"] = "globex"
        enqueued.save_meta()
    fetched: Any = AppJob.fetch(enqueued.id, connection=redis)
    fetched.stopped_callback(fetched, redis)
    fetched = AppJob.fetch(system.id, connection=redis)
    fetched.failure_callback(fetched, redis, None, None, None)
    assert seen == [("told", "no scope" if is_forged else "acme"), ("told", "a system scope")]


def test_a_class_of_jobs_says_how_they_find_their_tenants(redis: Redis) -> None:
    queue = Queue(connection=redis, job_class=TenantJob)
    with tenant_scope("acme"), pytest.raises(ConfigurationError, match="TenantJob"):
        queue.enqueue(look)


@pytest.mark.parametrize(
    "options", [{}, {"tenant": "acme"}, {"system": ""}, {"tenant": None, "system": "x"}, {"a": 1}]
)
def test_a_function_says_either_no_tenant_or_a_reason(options: Any) -> None:
    with pytest.raises(ConfigurationError, match="job_scope"):
        job_scope(**options)
