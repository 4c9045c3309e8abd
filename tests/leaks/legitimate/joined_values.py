"""Keys that are computed from the caller's own rows, full joins, and a second database."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy import bindparam, case, delete, func, insert, literal, null, select, update

from tests.leaks.catalogue import legitimate
from tests.leaks.hand import Hand
from tests.leaks.schema import Models

OF_NEW: Final = "SELECT customer_id FROM acct_invoice WHERE reference = 'R-9'"


def bill(m: Models, customer: Any) -> dict[str, Any]:
    return {
        m.key: m.mine,
        "reference": "R-9",
        "note": "own",
        "amount": 1,
        "customer_id": customer,
    }


@legitimate("key: the largest of the parent's, in VALUES", then=(OF_NEW, [(900,)]))
def _(hand: Hand, m: Models) -> None:
    largest = select(func.max(m.Customer.id)).scalar_subquery()
    hand.session.execute(insert(m.Invoice).values(bill(m, largest)))


@legitimate(
    "key: the smallest of the parent's, from a SELECT", needs="fills", then=(OF_NEW, [(1,)])
)
def _(hand: Hand, m: Models) -> None:
    customer = m.Customer.__table__
    source = select(
        func.min(customer.c.id), literal("R-9"), func.min(customer.c.name), func.count()
    )
    hand.session.execute(
        insert(m.Invoice.__table__).from_select(
            ["customer_id", "reference", "note", "amount"], source
        )
    )


@legitimate(
    "key: the largest of the parent's, in an UPDATE",
    then=("SELECT customer_id FROM acct_invoice WHERE id = 1", [(900,)]),
)
def _(hand: Hand, m: Models) -> None:
    largest = select(func.max(m.Customer.id)).scalar_subquery()
    hand.session.execute(
        update(m.Invoice)
        .where(m.Invoice.id == 1)
        .values(customer_id=largest)
        .execution_options(synchronize_session=False)
    )


@legitimate("key: the largest of the parent's, in a flush", then=(OF_NEW, [(900,)]))
def _(hand: Hand, m: Models) -> None:
    largest = select(func.max(m.Customer.id)).scalar_subquery()
    hand.session.add(m.Invoice(**bill(m, largest)))


@legitimate(
    "key: coalesce() of the key and a parameter",
    then=("SELECT category_id FROM acct_invoice WHERE id < 3 ORDER BY id", [(1,), (2,)]),
)
def _(hand: Hand, m: Models) -> None:
    invoice = m.Invoice.__table__
    hand.session.execute(
        update(invoice).values(category_id=func.coalesce(invoice.c.category_id, 2))
    )


@legitimate(
    "key: coalesce() of the key and a named parameter",
    then=("SELECT category_id FROM acct_invoice WHERE id < 3 ORDER BY id", [(1,), (900,)]),
)
def _(hand: Hand, m: Models) -> None:
    invoice = m.Invoice.__table__
    statement = update(invoice).values(
        category_id=func.coalesce(invoice.c.category_id, bindparam("own_id"))
    )
    hand.connection.execute(statement, {"own_id": 900})


@legitimate(
    "key: a CASE of parameters",
    then=("SELECT customer_id FROM acct_invoice WHERE id < 3 ORDER BY id", [(2,), (900,)]),
)
def _(hand: Hand, m: Models) -> None:
    invoice = m.Invoice.__table__
    hand.session.execute(
        update(invoice).values(
            customer_id=case((invoice.c.id == 1, 2), (invoice.c.id == 2, 900), else_=1)
        )
    )


@legitimate(
    "key: a CASE of the key itself and NULL",
    then=("SELECT category_id FROM acct_invoice WHERE id IN (1, 900) ORDER BY id", [(None,), (2,)]),
)
def _(hand: Hand, m: Models) -> None:
    invoice = m.Invoice.__table__
    hand.session.execute(
        update(invoice).values(
            category_id=case((invoice.c.id == 1, null()), else_=invoice.c.category_id)
        )
    )


# Full joins that are grouped.

FULL: Final[dict[str, Any]] = {
    "only": "postgresql",
    "why": "GROUP BY a key does not stand for its row",
    "needs": "ties",
}


@legitimate("full join: tied tables, grouped by the key", **FULL)
def _(hand: Hand, m: Models) -> None:
    line, note = m.InvoiceLine.__table__, m.LineNote.__table__
    joined = line.join(note, note.c.line_id == line.c.id, full=True)
    statement = (
        select(line.c.id, line.c.text, func.count(note.c.id))
        .select_from(joined)
        .group_by(line.c.id)
        .order_by(line.c.id)
    )
    assert hand.session.execute(statement).all() == [
        (1, "own line", 1),
        (2, "own second line", 1),
        (900, "own third line", 0),
    ]


@legitimate("full join: a tied table and its parent, grouped by the key", **FULL)
def _(hand: Hand, m: Models) -> None:
    statement = (
        select(m.Invoice.id, m.Invoice.note, func.sum(m.InvoiceLine.quantity))
        .join_from(m.Invoice, m.InvoiceLine, full=True)
        .group_by(m.Invoice.id)
        .order_by(m.Invoice.id)
    )
    assert hand.session.execute(statement).all() == [
        (1, "own first", 1),
        (2, "own second", 2),
        (900, "own third", 3),
    ]


@legitimate("full join: of aliases, grouped by the key, in a subquery", **FULL)
def _(hand: Hand, m: Models) -> None:
    line, note = m.InvoiceLine.__table__.alias("l"), m.LineNote.__table__.alias("n")
    joined = note.join(line, note.c.line_id == line.c.id, full=True)
    inner = (
        select(line.c.id, line.c.text, func.max(note.c.text).label("note"))
        .select_from(joined)
        .group_by(line.c.id)
        .subquery()
    )
    statement = select(inner.c.text, inner.c.note).order_by(inner.c.id)
    assert hand.session.execute(statement).all() == [
        ("own line", "own scribble"),
        ("own second line", "own scrawl"),
        ("own third line", None),
    ]


# A second database that has a table of the same name, which is nobody's there.


@contextmanager
def elsewhere(m: Models) -> Generator[Any, None, None]:
    """Yield an engine on another database, with a row in that table."""
    from tests.databases import memory_engine

    engine = memory_engine()
    m.note_elsewhere.create(engine)
    raw = engine.raw_connection()
    cursor = raw.cursor()
    cursor.execute("INSERT INTO acct_note (body) VALUES ('x')")
    raw.commit()
    cursor.close()
    try:
        yield engine
    finally:
        engine.dispose()


@legitimate("second database: a shared table of a tenant-aware one's name is read", needs="core")
def _(hand: Hand, m: Models) -> None:
    other = m.note_elsewhere
    with elsewhere(m) as engine, engine.connect() as connection:
        assert connection.scalars(select(other.c.body)).all() == ["x"]
        assert connection.scalars(select(other.alias().c.body)).all() == ["x"]
        assert connection.scalars(select(select(other).subquery().c.body)).all() == ["x"]
    assert hand.session.scalars(select(m.note.c.body).order_by(m.note.c.id)).all() == [
        "own note",
        "own other note",
    ]


@legitimate("second database: the same, by a session's bind", needs="core")
def _(hand: Hand, m: Models) -> None:
    with elsewhere(m) as engine:
        there = {"bind": engine}
        found = hand.session.scalars(select(m.note_elsewhere.c.body), bind_arguments=there)
        assert found.all() == ["x"]
        assert len(hand.session.execute(select(m.note)).all()) == 2
        hand.session.commit()


@legitimate("second database: the same, without a tenant", needs="core", tenant="none")
def _(hand: Hand, m: Models) -> None:
    with elsewhere(m) as engine, engine.connect() as connection:
        assert connection.scalars(select(m.note_elsewhere.c.body)).all() == ["x"]


@legitimate("second database: a new row in the table of that name", needs="core")
def _(hand: Hand, m: Models) -> None:
    other = m.note_elsewhere
    with elsewhere(m) as engine, engine.begin() as connection:
        connection.execute(insert(other).values(body="y"))
        assert connection.scalars(select(other.c.body).order_by(other.c.id)).all() == ["x", "y"]


@legitimate("second database: rows of the table of that name changed and deleted", needs="core")
def _(hand: Hand, m: Models) -> None:
    other = m.note_elsewhere
    with elsewhere(m) as engine, engine.begin() as connection:
        connection.execute(update(other).values(body="y"))
        assert connection.scalars(select(other.c.body)).all() == ["y"]
        connection.execute(delete(other))
        assert connection.scalars(select(other.c.body)).all() == []
