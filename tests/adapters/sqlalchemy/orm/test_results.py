"""A result that is read on after its session has served another scope."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event, select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import Session

from tenantshield_mw import ScopeMismatchError, system_scope, tenant_scope

from ..letters import METADATA, Letter
from ..watching import creating, engine_in_memory

SEED = (
    "INSERT INTO inst_letter VALUES (1, 'acme', 'a1'), (2, 'acme', 'a2'), (3, 'acme', 'a3'),"
    " (4, 'globex', 'g4'), (5, 'globex', 'g5')"
)
BY_ONE = select(Letter).order_by(Letter.id).execution_options(yield_per=1)


engine = engine_in_memory(creating(METADATA, SEED))


def acme() -> Any:
    return tenant_scope("acme")


def system() -> Any:
    return system_scope("a report")


READS: list[Callable[[Any], list[Any]]] = [
    lambda result: result.all(),
    lambda result: [*result],
    lambda result: result.fetchmany(9),
    lambda result: [row for part in result.partitions(1) for row in part],
]


@pytest.mark.parametrize("read", READS)
@pytest.mark.parametrize("first", [acme, system])
def test_what_is_read_on_does_not_answer_the_scope_in_between(
    engine: Engine, first: Callable[[], Any], read: Callable[[Any], list[Any]]
) -> None:
    with Session(engine) as session:
        with first():
            result = session.scalars(BY_ONE)
            held = [next(result)]
        with tenant_scope("globex"):
            assert session.scalar(select(Letter.id).limit(1)) == 4
        with first():
            held += read(result)
            assert {"a2", "a3"} <= {note.body for note in held[1:]}
        with tenant_scope("globex"):
            assert [session.get(Letter, number) for number in (1, 2, 3)] == [None] * 3
            assert session.get_one(Letter, 4).body == "g4"


@pytest.mark.parametrize("first", [acme, system])
def test_outside_of_its_scope_it_is_refused_once_the_session_served_another(
    engine: Engine, first: Callable[[], Any]
) -> None:
    with Session(engine) as session:
        with first():
            result = session.scalars(BY_ONE)
            held = [next(result)]
        with tenant_scope("globex"):
            session.scalar(select(Letter.id).limit(1))
        with pytest.raises(ScopeMismatchError, match="outside of it"):
            result.all()
        with tenant_scope("globex"):
            assert session.get(Letter, 2) is None
        assert len(held) == 1


def test_outside_of_its_scope_it_is_read_on_as_long_as_the_session_serves_it(
    engine: Engine,
) -> None:
    with Session(engine) as session:
        with acme():
            result = session.scalars(BY_ONE)
        with nullcontext():
            assert [note.body for note in result] == ["a1", "a2", "a3"]


def test_pending_work_of_the_scope_in_between_is_not_lost(engine: Engine) -> None:
    with Session(engine, autoflush=False) as session:
        with acme():
            result = session.scalars(BY_ONE)
            next(result)
        with tenant_scope("globex"):
            session.add(Letter(id=6, body="g6"))
            session.scalar(select(Letter.id).limit(1))
        with acme(), pytest.raises(ScopeMismatchError, match="pending work"):
            result.all()
        with tenant_scope("globex"):
            session.flush()
            assert session.scalar(select(Letter.body).where(Letter.id == 6)) == "g6"


@pytest.mark.parametrize(
    "read",
    [
        lambda session: session.scalars(select(Letter)).all(),
        lambda session: session.scalars(select(Letter)).first(),
        lambda session: session.scalars(select(Letter)).fetchmany(2),
        lambda session: [*session.scalars(BY_ONE)],
        lambda session: session.get(Letter, 1),
        lambda session: session.query(Letter).all(),
    ],
)
def test_a_listener_that_uses_the_session_in_another_scope_mixes_nothing(
    engine: Engine, read: Callable[[Session], object]
) -> None:
    calls: list[None] = []

    def in_another_scope(*_: object) -> None:
        calls.append(None)
        if len(calls) == 1:
            with tenant_scope("globex"):
                session.scalar(select(Letter.id).limit(1))

    event.listen(Letter, "load", in_another_scope)
    try:
        with Session(engine) as session:
            with acme():
                held = read(session)
                assert held
            with tenant_scope("globex"):
                assert [session.get(Letter, number) for number in (1, 2, 3)] == [None] * 3
    finally:
        event.remove(Letter, "load", in_another_scope)
    assert calls


@pytest.fixture
async def async_engine(tmp_path: Path) -> AsyncIterator[AsyncEngine]:
    engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path / 'notes.sqlite3'}")
    with system_scope("fill the database of a test"):
        async with engine.begin() as connection:
            await connection.run_sync(METADATA.create_all)
            await connection.exec_driver_sql(SEED)
    yield engine
    await engine.dispose()


async def test_a_task_of_another_tenant_gets_nothing_that_a_shared_session_was_loading(
    async_engine: AsyncEngine,
) -> None:
    sent, go_on = asyncio.Event(), asyncio.Event()

    async def wait(_: Any) -> None:
        sent.set()
        await go_on.wait()

    @event.listens_for(async_engine.sync_engine, "after_cursor_execute")
    def wait_once(connection: Any, *_: Any) -> None:
        if not sent.is_set():
            connection.connection.dbapi_connection.run_async(wait)

    async def load() -> Any:
        with tenant_scope("acme"):
            return await session.get(Letter, 1)

    async with AsyncSession(async_engine) as session:
        loading = asyncio.create_task(load())
        await sent.wait()
        with tenant_scope("globex"):
            # Without SQL, but the session serves this tenant now.
            assert [*session] == []
            go_on.set()
            loaded = await loading
            assert loaded.body == "a1"
            assert await session.get(Letter, 1) is None
            assert [*session] == []
