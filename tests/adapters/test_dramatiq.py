"""The Dramatiq adapter, with its broker in memory; tests/jobs has real ones."""

from __future__ import annotations

from typing import Any

import dramatiq
import pytest
from dramatiq import Message, Middleware, Worker, group, pipeline
from dramatiq.brokers.stub import StubBroker
from dramatiq.middleware import MiddlewareError
from dramatiq.results import Results
from dramatiq.results.backends import StubBackend

from tenantshield_mw import (
    ConfigurationError,
    MissingTenantContextError,
    TenantId,
    TenantState,
    current_tenant,
    tenant_scope,
)
from tenantshield_mw.adapters.dramatiq import TenantMiddleware, install
from tenantshield_mw.context import current_bound
from tenantshield_mw.jobs import HEADER, for_each_tenant
from tenantshield_mw.messages import describe

from .dramatiq_bench import Bench


def test_an_actor_runs_under_the_tenant_that_enqueued_it() -> None:
    bench = Bench()

    @bench.actor
    def look() -> None:
        bench.see(type(current_tenant().tenant_id).__name__)

    @bench.actor
    async def alook() -> None:
        bench.see("async")

    with bench.worker():
        for tenant in ("acme", 7):
            with tenant_scope(tenant):
                look.send()
                alook.send()
    assert sorted(bench.seen, key=str) == [
        *[("async", "acme"), ("async", 7), ("int", 7), ("str", "acme")]
    ]


def test_pipelines_groups_and_delays_stay_with_their_tenant() -> None:
    bench = Bench(Results(backend=StubBackend()))

    @bench.actor(store_results=True)
    def add(left: int, right: int) -> int:
        bench.see()
        return left + right

    @bench.actor
    def done() -> None:
        bench.see("done")

    backend = bench.broker.get_results_backend()
    with bench.worker():
        for tenant in ("acme", "globex"):
            with tenant_scope(tenant):
                piped = pipeline([add.message(1, 2), add.message(3)], broker=bench.broker).run()
                grouped = group([add.message(1, 1), add.message(2, 2)], broker=bench.broker).run()
                delayed = add.send_with_options(args=(5, 5), delay=1)
                assert list(grouped.get_results(block=True, timeout=30_000)) == [2, 4]
                assert piped.get_result(block=True, timeout=30_000) == 6
                assert backend.get_result(delayed, block=True, timeout=30_000) == 10
            assert bench.seen == [tenant] * 5
            bench.seen.clear()


def test_retries_and_callbacks_stay_with_their_tenant() -> None:
    bench = Bench()

    @bench.actor
    def succeeded(data: Any, result: Any) -> None:
        bench.see("succeeded")

    @bench.actor
    def gave_up(data: Any, retries: Any) -> None:
        bench.see("gave up")

    @bench.actor(max_retries=1)
    def fail() -> None:
        bench.see("failed")
        raise ValueError

    @bench.actor
    def flaky() -> None:
        bench.see("tried")
        if bench.seen.count(("tried", "acme")) < 3:
            raise ValueError

    with bench.worker(), tenant_scope("acme"):
        fail.send_with_options(on_retry_exhausted=gave_up.actor_name)
        flaky.send_with_options(on_success=succeeded.actor_name)
    assert sorted(bench.seen) == [
        *[("failed", "acme")] * 2,
        *[("gave up", "acme"), ("succeeded", "acme")],
        *[("tried", "acme")] * 3,
    ]


def test_a_nested_message_gets_the_scope_in_which_it_is_enqueued() -> None:
    bench = Bench()

    @bench.actor
    def inner() -> None:
        bench.see()

    @bench.actor
    def outer() -> None:
        inner.send()
        with tenant_scope("globex"):
            inner.send()
        bench.see("outer")

    with bench.worker(), tenant_scope("acme"):
        outer.send()
    assert sorted(bench.seen, key=str) == [("outer", "acme"), "acme", "globex"]


def test_a_message_that_is_sent_again_names_the_tenant_in_scope() -> None:
    bench = Bench()

    @bench.actor
    def look() -> None:
        bench.see()

    message = look.message()
    with bench.worker():
        for tenant in ("acme", "globex"):
            with tenant_scope(tenant):
                bench.broker.enqueue(message)
    assert sorted(bench.seen) == ["acme", "globex"]


class Observing(Middleware):
    """Sees what is bound in a worker's thread after a message, where the next one begins."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def before_ack(self, broker: Any, message: Any) -> None:
        self.seen.append(describe(current_bound()))

    before_nack = before_ack


def test_the_tenant_ends_with_its_message_whatever_happens() -> None:
    observing = Observing()
    bench = Bench(observing)

    @bench.actor(max_retries=0)
    def fail() -> None:
        raise ValueError

    @bench.actor(tenant=None)
    def look() -> None:
        bench.see()

    @bench.actor
    def work() -> None:
        bench.see()

    bench.states["suspended"] = TenantState.SUSPENDED
    with bench.worker():
        for _ in range(4):
            for tenant in ("acme", "suspended"):
                with tenant_scope(tenant):
                    fail.send()
                    work.send()
            look.send()
    assert sorted(bench.seen) == ["acme"] * 4 + ["no scope"] * 4
    assert observing.seen == ["no scope"] * 20


def test_a_periodic_actor_enqueues_one_for_each_active_tenant() -> None:
    bench = Bench()
    bench.states["suspended"] = TenantState.SUSPENDED

    @bench.actor
    def remind() -> None:
        bench.see()

    @bench.actor(system="enqueue the reminders")
    def nightly() -> None:
        tenants: list[TenantId] = ["acme", "globex", "suspended", 7]
        for_each_tenant(tenants, remind.send, directory=bench.directory, parallel=2)

    with bench.worker():
        nightly.send()
    assert sorted(bench.seen, key=str) == [7, "acme", "globex"]


def test_an_actor_of_another_process_needs_a_tenant() -> None:
    bench = Bench()
    bench.broker.declare_queue("default")
    message: Message[Any] = Message("default", "elsewhere", (), {}, {})
    with pytest.raises(MissingTenantContextError):
        bench.broker.enqueue(message)
    with tenant_scope(7):
        sent = bench.broker.enqueue(message)
    assert sent.options[HEADER]["int"] == 7


def test_an_actor_that_says_both_is_refused() -> None:
    bench = Bench()
    with pytest.raises(ConfigurationError, match="neither"):

        @bench.actor(tenant=None, system="statistics")
        def look() -> None: ...


def test_install_is_called_once_before_the_first_actor() -> None:
    bench = Bench()
    with pytest.raises(ConfigurationError, match="before"):
        install(bench.broker, directory=None)
    late = StubBroker(middleware=[])

    @dramatiq.actor(broker=late)
    def look() -> None: ...

    with pytest.raises(ConfigurationError, match="first actor"):
        install(late, directory=None)


def test_the_middleware_comes_first() -> None:
    bench = Bench()
    assert isinstance(bench.broker.middleware[0], TenantMiddleware)
    empty = StubBroker(middleware=[])
    install(empty, directory=None)
    assert len(empty.middleware) == 1


def test_a_worker_does_not_start_with_a_middleware_before_the_tenants() -> None:
    bench = Bench()
    bench.broker.add_middleware(Middleware(), before=TenantMiddleware)
    worker = Worker(bench.broker, worker_timeout=10)
    with pytest.raises(ConfigurationError, match="before"):
        worker.start()


def test_errors_reach_the_caller_by_both_names() -> None:
    bench = Bench()

    @bench.actor
    def look() -> None: ...

    with pytest.raises(MiddlewareError):
        look.send()
