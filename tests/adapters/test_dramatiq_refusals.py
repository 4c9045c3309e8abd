"""What the Dramatiq adapter refuses, and how."""

from __future__ import annotations

import logging
from typing import Any

import dramatiq
import pytest
from dramatiq import Message, Middleware
from dramatiq.brokers.stub import StubBroker
from dramatiq.results import ResultFailure, Results
from dramatiq.results.backends import StubBackend

from tenantshield_mw import (
    MissingTenantContextError,
    TenantState,
    system_scope,
    tenant_scope,
)
from tenantshield_mw.adapters.dramatiq import RefusedError, install
from tenantshield_mw.jobs import HEADER

from .dramatiq_bench import KEY, Bench


class Activating(Middleware):
    """Makes all tenants active again before the second retry."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    def before_enqueue(self, broker: Any, message: Any, delay: int) -> None:
        if message.options.get("retries") == 2:
            self._bench.states.clear()


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


@pytest.mark.parametrize("keys", [[], [KEY]], ids=["unsigned", "signed"])
@pytest.mark.parametrize("delay", [None, 1])
def test_a_caller_does_not_name_a_tenant_in_the_options(
    keys: list[bytes], delay: int | None
) -> None:
    bench = Bench(keys=keys)

    @bench.actor
    def look() -> None:
        bench.see()

    @bench.actor(tenant=None)
    def heartbeat() -> None:
        look.send_with_options(**forged)

    forged: dict[str, Any] = {HEADER: {"str": "globex"}, "delay": delay}
    with bench.worker():
        with pytest.raises((MissingTenantContextError, RefusedError)):
            look.send_with_options(**forged)
        with pytest.raises((MissingTenantContextError, RefusedError)):
            bench.broker.enqueue(look.message_with_options(**forged))
        with system_scope("a test"), pytest.raises(MissingTenantContextError):
            look.send_with_options(**forged)
        with tenant_scope("acme"):
            look.send_with_options(**forged)
        heartbeat.send()
    assert bench.seen == ["acme"]


def test_nor_for_a_message_whose_id_is_that_of_an_earlier_one() -> None:
    bench = Bench(keys=[])

    @bench.actor
    def look() -> None:
        bench.see()

    with bench.worker(), tenant_scope("acme"):
        sent = look.send_with_options(delay=1)
    again = sent.copy(options={HEADER: {"str": "globex"}})
    with pytest.raises(MissingTenantContextError):
        bench.broker.enqueue(again)
    assert bench.seen == ["acme"]


def test_what_is_not_signed_is_delayed_and_retried_for_its_tenant_as_well() -> None:
    bench = Bench(keys=[], on_refused="retry")
    bench.broker.add_middleware(Activating(bench))

    @bench.actor
    def work() -> None:
        bench.see()

    bench.states["acme"] = TenantState.SUSPENDED
    with bench.worker(), tenant_scope("acme"):
        work.send_with_options(delay=1)
    assert bench.seen == ["acme"]
    assert bench.dead() == []


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
    bench.broker.add_middleware(Activating(bench))

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
    bench.failures.append(OSError("no database"))
    bench.broker = StubBroker(middleware=[dramatiq.middleware.Retries()])
    install(bench.broker, directory=bench.look_up)

    @bench.actor
    def work() -> None:
        bench.see()

    with bench.worker(), tenant_scope("acme"):
        work.send()
    assert bench.seen == ["acme"]
