"""Threads, tasks, and generators that outlive a scope."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sqlalchemy import select, text, update
from sqlalchemy.orm import Session, selectinload

from tests.leaks.catalogue import IN_MEMORY, NOTHING, path
from tests.leaks.hand import Hand, flat
from tests.leaks.schema import Models
from tests.threads import in_thread

OWN: dict[str, Any] = {"tenant": "own", "needs": "ambient"}
SYNC: dict[str, Any] = {"only": "sync", "why": "plain threads run sync code"}


def read_all(hand: Hand, m: Models) -> Any:
    with Session(hand.engine) as session:
        return flat(session.scalars(select(m.Invoice)).all())


@path("thread: a plain one finds no tenant", sees=NOTHING, needs="ambient", **SYNC)
def _(hand: Hand, m: Models) -> Any:
    return in_thread(lambda: read_all(hand, m))


@path("thread: an executor finds no tenant", sees=NOTHING, needs="ambient", **SYNC)
def _(hand: Hand, m: Models) -> Any:
    with ThreadPoolExecutor(1) as executor:
        return executor.submit(read_all, hand, m).result()


@path("thread: a plain one, with the session of the scope", sees=NOTHING, needs="ambient", **SYNC)
def _(hand: Hand, m: Models) -> Any:
    return in_thread(lambda: flat(hand.session.scalars(select(m.Invoice)).all()))


@path("thread: a plain one, that writes", "write", needs="ambient", **SYNC)
def _(hand: Hand, m: Models) -> Any:
    def change() -> None:
        with Session(hand.engine) as session:
            session.execute(update(m.Invoice).values(amount=1))
            session.commit()

    in_thread(change)


@path("thread: one that carries the tenant", needs="ambient", **SYNC)
def _(hand: Hand, m: Models) -> Any:
    return in_thread(hand.carry(lambda: read_all(hand, m)))


@path(
    "thread: an executor whose worker served the other tenant before",
    tenant="own",
    needs="ambient",
    **SYNC,
)
def _(hand: Hand, m: Models) -> Any:
    with ThreadPoolExecutor(1) as executor:
        with hand.scope(hand.theirs):
            executor.submit(hand.carry(lambda: read_all(hand, m))).result()
        with hand.scope(hand.mine):
            return executor.submit(hand.carry(lambda: read_all(hand, m))).result()


@path(
    "thread: one left over from the other tenant",
    tenant="own",
    needs="ambient",
    sees=NOTHING,
    **SYNC,
)
def _(hand: Hand, m: Models) -> Any:
    with ThreadPoolExecutor(1) as executor:
        with hand.scope(hand.theirs):
            executor.submit(hand.carry(lambda: read_all(hand, m))).result()
        return executor.submit(read_all, hand, m).result()


@path("async: AsyncSession.execute")
async def _(hand: Hand, m: Models) -> Any:
    return (await hand.a.execute(select(m.Invoice.note))).all()


@path("async: AsyncSession.get", sees=NOTHING)
async def _(hand: Hand, m: Models) -> Any:
    return await hand.a.get(m.Invoice, 401)


@path("async: AsyncSession.stream")
async def _(hand: Hand, m: Models) -> Any:
    return [row async for row in await hand.a.stream(select(m.Invoice.note))]


@path("async: AsyncSession.stream_scalars")
async def _(hand: Hand, m: Models) -> Any:
    return [row async for row in await hand.a.stream_scalars(select(m.Invoice))]


@path("async: AsyncConnection.stream")
async def _(hand: Hand, m: Models) -> Any:
    assert hand.async_engine is not None
    async with hand.async_engine.connect() as connection:
        return [row async for row in await connection.stream(select(m.Invoice.__table__))]


@path("async: AsyncConnection.execute of text")
async def _(hand: Hand, m: Models) -> Any:
    assert hand.async_engine is not None
    async with hand.async_engine.connect() as connection:
        return (await connection.execute(text("SELECT note FROM acct_invoice"))).all()


@path("async: AsyncConnection.exec_driver_sql")
async def _(hand: Hand, m: Models) -> Any:
    assert hand.async_engine is not None
    async with hand.async_engine.connect() as connection:
        return (await connection.exec_driver_sql("SELECT note FROM acct_invoice")).all()


@path("async: AsyncSession.run_sync")
async def _(hand: Hand, m: Models) -> Any:
    return await hand.a.run_sync(lambda session: flat(session.scalars(select(m.Invoice)).all()))


@path("async: gather of two tenants", **OWN)
async def _(hand: Hand, m: Models) -> Any:
    all_in_scope = asyncio.Barrier(6)

    async def read(tenant: Any) -> Any:
        with hand.scope(tenant):
            async with hand.new_async_session() as session:
                await all_in_scope.wait()
                return flat((await session.scalars(select(m.Invoice))).all())

    found = await asyncio.gather(*(read(each) for each in [hand.theirs, hand.mine] * 3))
    return found[1::2]


@path("async: gather without a tenant beside one that has one", sees=NOTHING, **OWN)
async def _(hand: Hand, m: Models) -> Any:
    begun, done = asyncio.Event(), asyncio.Event()

    async def with_tenant() -> None:
        with hand.scope(hand.theirs):
            begun.set()
            await done.wait()

    async def without() -> Any:
        await begun.wait()
        try:
            async with hand.new_async_session() as session:
                return flat((await session.scalars(select(m.Invoice))).all())
        finally:
            done.set()

    _, found = await asyncio.gather(with_tenant(), without())
    return found


@path("async: a task that outlives its scope keeps its own tenant", **OWN)
async def _(hand: Hand, m: Models) -> Any:
    go = asyncio.Event()

    async def late() -> Any:
        await go.wait()
        async with hand.new_async_session() as session:
            return flat((await session.scalars(select(m.Invoice))).all())

    with hand.scope(hand.mine):
        task = asyncio.create_task(late())
    with hand.scope(hand.theirs):
        go.set()
        return await task


@path("async: an async generator that goes on under the next tenant", **OWN)
async def _(hand: Hand, m: Models) -> Any:
    async def rows() -> AsyncIterator[Any]:
        yield "begun"
        for each in await hand.a.scalars(select(m.Invoice.note)):
            yield each

    with hand.scope(hand.theirs):
        generator = rows()
        await anext(generator)
    with hand.scope(hand.mine):
        return [each async for each in generator]


@path("async: an async generator that goes on after its scope", sees=NOTHING, **OWN)
async def _(hand: Hand, m: Models) -> Any:
    async def rows() -> AsyncIterator[Any]:
        yield "begun"
        for each in await hand.a.scalars(select(m.Invoice.note)):
            yield each

    with hand.scope(hand.theirs):
        generator = rows()
        await anext(generator)
    return [each async for each in generator]


@path("async: to_thread carries the tenant")
async def _(hand: Hand, m: Models) -> Any:
    def read() -> Any:
        async def again() -> Any:

            assert hand.async_engine is not None
            engine = hand.fresh_async_engine()
            try:
                async with engine.connect() as connection:
                    return (await connection.execute(select(m.Invoice.__table__))).all()
            finally:
                await engine.dispose()

        return asyncio.run(again())

    return await asyncio.to_thread(read)


@path("async: run_in_executor does not carry the tenant", sees=NOTHING, needs="ambient")
async def _(hand: Hand, m: Models) -> Any:
    def read() -> Any:
        engine = hand.fresh_engine()
        try:
            with engine.connect() as connection:
                return connection.execute(select(m.Invoice.__table__)).all()
        finally:
            engine.dispose()

    return await asyncio.get_running_loop().run_in_executor(None, read)


@path("async: a cancelled task leaves no tenant behind", sees=NOTHING, **OWN)
async def _(hand: Hand, m: Models) -> Any:
    begun = asyncio.Event()

    async def never() -> None:
        with hand.scope(hand.theirs):
            begun.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(never())
    await begun.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return flat((await hand.a.scalars(select(m.Invoice))).all())


@path(
    "async: a session used by two tenants in turn", beyond_policies=IN_MEMORY, sees=NOTHING, **OWN
)
async def _(hand: Hand, m: Models) -> Any:
    with hand.scope(hand.theirs):
        kept = await hand.a.get(m.Invoice, 401)
    with hand.scope(hand.mine):
        return [await hand.a.get(m.Invoice, 401), kept is None]


@path(
    "async: a stream opened under one tenant, read under the next",
    why_not={"mariadb": "the driver wants results to be read to their ends"},
    **OWN,
)
async def _(hand: Hand, m: Models) -> Any:
    with hand.scope(hand.theirs):
        rows = await hand.a.stream_scalars(
            select(m.Customer).options(selectinload(m.Customer.invoices)),
            execution_options={"yield_per": 1},
        )
    with hand.scope(hand.mine):
        try:
            return [[flat(each.invoices) async for each in rows], "own end"]
        finally:
            await rows.close()


async def beside(hand: Hand, moment: str, ours: Any, theirs: Any) -> Any:
    """Return what ``ours`` reads, while ``theirs`` reads in a task of its own."""
    from tests.adapters.sqlalchemy.pausing import beside_async

    async def as_other() -> Any:
        with hand.scope(hand.theirs):
            return await theirs()

    async def as_own() -> Any:
        with hand.scope(hand.mine):
            return await ours()

    assert hand.async_engine is not None
    found, _ = await beside_async(hand.async_engine, moment, as_own, as_other)
    if isinstance(found, Exception):
        raise found
    return found


@path("async: a connection used by a task of another tenant meanwhile", **OWN)
async def _(hand: Hand, m: Models) -> Any:
    assert hand.async_engine is not None
    statement = select(m.Invoice.__table__)
    async with hand.async_engine.connect() as connection:

        async def read() -> Any:
            return (await connection.execute(statement)).all()

        return await beside(hand, "before_cursor_execute", read, read)


@path("async: a connection used by a task in a system scope meanwhile", needs="ambient")
async def _(hand: Hand, m: Models) -> Any:
    from tests.adapters.sqlalchemy.pausing import beside_async

    assert hand.async_engine is not None
    statement = select(m.Invoice.__table__)
    async with hand.async_engine.connect() as connection:

        async def of_all() -> Any:
            with hand.system():
                return (await connection.execute(statement)).all()

        async def own() -> Any:
            return (await connection.execute(statement)).all()

        _, found = await beside_async(hand.async_engine, "before_cursor_execute", of_all, own)
        if isinstance(found, Exception):
            raise found
        return found
