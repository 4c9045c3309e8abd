"""Foreign keys that nobody wrote: defaults in ``INSERT ... SELECT``, and computed columns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import (
    Column,
    Integer,
    MetaData,
    Sequence,
    Table,
    bindparam,
    insert,
    literal,
    select,
    update,
)
from sqlalchemy.dialects import mysql, postgresql, sqlite

from tests.leaks.catalogue import path, writes
from tests.leaks.hand import Hand
from tests.leaks.schema import Models

from .defaults import copy

# A default in INSERT ... SELECT.


def selected(name: str, default: Callable[[Models], Any]) -> None:
    def statement(m: Models) -> Any:
        other = copy(m, "Invoice", customer_id=Column("customer_id", Integer, default=default(m)))
        source = select(
            m.tenant(m.Invoice), m.Invoice.reference, m.Invoice.note, m.Invoice.amount
        ).where(m.Invoice.id == 1)
        return insert(other).from_select([m.key, "reference", "note", "amount"], source)

    writes(f"default: of a foreign key, in INSERT ... SELECT, {name}", statement)


selected("a value", lambda m: 401)
selected("a function", lambda m: lambda: 401)
selected("a function of the context", lambda m: lambda context: 401)
selected("an expression", lambda m: literal(400) + 1)
selected(
    "a subquery on a shared table",
    lambda m: (
        select(m.Featured.__table__.c.customer_id)
        .where(m.Featured.__table__.c.id == 2)
        .scalar_subquery()
    ),
)


@path("default: of a tie, in INSERT ... SELECT", "write", needs="ties")
def _(hand: Hand, m: Models) -> Any:
    other = copy(m, "InvoiceLine", invoice_id=Column("invoice_id", Integer, default=401))
    source = select(m.Currency.name, literal(1))
    hand.connection.execute(insert(other).from_select(["text", "quantity"], source))


@path("default: of a foreign key, in an upsert from a SELECT", "write")
def _(hand: Hand, m: Models) -> Any:
    other = copy(m, "Invoice", customer_id=Column("customer_id", Integer, default=401))
    names = [m.key, "reference", "note", "amount"]
    invoice = m.Invoice.__table__
    source = select(*(invoice.c[each] for each in names)).where(invoice.c.id == 1)
    dialects: dict[str, Any] = {"sqlite": sqlite, "postgresql": postgresql, "mariadb": mysql}
    statement = dialects[hand.database].insert(other).from_select(names, source)
    if hand.database == "mariadb":
        statement = statement.on_duplicate_key_update(note="own")
    else:
        statement = statement.on_conflict_do_nothing()
    hand.connection.execute(statement)


@path(
    "default: of a foreign key, by a sequence",
    "write",
    only="postgresql",
    why="no sequence of its own",
)
def _(hand: Hand, m: Models) -> Any:
    hand.make("CREATE SEQUENCE acct_numbers START 401")
    try:
        other = copy(
            m, "Invoice", customer_id=Column("customer_id", Integer, Sequence("acct_numbers"))
        )
        given = {"reference": "R-9", "note": "own", "amount": 1, hand.key: hand.mine}
        hand.connection.execute(insert(other).values(given))
        hand.session.commit()
    finally:
        hand.session.rollback()
        hand.drop("acct_numbers", "SEQUENCE")


# A key that the database computes from a column that may be written.


def given(m: Models, base: int) -> dict[str, Any]:
    return {m.key: m.mine, "base": base, "label": "own"}


writes("computed key: insert", lambda m: insert(m.Sample.__table__).values(given(m, 401)))
writes(
    "computed key: insert, several VALUES",
    lambda m: insert(m.Sample).values([given(m, 1), given(m, 401)]),
)
writes(
    "computed key: insert, from a SELECT",
    lambda m: insert(m.Sample.__table__).from_select(
        ["base", "label", m.key],
        select(m.Invoice.id + 400, m.Invoice.reference, m.tenant(m.Invoice)).where(
            m.Invoice.id == 1
        ),
    ),
)
writes(
    "computed key: update",
    lambda m: update(m.Sample.__table__).where(m.Sample.__table__.c.id == 1).values(base=401),
)
writes(
    "computed key: update, by an expression",
    lambda m: (
        update(m.Sample.__table__)
        .where(m.Sample.__table__.c.id == 1)
        .values(base=m.Sample.__table__.c.base + 400)
    ),
)


@path("computed key: executemany", "write")
def _(hand: Hand, m: Models) -> Any:
    sample = m.Sample.__table__
    statement = update(sample).where(sample.c.id == bindparam("n")).values(base=bindparam("b"))
    hand.connection.execute(statement, [{"n": 1, "b": 2}, {"n": 900, "b": 401}])


@path("computed key: flush of a new object", "write")
def _(hand: Hand, m: Models) -> Any:
    hand.session.add(m.Sample(**given(m, 401)))
    hand.session.flush()


@path("computed key: flush of a change", "write")
def _(hand: Hand, m: Models) -> Any:
    hand.session.get(m.Sample, 1).base = 401
    hand.session.flush()


@path("computed key: a copy of the Table that does not know of it", "write")
def _(hand: Hand, m: Models) -> Any:
    other = Table(
        "acct_sample",
        MetaData(),
        *(Column(each.name, each.type) for each in m.Sample.__table__.c if each.computed is None),
    )
    hand.connection.execute(insert(other).values({**given(m, 401), "id": 950}))
