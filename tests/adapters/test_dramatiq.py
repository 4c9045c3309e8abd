"""The Dramatiq adapter, with its broker in memory; tests/jobs has real ones."""

from __future__ import annotations

import logging
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import dramatiq
import pytest
from dramatiq import Message, Middleware, Worker, group, pipeline
from dramatiq.brokers.stub import StubBroker
from dramatiq.middleware import AsyncIO, MiddlewareError
from dramatiq.results import ResultFailure, Results
from dramatiq.results.backends import StubBackend

from tenantshield_mw import (
    ConfigurationError,
    MissingTenantContextError,
    TenantContext,
    TenantDirectory,
    TenantId,
    TenantState,
    current_tenant,
    system_scope,
    tenant_scope,
    try_current_tenant,
)
from tenantshield_mw.adapters.dramatiq import RefusedError, TenantMiddleware, install
from tenantshield_mw.context import current_bound, describe
from tenantshield_mw.jobs import HEADER, for_each_tenant

KEY = b"a key for the tests, 32 bytes or more"


class Bench:
    """A broker in memory, and what its actors have seen."""

    def __init__(self, *more: Middleware, **options: Any) -> None:
        self.states: dict[TenantId, TenantState] = {}
        self.seen: list[Any] = []
        # Before 2.0, it was among these, and needs a server.
        middleware = [
            each()
            for each in dramatiq.middleware.default_middleware
            if each.__name__ != "Prometheus"
        ]
        self.broker = StubBroker(middleware=[*middleware, AsyncIO(), *more])
        self.directory = TenantDirectory(self._look_up, negative_ttl=0)
        options.setdefault("keys", [KEY])
        install(self.broker, directory=self.directory, **options)

    def _look_up(self, tenant_id: TenantId) -> TenantContext | TenantState:
        state = self.states.get(tenant_id, TenantState.ACTIVE)
        return TenantContext(tenant_id) if state is TenantState.ACTIVE else state

    def actor(self, function: Any = None, **options: Any) -> Any:
        """Declare an actor, which retries at once."""
        options = {"min_backoff": 1, "max_backoff": 2, "max_retries": 3, **options}
        declare: Any = dramatiq.actor
        return declare(function, broker=self.broker, **options)

    def see(self, *what: Any) -> None:
        """Note what is bound."""
        tenant = try_current_tenant()
        of = describe(current_bound()) if tenant is None else tenant.tenant_id
        self.seen.append((*what, of) if what else of)

    @contextmanager
    def worker(self) -> Generator[None]:
        """Run a worker in threads until all messages are done."""
        worker = Worker(self.broker, worker_timeout=10, worker_threads=2)
        worker.start()
        try:
            yield
            self.broker.join("default", timeout=30_000, fail_fast=False)
            worker.join()
        finally:
            worker.stop()

    def dead(self) -> list[str]:
        return [message.actor_name for message in self.broker.dead_letters]


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


def test_a_message_without_a_tenant_is_refused_where_it_is_enqueued() -> None:
    bench = Bench()

    @bench.actor
    def look() -> None:
        bench.see()

    with bench.worker():
        with pytest.raises(MissingTenantContextError, match="none is in scope"):
            look.send()
        with system_scope("a test"), pytest.raises(MissingTenantContextError):
            look.send()
    assert bench.seen == []


def test_an_actor_may_work_for_no_tenant_or_in_a_system_scope(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bench = Bench()

    @bench.actor(tenant=None)
    def without() -> None:
        bench.see()

    @bench.actor(system="statistics")
    def statistics() -> None:
        bench.see()

    with caplog.at_level(logging.INFO, "tenantshield_mw.audit"), bench.worker():
        without.send()
        with tenant_scope("acme"):
            without.send()
            statistics.send()
    assert sorted(bench.seen) == ["a system scope", "no scope", "no scope"]
    assert "system scope: statistics" in caplog.messages


@pytest.mark.parametrize(
    "options", [{}, {HEADER: {"str": "acme"}}, {HEADER: {"str": "acme", "signature": "0" * 64}}]
)
def test_a_message_that_somebody_else_sent_is_refused(options: dict[str, Any]) -> None:
    bench = Bench()

    @bench.actor
    def look() -> None:
        bench.see()

    @bench.actor(tenant=None)
    def without() -> None:
        bench.see()

    for name in ("look", "without"):
        message: Message[Any] = Message("default", name, (), {}, dict(options))
        # Past the broker's middleware.
        bench.broker.queues["default"].put(message.encode())
    with bench.worker():
        pass
    assert bench.seen == ([] if options else ["no scope"])
    assert sorted(bench.dead()) == (["look", "without"] if options else ["look"])


def test_a_signature_is_not_taken_over_by_another_message() -> None:
    bench = Bench()

    @bench.actor
    def look() -> None:
        bench.see()

    with tenant_scope("acme"):
        sent = look.send()
    # Outside every scope, a message is sent on for its tenant only with its own signature.
    bench.broker.enqueue(sent)
    with pytest.raises(RefusedError):
        bench.broker.enqueue(look.message_with_options(**{HEADER: sent.options[HEADER]}))
    with bench.worker():
        pass
    assert bench.seen == ["acme", "acme"]


@pytest.mark.parametrize("on_refused", ["reject", "dead_letter"])
@pytest.mark.parametrize("state", [TenantState.SUSPENDED, TenantState.UNKNOWN])
def test_a_tenant_that_is_not_active_any_more_is_refused(
    state: TenantState, on_refused: Any
) -> None:
    bench = Bench(Results(backend=StubBackend()), on_refused=on_refused)

    @bench.actor(store_results=True)
    def work() -> None:
        bench.see()

    bench.states["acme"] = state
    with bench.worker():
        with tenant_scope("acme"):
            message = work.send()
        backend = bench.broker.get_results_backend()
        with pytest.raises(ResultFailure, match=r"Tenant\w+Error"):
            backend.get_result(message, block=True, timeout=30_000)
    assert bench.seen == []
    assert bench.dead() == ["work"]


def test_a_refused_message_can_be_retried() -> None:
    bench = Bench(on_refused="retry")

    class Activating(Middleware):
        def before_enqueue(self, broker: Any, message: Any, delay: int) -> None:
            if message.options.get("retries") == 2:
                bench.states.clear()

    bench.broker.add_middleware(Activating())

    @bench.actor
    def work() -> None:
        bench.see()

    bench.states["acme"] = TenantState.SUSPENDED
    with bench.worker(), tenant_scope("acme"):
        work.send()
    assert bench.seen == ["acme"]
    assert bench.dead() == []


def test_a_directory_that_fails_is_asked_again() -> None:
    bench = Bench()
    failures = [OSError("no database")]

    def fail_once(tenant_id: TenantId) -> Any:
        if failures:
            raise failures.pop()
        return TenantContext(tenant_id)

    bench.broker = StubBroker(middleware=[dramatiq.middleware.Retries()])
    install(bench.broker, directory=fail_once)

    @bench.actor
    def work() -> None:
        bench.see()

    with bench.worker(), tenant_scope("acme"):
        work.send()
    assert bench.seen == ["acme"]


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
