"""No tenant, a scope that is over, threads, tasks and generators."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sqlalchemy import delete, func, insert, select, text, update
from sqlalchemy.orm import Session, selectinload
from sqlalchemy.orm.exc import DetachedInstanceError

from tests.leaks.arena import Hand, flat
from tests.leaks.catalogue import NOTHING, path
from tests.leaks.schema import Models

NO_TENANT: dict[str, Any] = {"tenant": "none"}
OWN: dict[str, Any] = {"tenant": "own", "needs": "ambient"}
SYNC: dict[str, Any] = {"only": "sync", "why": "plain threads run sync code"}


def unscoped(
    name: str, act: Callable[[Hand, Models], Any], kind: Any = "read", **options: Any
) -> None:
    options.setdefault("sees", NOTHING if kind == "read" else None)

    def run(hand: Hand, m: Models) -> Any:
        found = act(hand, m)
        return found if kind == "read" else None

    run.__module__ = __name__
    path(f"no tenant: {name}", kind, **NO_TENANT, **options)(run)


unscoped("select, ORM", lambda h, m: h.session.scalars(select(m.Invoice)).all())
unscoped("select, Core", lambda h, m: h.connection.execute(select(m.Invoice.__table__)).all())
unscoped("select, a tied table", lambda h, m: h.session.scalars(select(m.InvoiceLine)).all())
unscoped(
    "select, an association table", lambda h, m: h.session.execute(select(m.invoice_tag)).all()
)
unscoped(
    "select, joined to a shared table",
    lambda h, m: h.session.execute(
        select(m.Currency.code, m.Invoice.note).join(m.Invoice, m.Invoice.id > 0)
    ).all(),
)
unscoped("select, in EXISTS", lambda h, m: h.session.scalar(select(select(m.Invoice.id).exists())))
unscoped("count", lambda h, m: h.session.scalar(select(func.count()).select_from(m.Invoice)))
unscoped("get", lambda h, m: h.session.get(m.Invoice, 401))
unscoped("text", lambda h, m: h.session.execute(text("SELECT note FROM acct_invoice")).all())
unscoped(
    "driver SQL", lambda h, m: h.connection.exec_driver_sql("SELECT note FROM acct_invoice").all()
)
unscoped(
    "text marked as reviewed",
    lambda h, m: h.session.execute(
        text("SELECT note FROM acct_invoice").execution_options(**h.reviewed)
    ).all(),
)
unscoped("update", lambda h, m: h.session.execute(update(m.Invoice).values(amount=1)), "write")
unscoped("delete", lambda h, m: h.session.execute(delete(m.Posting)), "write")
unscoped(
    "insert",
    lambda h, m: h.session.execute(
        insert(m.Tag).values({"slug": "own-1", "label": "own", m.key: m.theirs})
    ),
    "write",
)
unscoped(
    "flush",
    lambda h, m: (
        h.session.add(m.Tag(slug="own-1", label="own", **{m.key: m.theirs})),
        h.session.flush(),
    ),
    "write",
)
unscoped(
    "bulk_insert_mappings",
    lambda h, m: h.session.bulk_insert_mappings(
        m.Tag.__mapper__, [{"slug": "own-1", "label": "own", m.key: m.theirs}]
    ),
    "write",
)


@path(
    "no tenant: in a scope that says so, inside of the other tenant's",
    tenant="own",
    needs="ambient unbound",
    sees=NOTHING,
)
def _(hand: Hand, m: Models) -> Any:
    with hand.scope(hand.theirs), hand.unbound():
        return hand.session.scalars(select(m.Invoice)).all()


def after(
    name: str, act: Callable[[Hand, Models, Any], Any], kind: Any = "read", **options: Any
) -> None:
    """Enter a way that begins in the other tenant's scope and ends after it."""

    def run(hand: Hand, m: Models) -> Any:
        with hand.scope(hand.theirs):
            kept = hand.session.get(m.Invoice, 401)
            customer = hand.session.get(m.Customer, 401)
            assert kept is not None
            assert customer is not None
        found = act(hand, m, kept if "collection" not in name else customer)
        return found if kind == "read" else None

    run.__module__ = __name__
    options.setdefault("sees", NOTHING if kind == "read" else None)
    path(f"after the scope: {name}", kind, **OWN, **options)(run)


