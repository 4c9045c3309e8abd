"""The rules about scopes, one test for each rule that needs a database.

The parts that need none stand in ``tests/core/test_settled_scopes.py``, those about the
parameters of the scopes in ``test_scopes.py``.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Engine, func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.orm import Session

from tenantshield_mw import (
    MissingTenantContextError,
    ScopeMismatchError,
    TenantSessionMiddleware,
    TenantShieldError,
    atenant_scope,
    system_scope,
    tenant_scope,
)
from tenantshield_mw.adapters.sqlalchemy import (
    AsyncSessionScope,
    SessionScope,
    bind_async_session_to_tenant,
    bind_session_to_tenant,
)
from tests.core.calling import call_asgi, http_scope
from tests.databases import Database

from . import rooms
from .rooms import ROOMS, Chair, Colour, Room, aseen, seen

here, engine, async_engine = rooms.here, rooms.engine, rooms.async_engine


# -- rule 1: one ContextVar underlies sync and async -----------------------------


async def test_what_the_sync_scope_binds_an_async_query_sees(async_engine: AsyncEngine) -> None:
    with tenant_scope("acme"):
        assert await aseen(async_engine) == [1, 2]
        await asyncio.sleep(0)
        assert await aseen(async_engine) == [1, 2]


async def test_what_the_async_scope_binds_a_sync_query_sees(engine: Engine) -> None:
    async with atenant_scope("acme"):
        assert seen(engine) == [1, 2]


async def test_gathered_tasks_query_their_own_tenants_rows(async_engine: AsyncEngine) -> None:
    turns = asyncio.Barrier(len(ROOMS))

    async def work(tenant: str) -> list[list[int]]:
        found = []
        async with atenant_scope(tenant), AsyncSession(async_engine) as session:
            for _ in range(3):
                await turns.wait()
                found.append(list(await session.scalars(select(Room.id).order_by(Room.id))))
                session.expire_all()
        return found

    results = await asyncio.gather(*(work(tenant) for tenant in ROOMS))
    assert list(results) == [[ids] * 3 for ids in ROOMS.values()]


async def test_gathered_tasks_write_under_their_own_tenants(async_engine: AsyncEngine) -> None:
    turns = asyncio.Barrier(len(ROOMS))
    lock = asyncio.Lock()

    async def work(number: int, tenant: str) -> None:
        async with atenant_scope(tenant), AsyncSession(async_engine) as session:
            session.add(Room(id=number, name="new"))
            await turns.wait()
            # SQLite has one writer at a time.
            async with lock:
                await session.commit()

    await asyncio.gather(*(work(100 + n, tenant) for n, tenant in enumerate(ROOMS)))
    with system_scope("count"):
        async with AsyncSession(async_engine) as session:
            found = await session.execute(
                select(Room.id, Room.tenant_id).where(Room.id >= 100).order_by(Room.id)
            )
            assert [tuple(each) for each in found] == [
                (100, "acme"),
                (101, "globex"),
                (102, "initech"),
            ]


async def test_to_thread_carries_the_tenant_to_a_sync_session(engine: Engine) -> None:
    async with atenant_scope("acme"):
        assert await asyncio.to_thread(seen, engine) == [1, 2]
    with pytest.raises(MissingTenantContextError):
        await asyncio.to_thread(seen, engine)


async def test_threads_of_gathered_tasks_keep_to_their_tenants(engine: Engine) -> None:
    async def work(tenant: str) -> list[int]:
        async with atenant_scope(tenant):
            return await asyncio.to_thread(seen, engine)

    results = await asyncio.gather(*(work(tenant) for tenant in ROOMS))
    assert list(results) == list(ROOMS.values())


def test_asyncio_run_from_sync_code_carries_the_tenant(here: Database) -> None:
    async def work() -> list[int]:
        engine = here.async_engine()
        try:
            return await aseen(engine)
        finally:
            await engine.dispose()

    with tenant_scope("globex"):
        assert asyncio.run(work()) == [3, 4]
    with pytest.raises(MissingTenantContextError):
        asyncio.run(work())


async def test_sync_and_async_scopes_nest_and_restore_around_queries(
    engine: Engine, async_engine: AsyncEngine
) -> None:
    with tenant_scope("acme"):
        assert seen(engine) == [1, 2]
        async with atenant_scope("globex"):
            assert await aseen(async_engine) == [3, 4]
            with tenant_scope("initech"):
                assert seen(engine) == [5]
                assert await aseen(async_engine) == [5]
            assert seen(engine) == [3, 4]
        assert await aseen(async_engine) == [1, 2]
    with pytest.raises(MissingTenantContextError):
        seen(engine)


# -- rule 2: the async surface is parallel ---------------------------------------


async def test_every_pair_of_scopes_confines_sessions_of_both_kinds(
    engine: Engine, async_engine: AsyncEngine
) -> None:
    for scope in (SessionScope("acme"), bind_session_to_tenant("acme"), tenant_scope("acme")):
        with scope:
            assert seen(engine) == [1, 2]
            assert await aseen(async_engine) == [1, 2]
    for ascope in (
        AsyncSessionScope("acme"),
        bind_async_session_to_tenant("acme"),
        atenant_scope("acme"),
    ):
        async with ascope:
            assert seen(engine) == [1, 2]
            assert await aseen(async_engine) == [1, 2]


async def test_an_unbound_async_scope_reaches_shared_rows_only(async_engine: AsyncEngine) -> None:
    async with atenant_scope("acme"), AsyncSessionScope():
        async with AsyncSession(async_engine) as session:
            assert list(await session.scalars(select(Colour.id))) == [1]
        with pytest.raises(MissingTenantContextError):
            await aseen(async_engine)


# -- rule 3: one set of handlers for both kinds of session -----------------------


def test_there_are_no_handlers_for_async_sessions_of_their_own() -> None:
    # A module that was never imported cannot have listeners.
    program = (
        "import sys, tenantshield_mw.adapters.sqlalchemy\n"
        "print('sqlalchemy.ext.asyncio' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr) == ("False", "")


async def test_the_same_acts_end_the_same_way_through_both_kinds_of_session(
    engine: Engine, async_engine: AsyncEngine
) -> None:
    def write_reference(session: Session) -> None:
        session.add(Chair(id=91, room_id=3))
        session.flush()

    def write(session: Session) -> str:
        session.add(Room(id=92))
        session.flush()
        return session.get_one(Room, 92).tenant_id

    acts: list[Callable[[Session], Any]] = [
        lambda session: list(session.scalars(select(Room.id).order_by(Room.id))),
        lambda session: session.get(Room, 3),
        lambda session: session.get(Room, 1) is not None,
        lambda session: [chair.room_id for chair in session.get_one(Room, 1).chairs],
        lambda session: list(session.scalars(update(Room).values(name="x").returning(Room.id))),
        lambda session: session.execute(text("SELECT * FROM rule_room")),
        lambda session: session.execute(insert(Room).values(id=90, tenant_id="globex")),
        write_reference,
        write,
        lambda session: session.scalar(select(func.count()).select_from(Room)),
    ]

    def outcome(act: Callable[[Session], Any], session: Session) -> Any:
        try:
            return act(session)
        except TenantShieldError as error:
            return type(error), str(error)

    async with atenant_scope("acme"):
        for act in acts:
            with Session(engine) as session:
                expected = outcome(act, session)
                session.rollback()
            async with AsyncSession(async_engine) as asession:
                assert await asession.run_sync(partial(outcome, act)) == expected
                await asession.rollback()


async def test_both_kinds_of_session_live_in_one_process_under_one_binding(
    engine: Engine, async_engine: AsyncEngine
) -> None:
    async with atenant_scope("acme"):
        with Session(engine) as session:
            async with AsyncSession(async_engine) as asession:
                assert list(session.scalars(select(Room.id))) == [1, 2]
                assert list(await asession.scalars(select(Room.id))) == [1, 2]
                with tenant_scope("globex"):
                    assert list(await asession.scalars(select(Room.id))) == [3, 4]
                    assert list(session.scalars(select(Room.id))) == [3, 4]
                assert list(session.scalars(select(Room.id))) == [1, 2]
                assert list(await asession.scalars(select(Room.id))) == [1, 2]


async def test_an_async_session_serves_one_tenant_at_a_time(async_engine: AsyncEngine) -> None:
    async with AsyncSession(async_engine) as session:
        async with atenant_scope("acme"):
            held = await session.get(Room, 1)
            assert held is not None
        async with atenant_scope("globex"):
            assert await session.get(Room, 1) is None
            assert held not in session
            session.add(Room(id=77))
        async with atenant_scope("acme"):
            with pytest.raises(ScopeMismatchError):
                await session.get(Room, 1)


# -- rule 4: the middleware ------------------------------------------------------


async def test_sync_and_async_resolvers_confine_the_apps_queries(
    async_engine: AsyncEngine,
) -> None:
    found: list[list[int]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        found.append(await aseen(async_engine))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def later(scope: Any) -> str:
        await asyncio.sleep(0)
        return "globex"

    for resolver in (lambda scope: "acme", later):
        await call_asgi(TenantSessionMiddleware(app, resolve_tenant=resolver), http_scope("/"))
    assert found == [[1, 2], [3, 4]]
