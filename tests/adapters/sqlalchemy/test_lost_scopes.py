"""Threads, generators, tasks and results that outlive the scope in which they began."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Engine, StaticPool, event, func, select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.orm import Session, selectinload

from tenantshield_mw import (
    ConfigurationError,
    MissingTenantContextError,
    ScopeMismatchError,
    TenantShieldError,
    atenant_scope,
    carry_tenant,
    tenant_scope,
    try_current_tenant,
)
from tenantshield_mw.adapters.sqlalchemy import AsyncSessionScope, SessionScope
from tests.databases import Database
from tests.threads import in_thread

from . import rooms
from .rooms import ROOMS, Room, aseen, seen
from .watching import rows, sent

here, engine, async_engine = rooms.here, rooms.engine, rooms.async_engine


# -- scopes lost: threads and executors ------------------------------------------


def test_a_plain_thread_finds_no_tenant_and_raises(engine: Engine) -> None:
    with tenant_scope("acme"):
        assert in_thread(try_current_tenant) is None
        with pytest.raises(MissingTenantContextError):
            in_thread(lambda: seen(engine))


def test_an_executor_finds_no_tenant_and_raises(engine: Engine) -> None:
    with (
        ThreadPoolExecutor(1) as executor,
        tenant_scope("acme"),
        pytest.raises(MissingTenantContextError),
    ):
        executor.submit(seen, engine).result()


async def test_the_loops_executor_finds_no_tenant_and_raises(engine: Engine) -> None:
    async with atenant_scope("acme"):
        with pytest.raises(MissingTenantContextError):
            await asyncio.get_running_loop().run_in_executor(None, seen, engine)
        carried = carry_tenant(seen)
        found = await asyncio.get_running_loop().run_in_executor(None, carried, engine)
        assert found == [1, 2]


def test_carry_tenant_carries_it_on_purpose(engine: Engine) -> None:
    with ThreadPoolExecutor(1) as executor:
        with tenant_scope("acme"):
            carried = carry_tenant(seen)
            assert in_thread(lambda: carried(engine)) == [1, 2]
            first = executor.submit(carried, engine)
        with tenant_scope("globex"):
            second = executor.submit(carry_tenant(seen), engine)
        assert first.result() == [1, 2]
        assert second.result() == [3, 4]
        # The worker thread has not kept the binding.
        with pytest.raises(MissingTenantContextError):
            executor.submit(seen, engine).result()


def test_a_session_handed_to_a_thread_without_a_tenant_answers_nothing(engine: Engine) -> None:
    with tenant_scope("acme"), Session(engine) as session:
        held = session.get(Room, 1)
        assert held is not None
        with pytest.raises(MissingTenantContextError):
            in_thread(lambda: session.get(Room, 1))


# -- scopes lost: generators, tasks and results ----------------------------------


def rooms_one_by_one(engine: Engine) -> Generator[int, None, None]:
    with Session(engine) as session:
        for number in (1, 2, 3, 4, 5):
            room = session.get(Room, number)
            if room is not None:
                yield room.id


def test_a_generator_begun_in_a_scope_and_read_on_without_one_raises(engine: Engine) -> None:
    with tenant_scope("acme"):
        generator = rooms_one_by_one(engine)
        assert next(generator) == 1
    with pytest.raises(MissingTenantContextError):
        next(generator)


def test_a_generator_read_on_in_another_scope_yields_none_of_the_first_tenants_rows(
    engine: Engine,
) -> None:
    with tenant_scope("acme"):
        generator = rooms_one_by_one(engine)
        assert next(generator) == 1
    with tenant_scope("globex"):
        try:
            assert set(generator) <= {3, 4}
        except TenantShieldError:
            generator.close()


def test_a_generator_that_ends_its_scope_late_leaves_no_tenant_behind(engine: Engine) -> None:
    def with_its_own() -> Generator[list[int], None, None]:
        with tenant_scope("acme"):
            yield seen(engine)
        yield []

    scope = contextmanager(with_its_own)()
    with tenant_scope("globex"):
        assert scope.__enter__() == [1, 2]
        with pytest.raises(RuntimeError, match="didn't stop"):
            scope.__exit__(None, None, None)
        assert seen(engine) == [3, 4]
    with pytest.raises(MissingTenantContextError):
        seen(engine)


async def test_a_task_keeps_the_tenant_under_which_it_was_made(async_engine: AsyncEngine) -> None:
    go = asyncio.Event()

    async def work() -> list[int]:
        await go.wait()
        return await aseen(async_engine)

    async with atenant_scope("acme"):
        task = asyncio.create_task(work())
    async with atenant_scope("globex"):
        go.set()
        assert await task == [1, 2]
        assert await aseen(async_engine) == [3, 4]


async def test_a_task_made_without_a_tenant_never_gets_one(async_engine: AsyncEngine) -> None:
    go = asyncio.Event()

    async def work() -> list[int]:
        await go.wait()
        return await aseen(async_engine)

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    async with atenant_scope("globex"):
        go.set()
        with pytest.raises(MissingTenantContextError):
            await task


def streamed(session: Session, statement: Any) -> Iterator[Any]:
    return iter(session.scalars(statement.execution_options(yield_per=1)))


LOADING = select(Room).order_by(Room.id).options(selectinload(Room.chairs))


@pytest.mark.parametrize("used_before", [True, False])
def test_a_streamed_result_read_on_in_another_scope_runs_nothing_there(
    engine: Engine, used_before: bool
) -> None:
    with Session(engine) as session:
        with tenant_scope("acme"):
            result = streamed(session, LOADING)
            assert [each.id for each in next(result).chairs] == [11]
        with tenant_scope("globex"):
            if used_before:
                session.get(Room, 3)
            with sent(engine) as statements, pytest.raises(TenantShieldError):
                next(result)
            assert statements == []


def test_a_streamed_result_read_on_in_another_scope_puts_nothing_into_the_session(
    engine: Engine,
) -> None:
    with Session(engine) as session:
        with tenant_scope("acme"):
            result = streamed(session, select(Room).order_by(Room.id))
            assert next(result).id == 1
        with tenant_scope("globex"):
            with pytest.raises(TenantShieldError):
                next(result)
            assert session.get(Room, 2) is None


def test_a_streamed_result_read_on_without_a_scope_raises(engine: Engine) -> None:
    with Session(engine) as session:
        with tenant_scope("acme"):
            result = streamed(session, LOADING)
            next(result)
        with pytest.raises(TenantShieldError):
            next(result)


@pytest.mark.parametrize("size", [None, 1])
def test_a_result_read_first_in_another_scope_runs_nothing_and_keeps_its_rows(
    engine: Engine, size: int | None
) -> None:
    with Session(engine) as session:
        with tenant_scope("acme"):
            result = session.scalars(LOADING)
            if size:
                result = result.yield_per(size)
        with tenant_scope("globex"), sent(engine) as statements:
            with pytest.raises(ScopeMismatchError, match="read it to its end in the scope"):
                result.fetchmany(1)
            assert statements == []
            assert len(session.identity_map) == 0
        if not size:
            with tenant_scope("acme"):
                assert [(each.id, len(each.chairs)) for each in result] == [(1, 1), (2, 1)]


def test_a_streamed_result_is_read_to_its_end_in_its_own_scope(engine: Engine) -> None:
    with Session(engine) as session, tenant_scope("acme"):
        result = streamed(session, LOADING)
        assert [(each.id, len(each.chairs)) for each in result] == [(1, 1), (2, 1)]


async def test_an_async_stream_read_on_in_another_scope_runs_nothing_there(
    async_engine: AsyncEngine,
) -> None:
    async with AsyncSession(async_engine) as session:
        async with atenant_scope("acme"):
            result = await session.stream_scalars(LOADING.execution_options(yield_per=1))
            first = await anext(result)
            assert first.id == 1
        async with atenant_scope("globex"):
            with sent(async_engine) as statements, pytest.raises(TenantShieldError):
                await anext(result)
            assert statements == []
        await result.close()


def test_what_a_core_result_still_holds_is_its_own_tenants(engine: Engine) -> None:
    with engine.connect() as connection:
        with tenant_scope("acme"):
            result = connection.execute(select(Room.tenant_id).order_by(Room.id))
            assert result.fetchone() == ("acme",)
        with tenant_scope("globex"), sent(engine) as statements:
            try:
                assert [tuple(row) for row in result] == [("acme",)]
            except TenantShieldError:
                result.close()
        assert statements == []


async def test_a_cancelled_task_leaves_no_tenant_behind(async_engine: AsyncEngine) -> None:
    started = asyncio.Event()

    async def work() -> None:
        async with atenant_scope("acme"), AsyncSession(async_engine) as session:
            await session.scalars(select(Room))
            started.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert try_current_tenant() is None
    async with atenant_scope("globex"):
        assert await aseen(async_engine) == [3, 4]


def test_connections_of_a_pool_keep_nothing_of_a_tenant(here: Database) -> None:
    engine = here.engine(poolclass=StaticPool)
    for tenant in ("acme", "globex", "acme"):
        with tenant_scope(tenant):
            assert seen(engine) == ROOMS[tenant]
        with pytest.raises(MissingTenantContextError):
            seen(engine)
    assert rows(engine, "SELECT count(*) FROM rule_room") == [(5,)]
    engine.dispose()


def test_the_applications_own_listeners_run_under_the_callers_tenant(engine: Engine) -> None:
    heard: list[Any] = []

    def listener(session: Session, flush_context: Any) -> None:
        tenant = try_current_tenant()
        heard.append(tenant and tenant.tenant_id)
        heard.append(session.scalar(select(func.count()).select_from(Room)))

    with Session(engine) as session, tenant_scope("acme"):
        event.listen(session, "after_flush_postexec", listener)
        session.add(Room(id=70))
        session.flush()
    assert heard == ["acme", 3]


def _generate(scope: Any) -> Generator[None]:
    with scope:
        yield


async def _generate_later(scope: Any) -> AsyncGenerator[None]:
    async with scope:
        yield


async def test_a_generator_does_not_yield_in_a_session_scope() -> None:
    for generate in (_generate(SessionScope("acme")), _generate(tenant_scope("acme"))):
        with pytest.raises(ConfigurationError, match="this generator would yield"):
            next(generate)
    with pytest.raises(ConfigurationError, match="this generator would yield"):
        await anext(_generate_later(AsyncSessionScope("acme")))


def test_a_generator_that_would_yield_in_its_scope_leaves_its_consumers_as_it_is(
    engine: Engine,
) -> None:
    def report() -> Generator[list[int]]:
        with tenant_scope("acme"):
            yield seen(engine)

    with tenant_scope("globex"):
        with pytest.raises(ConfigurationError, match="this generator would yield"):
            next(report())
        assert seen(engine) == [3, 4]