GONE = (DetachedInstanceError,)
after(
    "a lazy many-to-one",
    lambda h, m, kept: (h.session.expire(kept, ["customer"]), kept.category.title)[1],
    errors=GONE,
)
after("a lazy collection", lambda h, m, kept: [each.note for each in kept.invoices], errors=GONE)
after("a deferred attribute", lambda h, m, kept: kept.private, errors=GONE)
after(
    "an expired attribute", lambda h, m, kept: (h.session.expire(kept), kept.note)[1], errors=GONE
)
after("refresh", lambda h, m, kept: (h.session.refresh(kept), kept.note)[1], errors=GONE)
after("get() from memory", lambda h, m, kept: h.session.get(m.Invoice, 401))
after("a query", lambda h, m, kept: h.session.scalars(select(m.Invoice)).all())
after("merge", lambda h, m, kept: h.session.merge(m.Invoice(id=401)).note)
after("a flush", lambda h, m, kept: (setattr(kept, "note", "x"), h.session.flush()), "write")
after("a commit", lambda h, m, kept: (setattr(kept, "note", "x"), h.session.commit()), "write")


@path("after the scope: a generator goes on reading", sees=NOTHING, **OWN)
def _(hand: Hand, m: Models) -> Any:
    def rows() -> Iterator[Any]:
        yield "begun"
        yield from hand.session.scalars(select(m.Invoice.note))

    with hand.scope(hand.theirs):
        generator = rows()
        next(generator)
    return list(generator)


@path("after the scope: a generator goes on reading under the next tenant", **OWN)
def _(hand: Hand, m: Models) -> Any:
    def rows() -> Iterator[Any]:
        yield "begun"
        yield from hand.session.scalars(select(m.Invoice.note))

    with hand.scope(hand.theirs):
        generator = rows()
        next(generator)
    with hand.scope(hand.mine):
        return list(generator)


@path("after the scope: a generator that holds a scope open around its yields", **OWN)
def _(hand: Hand, m: Models) -> Any:
    def rows() -> Iterator[Any]:
        with hand.scope(hand.theirs):
            yield "begun"
            yield "more"

    with hand.scope(hand.mine):
        generator = rows()
        next(generator)
        generator.close()
        return hand.session.scalars(select(m.Invoice.note)).all()


@path("after the scope: two scopes that end in the wrong order", **OWN)
def _(hand: Hand, m: Models) -> Any:
    first, second = hand.scope(hand.theirs), hand.scope(hand.mine)
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    found = hand.session.scalars(select(m.Invoice.note)).all()
    second.__exit__(None, None, None)
    return found


@path("after the scope: an exception on the way out", sees=NOTHING, **OWN)
def _(hand: Hand, m: Models) -> Any:
    try:
        with hand.scope(hand.theirs):
            raise LookupError
    except LookupError:
        return hand.session.scalars(select(m.Invoice.note)).all()


# Threads.


def in_thread(run: Callable[[], Any]) -> Any:
    found: list[Any] = []

    def body() -> None:
        try:
            found.append(run())
        except Exception as error:
            found.append(error)

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    if isinstance(found[0], Exception):
        raise found[0]
    return found[0]


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


# Tasks.


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
    async def read(tenant: Any) -> Any:
        with hand.scope(tenant):
            async with hand.new_async_session() as session:
                await asyncio.sleep(0)
                return flat((await session.scalars(select(m.Invoice))).all())

    found = await asyncio.gather(*(read(each) for each in [hand.theirs, hand.mine] * 3))
    return found[1::2]


@path("async: gather without a tenant beside one that has one", sees=NOTHING, **OWN)
async def _(hand: Hand, m: Models) -> Any:
    begun = asyncio.Event()

    async def with_tenant() -> None:
        with hand.scope(hand.theirs):
            begun.set()
            await asyncio.sleep(0)

    async def without() -> Any:
        await begun.wait()
        async with hand.new_async_session() as session:
            return flat((await session.scalars(select(m.Invoice))).all())

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
    async def never() -> None:
        with hand.scope(hand.theirs):
            await asyncio.Event().wait()

    task = asyncio.create_task(never())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return flat((await hand.a.scalars(select(m.Invoice))).all())


@path("async: a session used by two tenants in turn", sees=NOTHING, **OWN)
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
