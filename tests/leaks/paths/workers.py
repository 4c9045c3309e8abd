"""Workers that outlive the request that started them, and generators iterated in turn."""

from __future__ import annotations

import asyncio
import contextvars
import queue
import sys
import threading
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import chain, zip_longest
from multiprocessing.pool import ThreadPool
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from tests.leaks.catalogue import NOTHING, path
from tests.leaks.hand import Hand, flat
from tests.leaks.schema import Models

OWN: Final[dict[str, Any]] = {"tenant": "own", "needs": "ambient"}
SYNC: Final[dict[str, Any]] = {"only": "sync", "why": "plain threads run sync code"}


def notes(hand: Hand, m: Models) -> Any:
    with Session(hand.engine) as session:
        return flat(session.scalars(select(m.Invoice.note)).all())


def tolerant(read: Callable[[], Any]) -> Callable[[], Any]:
    """Return ``read`` so that it answers with its error, which the worker survives."""

    def run() -> Any:
        try:
            return read()
        except Exception as error:
            return error

    return run


def answered(found: Any) -> Any:
    if isinstance(found, Exception):
        raise found
    return found


# A worker that was started in the other tenant's scope, by a plain call.


def worker(name: str, use: Callable[[Hand, Models], Any], **options: Any) -> None:
    path(f"worker: {name}", **{**OWN, **SYNC, **options})(use)


def pooled(hand: Hand, m: Models, after: Callable[[ThreadPoolExecutor], Any]) -> Any:
    read = tolerant(lambda: notes(hand, m))
    with ThreadPoolExecutor(1) as executor:
        with hand.scope(hand.theirs):
            executor.submit(read).result()
        return answered(after(executor))


worker(
    "an executor's, started in the other tenant's scope, then without one",
    lambda hand, m: pooled(hand, m, lambda e: e.submit(tolerant(lambda: notes(hand, m))).result()),
    sees=NOTHING,
)


def submitted_in_mine(hand: Hand, m: Models, carried: bool) -> Any:
    def after(executor: ThreadPoolExecutor) -> Any:
        with hand.scope(hand.mine):
            read = tolerant(lambda: notes(hand, m))
            return executor.submit(hand.carry(read) if carried else read).result()

    return pooled(hand, m, after)


worker(
    "an executor's, started in the other tenant's scope, then in the caller's",
    lambda hand, m: submitted_in_mine(hand, m, carried=False),
    sees=NOTHING,
)
worker(
    "an executor's, started in the other tenant's scope, then with the caller's carried",
    lambda hand, m: submitted_in_mine(hand, m, carried=True),
)


def after_carried(hand: Hand, m: Models) -> Any:
    read = tolerant(lambda: notes(hand, m))
    with ThreadPoolExecutor(1) as executor:
        with hand.scope(hand.theirs):
            executor.submit(hand.carry(read)).result()
        with hand.scope(hand.mine):
            return answered(executor.submit(read).result())


worker("an executor's, to which the other tenant was carried", after_carried, sees=NOTHING)


def initialised(hand: Hand, m: Models) -> Any:
    kept: list[contextvars.Context] = []
    read = tolerant(lambda: notes(hand, m))

    def begin() -> None:
        kept.append(contextvars.copy_context())

    with hand.scope(hand.theirs):
        executor = ThreadPoolExecutor(1, initializer=begin)
        executor.submit(read).result()
    with executor, hand.scope(hand.mine):
        return answered(executor.submit(lambda: kept[0].run(read)).result())


worker("an executor's, in the context that its initializer saw", initialised, sees=NOTHING)


def multiprocessed(hand: Hand, m: Models) -> Any:
    with hand.scope(hand.theirs):
        pool = ThreadPool(1)
    with pool, hand.scope(hand.mine):
        return answered(pool.apply(tolerant(lambda: notes(hand, m))))


worker("a ThreadPool's, started in the other tenant's scope", multiprocessed, sees=NOTHING)


