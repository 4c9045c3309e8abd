"""What the Taskiq adapter refuses, and how."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from taskiq import (
    BrokerMessage,
    SimpleRetryMiddleware,
    TaskiqMiddleware,
)

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
from tenantshield_mw.jobs import HEADER

from .taskiq_bench import Bench


@pytest.fixture(params=[False, True], ids=["as tasks", "in place"])
def bench(request: pytest.FixtureRequest) -> Bench:
    return Bench(SimpleRetryMiddleware(), await_inplace=request.param)


async def test_a_task_without_a_tenant_is_refused_where_it_is_sent(bench: Bench) -> None:
    @bench.broker.task
    async def look() -> None:
        bench.see()

    with pytest.raises(MissingTenantContextError, match="none is in scope"):
        await look.kiq()
    with system_scope("a test"), pytest.raises(MissingTenantContextError):
        await look.kiq()
    await bench.wait()
    assert bench.seen == []


async def test_a_task_may_work_for_no_tenant_or_in_a_system_scope(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    @bench.broker.task(tenant=None)
    async def without() -> None:
        bench.see()

    @bench.broker.task(system="statistics")
    def statistics() -> None:
        bench.see()

    with caplog.at_level(logging.INFO, "tenantshield_mw.audit"):
        await without.kiq()
        with tenant_scope("acme"):
            await without.kiq()
            await statistics.kiq()
        await bench.wait()
    assert sorted(bench.seen) == ["a system scope", "no scope", "no scope"]
    assert [each for each in caplog.messages if "statistics" in each].count(
        "system scope: statistics"
    ) == 1


async def _receive(bench: Bench, name: str, labels: dict[str, Any]) -> Any:
    """Let the broker receive a message that was not sent through its middleware."""
    message = {"task_id": name, "task_name": name, "labels": labels, "args": [], "kwargs": {}}
    text = json.dumps(message).encode()
    await bench.broker.kick(
        BrokerMessage(task_id=name, task_name=name, message=text, labels=labels)
    )
    await bench.wait()
    return (await bench.broker.result_backend.get_result(name)).error


@pytest.mark.parametrize(
    ("labels", "error"),
    [
        ({}, MissingTenantContextError),
        ({HEADER: {"str": "acme"}}, TenantUnauthenticatedError),
        ({HEADER: {"str": "acme", "signature": "0" * 64}}, TenantUnauthenticatedError),
    ],
)
async def test_a_message_that_somebody_else_sent_is_refused(
    bench: Bench, labels: dict[str, Any], error: type[Exception]
) -> None:
    @bench.broker.task(task_name="look", retry_on_error=True)
    async def look() -> None:
        bench.see()

    @bench.broker.task(task_name="without", tenant=None)
    async def without() -> None:
        bench.see()

    # Not even with labels that say what the task does not.
    labels = {**labels, "retry_on_error": True, "system": "everything", "tenant": None}
    assert type(await _receive(bench, "look", labels)) is error
    refused = await _receive(bench, "without", labels)
    assert (type(refused) is ScopeMismatchError) is (HEADER in labels)
    assert bench.seen == ([] if HEADER in labels else ["no scope"])


@pytest.mark.parametrize(
    ("state", "error"),
    [(TenantState.SUSPENDED, TenantSuspendedError), (TenantState.UNKNOWN, TenantNotFoundError)],
)
async def test_a_tenant_that_is_not_active_any_more_is_rejected(
    bench: Bench, state: TenantState, error: type[Exception]
) -> None:
    @bench.broker.task(retry_on_error=True, max_retries=5)
    async def work() -> None:
        bench.see()

    bench.states["acme"] = state
    with tenant_scope("acme"):
        sent = await work.kiq()
    result = await sent.wait_result(check_interval=0.01, timeout=30)
    assert type(result.error) is error
    await bench.wait()
    assert bench.seen == []


class Reactivating(TaskiqMiddleware):
    def __init__(self) -> None:
        super().__init__()
        self.bench: Any = None
        self.errors = 0

    def on_error(self, message: Any, result: Any, exception: BaseException) -> None:
        self.bench.see("on_error")
        self.errors += 1
        if self.errors == 2:
            self.bench.states.clear()


async def test_a_refused_task_can_be_retried() -> None:
    reactivating = Reactivating()
    bench = Bench(SimpleRetryMiddleware(), reactivating, on_refused="retry")
    reactivating.bench = bench

    @bench.broker.task(retry_on_error=True, max_retries=5)
    async def work() -> None:
        bench.see()

    bench.states["acme"] = TenantState.SUSPENDED
    with tenant_scope("acme"):
        await work.kiq()
    await bench.wait()
    assert bench.seen == [("on_error", "no scope"), ("on_error", "no scope"), "acme"]


async def test_a_refused_task_can_be_put_aside() -> None:
    bench = Bench(SimpleRetryMiddleware(default_retry_label=True), on_refused="dead_letter")
    kicked: list[BrokerMessage] = []
    kick = bench.broker.kick

    async def kick_or_keep(message: BrokerMessage) -> None:
        await (kept(message) if message.labels.get("queue_name") == "refused" else kick(message))

    async def kept(message: BrokerMessage) -> None:
        kicked.append(message)

    bench.broker.kick = kick_or_keep  # type: ignore[method-assign]

    @bench.broker.task
    async def add(left: int, right: int) -> int:
        bench.see()
        return left + right

    bench.states["acme"] = TenantState.SUSPENDED
    with tenant_scope("acme"):
        sent = await add.kiq(1, right=2)
    await bench.wait()
    assert not await sent.is_ready()
    assert bench.seen == []
    bench.states.clear()
    (message,) = kicked
    await kick(message)
    result = await sent.wait_result(check_interval=0.01, timeout=30)
    assert result.return_value == 3
    assert bench.seen == ["acme"]


async def test_a_directory_that_fails_is_asked_again(bench: Bench) -> None:
    @bench.broker.task(retry_on_error=True)
    async def work() -> None:
        bench.see()

    bench.failures.append(OSError("no database"))
    with tenant_scope("acme"):
        await work.kiq()
    await bench.wait()
    assert bench.seen == ["acme"]
