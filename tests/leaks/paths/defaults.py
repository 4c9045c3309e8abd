"""Values that nobody gave: defaults and ``onupdate`` of columns, listeners, triggers of them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    Column,
    Integer,
    MetaData,
    String,
    Table,
    event,
    func,
    insert,
    literal,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from tests.leaks.catalogue import path
from tests.leaks.hand import Hand
from tests.leaks.schema import Models


def copy(m: Models, name: str, **changed: Column[Any]) -> Table:
    """Return another ``Table`` for the same table, with some columns replaced."""
    columns = [
        changed.get(each.name, Column(each.name, each.type, primary_key=each.primary_key))
        for each in getattr(m, name).__table__.columns
    ]
    return Table(getattr(m, name).__table__.name, MetaData(), *columns)


def bill(m: Models, **more: Any) -> dict[str, Any]:
    return {m.key: m.mine, "reference": "R-9", "note": "own", "amount": 1, **more}


@path("default: onupdate of the tenant column, in a copy of the Table", "write")
def _(hand: Hand, m: Models) -> Any:
    other = copy(m, "Tag", **{hand.key: Column(hand.key, String(40), onupdate=hand.theirs)})
    hand.connection.execute(update(other).where(other.c.id == 1).values(label="own x"))


@path("default: onupdate of the tenant column, by an expression", "write")
def _(hand: Hand, m: Models) -> Any:
    changing = Column(hand.key, String(40), onupdate=literal(hand.theirs))
    other = copy(m, "Tag", **{hand.key: changing})
    hand.connection.execute(update(other).where(other.c.id == 1).values(label="own x"))


@path("default: onupdate of the tenant column, on many rows", "write")
def _(hand: Hand, m: Models) -> Any:
    from sqlalchemy import bindparam

    other = copy(m, "Tag", **{hand.key: Column(hand.key, String(40), onupdate=lambda: hand.theirs)})
    statement = update(other).where(other.c.id == bindparam("n")).values(label="own x")
    hand.connection.execute(statement, [{"n": 1}, {"n": 900}])


@path("default: of the tenant column, by an expression", "write")
def _(hand: Hand, m: Models) -> Any:
    other = copy(m, "Tag", **{hand.key: Column(hand.key, String(40), default=literal(hand.theirs))})
    hand.connection.execute(insert(other).values(slug="own-1", label="own"))


@path("default: of the tenant column, in INSERT ... SELECT", "write")
def _(hand: Hand, m: Models) -> Any:
    other = copy(m, "Tag", **{hand.key: Column(hand.key, String(40), default=hand.theirs)})
    source = select(m.Currency.code, m.Currency.name)
    hand.connection.execute(insert(other).from_select(["slug", "label"], source))


@path("default: of a foreign key, in a copy of the Table", "write")
def _(hand: Hand, m: Models) -> Any:
    other = copy(m, "Invoice", customer_id=Column("customer_id", Integer, default=401))
    hand.connection.execute(insert(other).values(bill(m)))


@path("default: of a foreign key, by a function", "write")
def _(hand: Hand, m: Models) -> Any:
    other = copy(m, "Invoice", customer_id=Column("customer_id", Integer, default=lambda: 401))
    hand.connection.execute(insert(other), [bill(m), bill(m)])


@path("default: of a foreign key, by an expression", "write")
def _(hand: Hand, m: Models) -> Any:
    other = copy(m, "Invoice", customer_id=Column("customer_id", Integer, default=literal(400) + 1))
    hand.connection.execute(insert(other).values(bill(m)))


@path("default: of a foreign key, where a listener executes the statement", "write")
def _(hand: Hand, m: Models) -> Any:
    def execute(cursor: Any, statement: str, parameters: Any, context: Any) -> bool:
        cursor.execute(statement, parameters)
        return True

    other = copy(m, "Invoice", customer_id=Column("customer_id", Integer, default=401))
    event.listen(hand.engine, "do_execute", execute)
    try:
        hand.connection.execute(insert(other).values(bill(m)))
    finally:
        event.remove(hand.engine, "do_execute", execute)


@path("default: onupdate of a foreign key", "write")
def _(hand: Hand, m: Models) -> Any:
    other = copy(m, "Invoice", customer_id=Column("customer_id", Integer, onupdate=401))
    hand.connection.execute(update(other).where(other.c.id == 1).values(note="own x"))


@path("default: onupdate of a foreign key, by an expression", "write")
def _(hand: Hand, m: Models) -> Any:
    changing = Column("customer_id", Integer, onupdate=literal(400) + 1)
    other = copy(m, "Invoice", customer_id=changing)
    hand.connection.execute(update(other).where(other.c.id == 1).values(note="own x"))


@path("default: a subquery that reads a foreign row", "write")
def _(hand: Hand, m: Models) -> Any:
    read = select(func.min(m.Customer.name)).where(m.Customer.id > 400).scalar_subquery()
    other = copy(m, "Tag", label=Column("label", String(80), default=read))
    hand.connection.execute(insert(other).values({"slug": "own-1", hand.key: hand.mine}))


@path("default: a function of the context that reads a foreign row", "write")
def _(hand: Hand, m: Models) -> Any:
    def read(context: Any) -> Any:
        statement = select(m.Customer.name).where(m.Customer.id == 401)
        return context.connection.execute(statement).scalar() or "own nothing"

    other = copy(m, "Tag", label=Column("label", String(80), default=read))
    hand.connection.execute(insert(other).values({"slug": "own-1", hand.key: hand.mine}))


@path(
    "default: a model of the application's with a default tenant", "write", errors=(IntegrityError,)
)
def _(hand: Hand, m: Models) -> Any:
    from sqlalchemy.orm import registry

    class Other:
        pass

    other = copy(m, "Tag", **{hand.key: Column(hand.key, String(40), default=hand.theirs)})
    registry().map_imperatively(Other, other)
    each: Any = Other()
    each.slug, each.label = "own-1", "own"
    hand.session.add(each)
    hand.session.flush()
