"""What the Celery adapter refuses, and what becomes of a refused task."""

from __future__ import annotations

import logging
import uuid
from contextlib import nullcontext
from typing import Any

import pytest
from celery import chain, chord, group

from tenantshield_mw import (
    MissingTenantContextError,
    ScopeMismatchError,
    TenantNotFoundError,
    TenantState,
    TenantSuspendedError,
    TenantUnauthenticatedError,
    system_scope,
    tenant_scope,
)
from tenantshield_mw.adapters.celery import TenantTask, install
from tenantshield_mw.jobs import HEADER
from tests.jobs.brokers import until

from .celery_bench import TIMEOUT, Bench, Running, both, got


@both
def test_a_task_without_a_tenant_is_refused_where_it_is_enqueued(running: Running) -> None:
    bench = Bench()

    @bench.task
    def look() -> None:
        bench.see()

    with running(bench):
        for enqueue in (look.delay, look.apply, look.s().apply_async, group(look.s()).apply_async):
            with pytest.raises(MissingTenantContextError, match="none is in scope"):
                enqueue()
        with system_scope("a test"), pytest.raises(MissingTenantContextError):
            look.delay()
    assert bench.seen == []


@both
def test_a_task_may_work_for_no_tenant_or_in_a_system_scope(
    running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    bench = Bench()

    @bench.task(tenant=None)
    def without() -> None:
        bench.see()

    @bench.task(system="statistics")
    def statistics() -> None:
        bench.see()

    with running(bench), caplog.at_level(logging.INFO, "tenantshield_mw.audit"):
        for scope in (tenant_scope("acme"), system_scope("a test")):
            with scope:
                without.delay().get(interval=0.01, timeout=TIMEOUT)
                statistics.delay().get(interval=0.01, timeout=TIMEOUT)
        assert got(chain(without.s(), statistics.si())) is None
    assert bench.seen == ["no scope", "a system scope"] * 3
    audited = [record.message for record in caplog.records if record.name.endswith("audit")]
    assert audited.count("system scope: statistics") == 3


def test_what_needs_a_tenant_is_refused_where_it_would_follow_a_task_without() -> None:
    bench = Bench()

    @bench.task(system="statistics")
    def statistics(*_: Any) -> None:
        bench.see()

    @bench.task
    def after(*_: Any) -> None:
        bench.see()

    workflows = [
        chain(statistics.s(), after.s()),
        chain(statistics.s(), statistics.s(), after.s()),
        chain(statistics.s(), group(statistics.s(), after.s())),
        chain(statistics.s(), group(statistics.s(), statistics.s()), after.s()),
        chord([statistics.s(), statistics.s()], after.s()),
        statistics.s().set(link=after.s()),
        chain(statistics.s(), statistics.s().set(link=after.s())),
        chain(statistics.s(), chord([statistics.s(), chain(statistics.s(), after.s())], after.s())),
        chain(statistics.s(), after.chunks([(1,), (2,)], 1)),
    ]
    with bench.worker():
        for workflow in workflows:
            for scope in (nullcontext(), system_scope("a test")):
                with scope, pytest.raises(MissingTenantContextError, match="works for a tenant"):
                    workflow.apply_async()
    assert bench.seen == []


def test_what_is_declared_elsewhere_may_follow_a_task_without_a_tenant() -> None:
    bench = Bench()

    @bench.task(tenant=None)
    def heartbeat(*_: Any) -> None:
        bench.see()

    elsewhere = bench.app.signature("elsewhere.heartbeat", options={"tenant": None})
    with bench.worker():
        chain(heartbeat.s(), elsewhere).apply_async()
        got(heartbeat.s().set(link_error=heartbeat.s()))
    assert bench.seen == ["no scope", "no scope"]


@pytest.mark.parametrize(
    ("headers", "error"),
    [
        ({}, MissingTenantContextError),
        ({HEADER: {"str": "acme"}}, TenantUnauthenticatedError),
        ({HEADER: {"str": "acme", "signature": "0" * 64}}, TenantUnauthenticatedError),
    ],
)
def test_a_message_that_somebody_else_sent_is_refused(
    headers: dict[str, Any], error: type[Exception]
) -> None:
    bench = Bench()

    @bench.task(name="look")
    def look() -> None:
        bench.see()

    @bench.task(name="without", tenant=None)
    def without() -> None:
        bench.see()

    bare = bench.make_app()
    with bench.worker():
        with pytest.raises(error):
            bare.send_task("look", headers=headers).get(interval=0.01, timeout=TIMEOUT)
        bare.send_task("without").get(interval=0.01, timeout=TIMEOUT)
        if headers:
            needless = bare.send_task("without", headers=headers)
            with pytest.raises(ScopeMismatchError):
                needless.get(interval=0.01, timeout=TIMEOUT)
    assert set(bench.seen) == {"no scope"}


@both
@pytest.mark.parametrize(
    "forged",
    [
        {"headers": {HEADER: {"str": "globex"}}},
        {HEADER: {"str": "globex"}, "headers": {HEADER: {"str": "globex"}}},
        {"headers": {HEADER: {"str": "globex"}}, "is_eager": True},
        {"headers": {"headers": {HEADER: {"str": "globex"}}}},
        {"headers": {}},
        {"headers": None},
        {"request": {HEADER: {"str": "globex"}}, "tenantshield_entered": "globex"},
    ],
)
def test_headers_that_a_caller_chooses_name_no_tenant(
    running: Running, forged: dict[str, Any]
) -> None:
    bench = Bench(keys=())

    @bench.task(bind=True, default_retry_delay=0, max_retries=1)
    def look(self: Any) -> None:
        bench.see(self.request.retries)
        if not self.request.retries:
            raise self.retry()

    with running(bench), tenant_scope("acme"):
        for header in (forged, {**forged, "trace": 1}):
            sent = look.si().set(headers=header, link=look.si().set(headers=header))
            sent.apply_async().get(interval=0.01, timeout=TIMEOUT)
        until(lambda: len(bench.seen) == 8)
    assert {tenant for _, tenant in bench.seen} == {"acme"}


@both
def test_a_header_of_the_name_headers_needs_no_tenant(running: Running) -> None:
    bench = Bench()

    @bench.task(system="statistics")
    def statistics() -> None:
        bench.see()

    with running(bench):
        sent = statistics.apply_async(headers={"headers": {"trace": 1}})
        sent.get(interval=0.01, timeout=TIMEOUT)
    assert bench.seen == ["a system scope"]


@both
def test_headers_that_a_caller_chooses_name_no_tenant_for_what_follows(running: Running) -> None:
    bench = Bench(keys=())
    forged = {f"{HEADER}-followed": {"str": "globex"}}

    refused: list[Any] = []

    class Hooked(TenantTask):
        def on_success(self, *args: Any, **kwargs: Any) -> None:
            try:
                after.delay()
            except MissingTenantContextError as error:
                refused.append(error)

    @bench.task(base=Hooked, system="statistics")
    def statistics() -> None: ...

    @bench.task
    def after() -> None:
        bench.see()

    with running(bench):
        for headers in (forged, {"headers": forged}, {"headers": forged, "is_eager": True}):
            sent = statistics.si().set(headers=headers)
            # Celery sends nothing else, and a hook sends for the tenant of the chain, if any.
            got(sent)
            with tenant_scope("acme"):
                got(sent)
        until(lambda: len(refused) + len(bench.seen) == 6)
    assert bench.seen == ["acme"] * 3


def test_a_forged_tenant_of_what_follows_is_refused() -> None:
    bench = Bench()

    @bench.task(name="statistics", system="statistics")
    def statistics() -> None:
        raise AssertionError("the task ran")

    headers = {f"{HEADER}-followed": {"str": "globex"}}
    with bench.worker(), pytest.raises(TenantUnauthenticatedError):
        bench.make_app().send_task("statistics", headers=headers).get(
            interval=0.01, timeout=TIMEOUT
        )


def test_a_signature_holds_for_no_other_message() -> None:
    bench = Bench()
    caught: list[Any] = []

    @bench.task(bind=True, name="look")
    def look(self: Any) -> None:
        bench.see()
        caught.append(self.request.headers)

    with bench.worker():
        with tenant_scope("acme"):
            result = look.delay()
        result.get(interval=0.01, timeout=TIMEOUT)
        with pytest.raises(TenantUnauthenticatedError):
            bench.make_app().send_task("look", headers=caught[0]).get(
                interval=0.01, timeout=TIMEOUT
            )
    assert bench.seen == ["acme"]


@both
@pytest.mark.parametrize(
    ("state", "error"),
    [(TenantState.SUSPENDED, TenantSuspendedError), (TenantState.UNKNOWN, TenantNotFoundError)],
)
def test_a_tenant_that_is_not_active_any_more_is_rejected(
    running: Running, state: TenantState, error: type[Exception]
) -> None:
    bench = Bench()

    class Hooked(TenantTask):
        def before_start(self, task_id: str, args: Any, kwargs: Any) -> None:
            raise AssertionError("the task began")

        def on_failure(self, *args: Any, **kwargs: Any) -> None:
            bench.see("on_failure")

    @bench.task(base=Hooked, autoretry_for=(Exception,), default_retry_delay=0)
    def work() -> None:
        raise AssertionError("the task ran")

    @bench.task
    def told(task_id: str) -> None:
        raise AssertionError("the errback ran")

    bench.states["acme"] = state
    with running(bench):
        with tenant_scope("acme"):
            result = work.apply_async(link_error=told.s())
        with pytest.raises(error):
            result.get(interval=0.01, timeout=TIMEOUT)
    assert bench.seen == [("on_failure", "no scope")]


@both
def test_a_refused_task_can_be_retried(running: Running) -> None:
    bench = Bench(on_refused="retry")

    @bench.task(default_retry_delay=0, max_retries=2)
    def work() -> None:
        bench.see()

    class Later(TenantTask):
        def on_retry(self, *args: Any, **kwargs: Any) -> None:
            bench.see("on_retry")
            bench.states.clear()

    @bench.task(base=Later, default_retry_delay=0)
    def later() -> None:
        bench.see()

    bench.states["acme"] = TenantState.SUSPENDED
    with running(bench), tenant_scope("acme"):
        result = work.delay()
        with pytest.raises(TenantSuspendedError):
            result.get(interval=0.01, timeout=TIMEOUT)
        assert bench.seen == []
        later.delay().get(interval=0.01, timeout=TIMEOUT)
    assert bench.seen == [("on_retry", "no scope"), "acme"]


def test_a_refused_task_can_be_put_aside() -> None:
    bench = Bench(on_refused="dead_letter", dead_letter_queue=f"aside-{uuid.uuid4()}")

    @bench.task
    def add(left: int, right: int) -> int:
        bench.see()
        return left + right

    bench.states["acme"] = TenantState.SUSPENDED
    with tenant_scope("acme"):
        result: Any = chain(add.s(1, 2), add.s(3)).apply_async()
    with bench.worker():
        with tenant_scope("globex"):
            later = add.delay(1, 1)
        assert later.get(interval=0.01, timeout=TIMEOUT) == 2
    assert bench.seen == ["globex"]
    assert not result.ready()
    bench.states.clear()
    queue = [name for name in bench.app.amqp.queues if name.startswith("aside")]
    with bench.worker(*queue, bench.queue):
        assert result.get(interval=0.01, timeout=TIMEOUT) == 6
    assert bench.seen == ["globex", "acme", "acme"]


def test_what_is_sent_for_a_task_that_ran_before_is_its_tenants() -> None:
    bench = Bench()
    carried: list[Any] = []

    @bench.task(bind=True, name="look")
    def look(self: Any) -> None:
        bench.see("look")
        carried.append((self.request.id, self.request.headers))

    @bench.task
    def then() -> None:
        bench.see("then")

    # A worker that finds the result of a message that is delivered again sends the rest of a chain.
    def trace(task_id: str, args: Any, kwargs: Any, request: Any) -> Any:
        bench.see("trace")
        return then.delay()

    with bench.worker():
        with tenant_scope("acme"):
            look.delay().get(interval=0.01, timeout=TIMEOUT)
        ((task_id, headers),) = carried
        task = bench.app.tasks["look"]
        task.__trace__ = trace
        task.__trace__(task_id, (), {}, headers).get(interval=0.01, timeout=TIMEOUT)
        with pytest.raises(MissingTenantContextError):
            task.__trace__("another", (), {}, headers)
    assert bench.seen == [
        *[("look", "acme"), ("trace", "no scope"), ("then", "acme"), ("trace", "no scope")]
    ]


def test_a_directory_that_fails_is_asked_again() -> None:
    bench = Bench()
    bench.failures.append(OSError("no database"))
    bench.app = bench.make_app()
    install(bench.app, directory=bench.look_up)

    @bench.task(default_retry_delay=0)
    def work() -> None:
        bench.see()

    with bench.worker(), tenant_scope("acme"):
        work.delay().get(interval=0.01, timeout=TIMEOUT)
    assert bench.seen == ["acme"]
