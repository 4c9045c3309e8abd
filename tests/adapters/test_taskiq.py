"""The Taskiq adapter, with its broker in memory; tests/jobs has a real one."""

from __future__ import annotations

import json
from typing import Any

import pytest
from taskiq import (
    AsyncBroker,
    BrokerMessage,
    SimpleRetryMiddleware,
    TaskiqDepends,
    TaskiqMiddleware,
)

from tenantshield_mw import (
    MissingTenantContextError,
    TenantId,
    TenantState,
    current_tenant,
    tenant_scope,
    try_current_tenant,
)
from tenantshield_mw.context import current_bound
from tenantshield_mw.jobs import HEADER, afor_each_tenant

from .taskiq_bench import Bench


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