def queued(hand: Hand, m: Models) -> Any:
    jobs: queue.Queue[Any] = queue.Queue()
    answers: queue.Queue[Any] = queue.Queue()

    def work() -> None:
        while (job := jobs.get()) is not None:
            answers.put(job())

    thread = threading.Thread(target=work)
    with hand.scope(hand.theirs):
        thread.start()
    try:
        with hand.scope(hand.mine):
            jobs.put(tolerant(lambda: notes(hand, m)))
            return answered(answers.get())
    finally:
        jobs.put(None)
        thread.join()


worker("a thread with a queue, started in the other tenant's scope", queued, sees=NOTHING)


def timed(hand: Hand, m: Models) -> Any:
    answers: queue.Queue[Any] = queue.Queue()
    read = tolerant(lambda: notes(hand, m))
    with hand.scope(hand.theirs):
        timer = threading.Timer(0, lambda: answers.put(read()))
        timer.start()
    timer.join()
    return answered(answers.get())


worker("a Timer, started in the other tenant's scope", timed, sees=NOTHING)


def inherited(hand: Hand, m: Models) -> Any:
    """A thread that starts with a copy of its creator's context, which Python can be told to."""
    answers: queue.Queue[Any] = queue.Queue()
    read = tolerant(lambda: notes(hand, m))
    flag: Any = sys.flags
    assert not getattr(flag, "thread_inherit_context", 0)
    thread = threading.Thread(target=lambda: answers.put(read()))
    with hand.scope(hand.theirs):
        thread.start()
    thread.join()
    return answered(answers.get())


worker("a thread, whether or not the Python lets it inherit a context", inherited, sees=NOTHING)

# Generators that are iterated in turn.

Report = Callable[[Hand, Models, Session, Any], Iterator[Any]]


def scoped(hand: Hand, m: Models, session: Session, tenant: Any) -> Iterator[Any]:
    """The mistake: it yields in a scope, and its consumer goes on in it."""
    with hand.scope(tenant):
        yield "own begun"
        yield from session.scalars(select(m.Invoice.note))


def in_parts(hand: Hand, m: Models, session: Session, tenant: Any) -> Iterator[Any]:
    with hand.scope(tenant):
        for number in (1, 2, 401):
            yield session.scalar(select(m.Invoice.note).where(m.Invoice.id == number)) or "own none"


def delegating(hand: Hand, m: Models, session: Session, tenant: Any) -> Iterator[Any]:
    yield "own begun"
    yield from scoped(hand, m, session, tenant)


def collected(hand: Hand, m: Models, session: Session, tenant: Any) -> Iterator[Any]:
    """As it should be: it yields what it has found in its scope."""
    with hand.scope(tenant):
        found = session.scalars(select(m.Invoice.note)).all()
    yield from found


def in_turn(name: str, report: Report, combine: Callable[..., Any]) -> None:
    @path(f"in turn: {name}", **OWN)
    def _(hand: Hand, m: Models) -> Any:
        mine = report(hand, m, hand.new_session(), hand.mine)
        theirs = report(hand, m, hand.new_session(), hand.theirs)
        return [row[-1] for row in combine(theirs, mine)]


def stepped(first: Iterator[Any], second: Iterator[Any]) -> list[Any]:
    """Begin the one, and read the other to its end before the first goes on."""
    next(first)
    rows = [(each,) for each in second]
    for _ in first:
        pass
    return rows


def chained(first: Iterator[Any], second: Iterator[Any]) -> list[Any]:
    rows = [next(first)] and [next(second)]
    return [(each,) for each in chain(rows, second)]


in_turn("zip() of two reports", scoped, lambda a, b: list(zip(a, b, strict=False)))
in_turn("zip_longest() of two reports", scoped, lambda a, b: [*zip_longest(b, a, b)])
in_turn("two reports, the one within the other", scoped, stepped)
in_turn("two reports, both begun", in_parts, chained)
in_turn(
    "zip() of two reports that query as they go", in_parts, lambda a, b: [*zip(a, b, strict=False)]
)
in_turn("zip() of two that delegate", delegating, lambda a, b: [*zip(a, b, strict=False)])


