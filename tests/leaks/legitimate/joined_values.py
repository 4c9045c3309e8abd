"""Keys that are computed from the caller's own rows, full joins, and a second database."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import bindparam, case, func, insert, null, select, update

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


@legitimate("key: the smallest of the parent's, from a SELECT", then=(OF_NEW, [(1,)]))
def _(hand: Hand, m: Models) -> None:
    names = ["customer_id", "reference", "note", "amount", m.key]
    customer = m.Customer.__table__
    source = select(
        func.min(customer.c.id),
        func.coalesce("R-9", "R"),
        func.min(customer.c.name),
        func.count(),
        func.min(customer.c[m.key]),
    )
    if hand.database == "postgresql":
        source = source.group_by(customer.c[m.key])
    hand.session.execute(insert(m.Invoice.__table__).from_select(names, source))


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


def elsewhere(m: Models) -> Any:
    from tests.databases import memory_engine

    engine = memory_engine()
    m.note_elsewhere.create(engine)
    return engine


@legitimate("second database: a shared table of a tenant-aware one's name", needs="core")
def _(hand: Hand, m: Models) -> None:
    engine = elsewhere(m)
    with engine.begin() as connection:
        connection.execute(insert(m.note_elsewhere), [{"body": "x"}, {"body": "y"}])
    with engine.connect() as connection:
        found = connection.scalars(select(m.note_elsewhere.c.body)).all()
    engine.dispose()
    assert found == ["x", "y"]
    assert hand.session.scalars(select(m.note.c.body).order_by(m.note.c.id)).all() == [
        "own note",
        "own other note",
    ]


@legitimate("second database: the same, by a session's bind", needs="core")
def _(hand: Hand, m: Models) -> None:
    engine = elsewhere(m)
    there = {"bind": engine}
    with engine.begin() as connection:
        connection.execute(insert(m.note_elsewhere).values(body="x"))
    found = hand.session.scalars(select(m.note_elsewhere.c.body), bind_arguments=there).all()
    assert found == ["x"]
    assert len(hand.session.execute(select(m.note)).all()) == 2


@legitimate("second database: the same, without a tenant", needs="core", tenant="none")
def _(hand: Hand, m: Models) -> None:
    engine = elsewhere(m)
    with engine.begin() as connection:
        connection.execute(insert(m.note_elsewhere).values(body="x"))
        connection.execute(update(m.note_elsewhere).values(body="y"))
        assert connection.scalars(select(m.note_elsewhere.c.body)).all() == ["y"]
    engine.dispose()
