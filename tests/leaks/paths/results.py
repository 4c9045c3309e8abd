"""A result that is read on after its session has served another scope."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Final

from sqlalchemy import event, select

from tests.leaks.catalogue import IN_MEMORY, NOTHING, path
from tests.leaks.hand import Hand
from tests.leaks.schema import Models

OWN: Final[dict[str, Any]] = {
    "tenant": "own",
    "needs": "ambient",
    "sees": NOTHING,
    "beyond_policies": IN_MEMORY,
    "why_not": {"mariadb": "the driver wants results to be read to their ends"},
}

READS: Final[dict[str, Callable[[Any], Any]]] = {
    "all()": lambda result: result.all(),
    "an iteration": lambda result: [*result],
    "fetchmany()": lambda result: result.fetchmany(9),
    "partitions()": lambda result: [*result.partitions(1)],
}


def by_one(m: Models) -> Any:
    where = m.Invoice.id.in_([401, 402])
    return select(m.Invoice).where(where).order_by(m.Invoice.id).execution_options(yield_per=1)


def read_on(
    name: str,
    read: Callable[[Any], Any],
    first: Callable[[Hand], AbstractContextManager[Any]],
    get: Callable[[Any, Models], Any],
) -> None:
    def run(hand: Hand, m: Models) -> Any:
        with first(hand):
            result = hand.session.scalars(by_one(m))
            kept = [next(result)]
        try:
            with hand.scope(hand.mine):
                hand.session.scalar(select(m.Customer.id).limit(1))
            with first(hand):
                kept.append(read(result))
            with hand.scope(hand.mine):
                return get(hand.session, m)
        finally:
            result.close()

    run.__module__ = __name__
    path(f"result: read on by {name}", **OWN)(run)


def found(session: Any, m: Models) -> Any:
    return session.get(m.Invoice, 402)


for _name, _read in READS.items():
    read_on(f"{_name}, then get()", _read, lambda hand: hand.scope(hand.theirs), found)
read_on("all() in a system scope, then get()", READS["all()"], lambda hand: hand.system(), found)
read_on(
    "all(), then the session's own list",
    READS["all()"],
    lambda hand: hand.scope(hand.theirs),
    lambda session, m: [each.note for each in session if isinstance(each, m.Invoice)],
)


LOADS: Final[dict[str, Callable[[Any, Models], Any]]] = {
    "all()": lambda session, m: session.scalars(select(m.Invoice)).all(),
    "first()": lambda session, m: session.scalars(select(m.Invoice)).first(),
    "get()": lambda session, m: session.get(m.Invoice, 401),
    "Query": lambda session, m: session.query(m.Invoice).all(),
}


def listened(name: str, load: Callable[[Any, Models], Any]) -> None:
    def run(hand: Hand, m: Models) -> Any:
        calls: list[None] = []

        def in_another_scope(*_: object) -> None:
            calls.append(None)
            if len(calls) == 1:
                with hand.scope(hand.mine):
                    hand.session.scalar(select(m.Customer.id).limit(1))

        event.listen(m.Invoice, "load", in_another_scope)
        try:
            with hand.scope(hand.theirs):
                kept = load(hand.session, m)
            with hand.scope(hand.mine):
                loaded = [hand.session.get(m.Invoice, number) for number in (401, 402)]
                return [each for each in loaded if each is not None and kept]
        finally:
            event.remove(m.Invoice, "load", in_another_scope)

    run.__module__ = __name__
    path(f"result: a listener queries in another scope while {name} loads, then get()", **OWN)(run)


for _name, _load in LOADS.items():
    listened(_name, _load)


@path("result: streamed on by a task of its own, then get()", **OWN)
async def _(hand: Hand, m: Models) -> Any:
    begun, go_on = asyncio.Event(), asyncio.Event()
    kept: list[Any] = []

    async def read() -> None:
        with hand.scope(hand.theirs):
            async for each in await hand.a.stream_scalars(by_one(m)):
                kept.append(each)
                begun.set()
                await go_on.wait()

    reading = asyncio.create_task(read())
    await begun.wait()
    with hand.scope(hand.mine):
        await hand.a.scalar(select(m.Customer.id).limit(1))
        go_on.set()
        await reading
        return await hand.a.get(m.Invoice, 402)