@path("in turn: a consumer's own query between two rows of the other's report", **OWN)
def _(hand: Hand, m: Models) -> Any:
    with hand.scope(hand.mine):
        report = scoped(hand, m, hand.new_session(), hand.theirs)
        next(report)
        found = hand.session.scalars(select(m.Invoice.note)).all()
        report_rest = list(report)
        return [found, report_rest and None]


@path("in turn: a report that was begun and forgotten", sees=NOTHING, **OWN)
def _(hand: Hand, m: Models) -> Any:
    report = scoped(hand, m, hand.new_session(), hand.theirs)
    next(report)
    return hand.session.scalars(select(m.Invoice.note)).all()


@path("in turn: async reports, by their consumer's query", **OWN)
async def _(hand: Hand, m: Models) -> Any:
    async def report() -> AsyncIterator[Any]:
        with hand.scope(hand.theirs):
            yield "own begun"
            yield "own end"

    with hand.scope(hand.mine):
        rows = report()
        try:
            await anext(rows)
            return [(await hand.a.scalars(select(m.Invoice.note))).all(), "own end"]
        finally:
            async for _ in rows:
                pass


@path(
    "open: a scope entered through an ExitStack in a generator",
    open="nothing tells that the stack is in a generator; yield after the scope",
    open_still="the tenant that is in scope is the other one",
    **OWN,
)
def _(hand: Hand, m: Models) -> Any:
    def report() -> Generator[Any, None, None]:
        with ExitStack() as stack:
            stack.enter_context(hand.scope(hand.theirs))
            yield "begun"

    with hand.scope(hand.mine):
        rows = report()
        next(rows)
        try:
            return hand.session.scalars(select(m.Invoice.note)).all()
        finally:
            list(rows)


# A task that serves more requests than the one that started it.


async def served(hand: Hand, m: Models, *, scoped_jobs: bool, outside: bool = False) -> Any:
    """Let the first request, the other tenant's, start a consumer; ask it for the second's."""
    jobs: asyncio.Queue[Any] = asyncio.Queue()
    begun = asyncio.Event()

    async def read(tenant: Any) -> Any:
        async with hand.new_async_session() as session:
            if not scoped_jobs:
                return flat((await session.scalars(select(m.Invoice.note))).all())
            with hand.scope(tenant):
                return flat((await session.scalars(select(m.Invoice.note))).all())

    async def consume() -> None:
        begun.set()
        while (job := await jobs.get()) is not None:
            tenant, answer = job
            try:
                answer.set_result(await read(tenant))
            except Exception as error:
                answer.set_exception(error)

    async def ask(tenant: Any) -> Any:
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        with hand.scope(tenant):
            await jobs.put((tenant, answer))
            return await answer

    if outside:
        consumer = asyncio.create_task(consume())
    else:
        with hand.scope(hand.theirs):
            consumer = asyncio.create_task(consume())
    await begun.wait()
    try:
        await asyncio.gather(ask(hand.theirs), return_exceptions=True)
        return [await ask(hand.mine), "own end"]
    finally:
        await jobs.put(None)
        await consumer


@path("consumer: one that the first request starts, and that enters a scope for each item", **OWN)
async def _(hand: Hand, m: Models) -> Any:
    return await served(hand, m, scoped_jobs=True)


@path("consumer: one that is started outside of every scope and enters none", **OWN)
async def _(hand: Hand, m: Models) -> Any:
    return await served(hand, m, scoped_jobs=False, outside=True)


@path(
    "open: a consumer that the first request starts, and that enters no scope",
    open="a task keeps the tenant of the scope that it was started in",
    open_still="the tenant that is in scope is the other one",
    **OWN,
)
async def _(hand: Hand, m: Models) -> Any:
    return await served(hand, m, scoped_jobs=False)
