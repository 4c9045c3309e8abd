"""The Taskiq adapter, with its broker in memory; tests/jobs has a real one."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import pytest
from taskiq import (
    AsyncBroker,
    BrokerMessage,
    InMemoryBroker,
    SimpleRetryMiddleware,
    TaskiqDepends,
    TaskiqMiddleware,
)

from tenantshield_mw import (
    MissingTenantContextError,
    ScopeMismatchError,
    TenantContext,
    TenantDirectory,
    TenantId,
    TenantNotFoundError,
    TenantState,
    TenantSuspendedError,
    TenantUnauthenticatedError,
    current_tenant,
    system_scope,
    tenant_scope,
    try_current_tenant,
)
from tenantshield_mw.adapters.taskiq import TenantMiddleware
from tenantshield_mw.context import current_bound, describe
from tenantshield_mw.jobs import HEADER, afor_each_tenant

KEY = b"a key for the tests, 32 bytes or more"


class Bench:
    """A broker in memory, and what its tasks have seen.

    Args:
        await_inplace: whether a task runs before ``kiq()`` returns, in its caller's context.
    """

    def __init__(
        self, *more: TaskiqMiddleware, await_inplace: bool = False, **options: Any
    ) -> None:
        self.states: dict[TenantId, TenantState] = {}
        self.failures: list[Exception] = []
        self.seen: list[Any] = []
        self.broker = InMemoryBroker(await_inplace=await_inplace)
        self.directory = TenantDirectory(self._look_up, negative_ttl=0)
        options.setdefault("keys", [KEY])
        self.broker.add_middlewares(TenantMiddleware(directory=self.directory, **options), *more)

    async def _look_up(self, tenant_id: TenantId) -> TenantContext | TenantState:
        await asyncio.sleep(0)
        if self.failures:
            raise self.failures.pop()
        state = self.states.get(tenant_id, TenantState.ACTIVE)
        return TenantContext(tenant_id) if state is TenantState.ACTIVE else state

    def see(self, *what: Any) -> None:
        """Note what is bound."""
        tenant = try_current_tenant()
        of = describe(current_bound()) if tenant is None else tenant.tenant_id
        self.seen.append((*what, of) if what else of)

    async def wait(self) -> None:
        """Wait for all tasks, and those that they sent."""
        while self.broker._running_tasks:
            await self.broker.wait_all()
            await asyncio.sleep(0)


@pytest.fixture(params=[False, True], ids=["as tasks", "in place"])
def bench(request: pytest.FixtureRequest) -> Bench:
    return Bench(SimpleRetryMiddleware(), await_inplace=request.param)


async def test_a_task_runs_under_the_tenant_that_sent_it(bench: Bench) -> None:
    @bench.broker.task
    async def look() -> None:
        bench.see(type(current_tenant().tenant_id).__name__)

    @bench.broker.task
    def look_in_thread() -> None:
        bench.see("thread")

    for tenant in ("acme", 7):
        with tenant_scope(tenant):
            await look.kiq()
            await look_in_thread.kiq()
    await bench.wait()
    assert sorted(bench.seen, key=str) == [
        *[("int", 7), ("str", "acme"), ("thread", "acme"), ("thread", 7)]
    ]


async def test_dependencies_run_under_the_tenant(bench: Bench) -> None:
    async def open_session() -> Any:
        bench.see("begin")
        yield "session"
        bench.see("end")

    @bench.broker.task
    async def look(session: str = TaskiqDepends(open_session)) -> None:
        bench.see(session)

    with tenant_scope("acme"):
        await look.kiq()
        await bench.wait()
    assert bench.seen == [("begin", "acme"), ("session", "acme"), ("end", "acme")]


async def test_retries_stay_with_their_tenant(bench: Bench) -> None:
    @bench.broker.task(retry_on_error=True, max_retries=5)
    async def flaky(number: int) -> None:
        bench.see()
        if len(bench.seen) < 3:
            raise ValueError

    with tenant_scope(7):
        await flaky.kiq(1)
    await bench.wait()
    assert bench.seen == [7, 7, 7]


async def test_a_nested_task_gets_the_scope_in_which_it_is_sent(bench: Bench) -> None:
    @bench.broker.task
    async def inner() -> None:
        bench.see("inner")

    @bench.broker.task
    async def outer() -> None:
        await inner.kiq()
        with tenant_scope("globex"):
            await inner.kiq()
            # A call of the function is no task.
            await inner()
        bench.see("outer")

    with tenant_scope("acme"):
        await outer.kiq()
    await bench.wait()
    assert sorted(bench.seen) == [
        *[("inner", "acme"), ("inner", "globex"), ("inner", "globex"), ("outer", "acme")]
    ]


async def test_a_task_that_calls_itself_as_a_function_runs_in_the_scope_of_the_call(
    bench: Bench,
) -> None:
    @bench.broker.task
    async def work(again: bool) -> None:
        bench.see()
        if again:
            with tenant_scope("globex"):
                await work(False)

    with tenant_scope("acme"):
        await work.kiq(True)
    await bench.wait()
    assert bench.seen == ["acme", "globex"]


async def test_the_tenant_ends_with_its_task_whatever_happens(bench: Bench) -> None:
    class Failing(TaskiqMiddleware):
        def on_error(self, message: Any, result: Any, exception: BaseException) -> None:
            raise LookupError

    @bench.broker.task
    async def fail() -> None:
        raise ValueError

    @bench.broker.task(tenant=None)
    async def look() -> None:
        bench.see()

    with tenant_scope("acme"):
        await fail.kiq()
    await look.kiq()
    await bench.wait()
    bench.broker.add_middlewares(Failing())
    try:
        with tenant_scope("acme"):
            await fail.kiq()
            await bench.wait()
    except Exception:
        bench.see("failed")
    await look.kiq()
    await bench.wait()
    assert bench.seen == ["no scope", ("failed", "no scope"), "no scope"]
    assert current_bound() is None
    with pytest.raises(MissingTenantContextError):
        await fail.kiq()


async def test_the_tenant_ends_before_the_result_is_saved() -> None:
    seen: list[Any] = []

    def see(what: str) -> None:
        tenant = try_current_tenant()
        seen.append((what, None if tenant is None else tenant.tenant_id))

    class Observing(TaskiqMiddleware):
        def post_execute(self, message: Any, result: Any) -> None:
            see("executed")

        def post_save(self, message: Any, result: Any) -> None:
            see("saved")

    bench = Bench(Observing())

    @bench.broker.task
    async def work() -> None:
        see("ran")

    kick, kept = bench.broker.kick, list[BrokerMessage]()

    async def keep(message: BrokerMessage) -> None:
        kept.append(message)

    bench.broker.kick = keep  # type: ignore[method-assign]
    with tenant_scope("acme"):
        await work.kiq()
    # As in a worker: the context of the message's asyncio task is a copy of one without a tenant.
    await kick(kept[0])
    await bench.wait()
    assert seen == [("ran", "acme"), ("executed", "acme"), ("saved", None)]


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


async def test_a_periodic_task_sends_one_for_each_active_tenant(bench: Bench) -> None:
    @bench.broker.task
    async def remind() -> None:
        bench.see()

    @bench.broker.task(system="send the reminders")
    async def nightly() -> None:
        tenants: list[TenantId] = ["acme", "globex", "suspended", 7]
        await afor_each_tenant(tenants, remind.kiq, directory=bench.directory, parallel=2)

    bench.states["suspended"] = TenantState.SUSPENDED
    await nightly.kiq()
    await bench.wait()
    assert sorted(bench.seen, key=str) == [7, "acme", "globex"]


async def test_a_task_of_another_process_needs_a_tenant(bench: Bench) -> None:
    from taskiq.kicker import AsyncKicker

    kicked: list[BrokerMessage] = []

    async def keep(message: BrokerMessage) -> None:
        kicked.append(message)

    bench.broker.kick = keep  # type: ignore[method-assign]
    broker: AsyncBroker = bench.broker
    labels = {HEADER: {"str": "globex"}, "trace": "1"}
    with pytest.raises(MissingTenantContextError):
        await AsyncKicker("elsewhere", broker, dict(labels)).kiq()
    with tenant_scope(7):
        await AsyncKicker("elsewhere", broker, labels).kiq()
    sent = json.loads(kicked[0].message)
    assert sent["labels"][HEADER]["int"] == 7
    assert sent["labels"]["trace"] == "1"
    assert labels == {HEADER: {"str": "globex"}, "trace": "1"}
