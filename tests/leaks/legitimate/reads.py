"""Reads that must return exactly what a database of the caller's rows alone would."""

from __future__ import annotations

import uuid
from typing import Any

from sqlalchemy import (
    Integer,
    column,
    func,
    literal,
    literal_column,
    select,
    text,
    true,
    union_all,
    values,
)
from sqlalchemy.orm import (
    aliased,
)

from tests.leaks.catalogue import legitimate
from tests.leaks.hand import Hand
from tests.leaks.schema import Models


def names(rows: Any) -> list[Any]:
    return [row[0] if len(row) == 1 else tuple(row) for row in rows]


@legitimate("select: the caller's rows, in order")
def _(hand: Hand, m: Models) -> None:
    found = hand.session.scalars(select(m.Invoice).order_by(m.Invoice.id)).all()
    assert [each.note for each in found] == ["own first", "own second", "own third"]


@legitimate("select: aggregates")
def _(hand: Hand, m: Models) -> None:
    amounts = select(
        func.count(),
        func.sum(m.Invoice.amount),
        func.min(m.Invoice.amount),
        func.max(m.Invoice.amount),
    )
    assert tuple(hand.session.execute(amounts).one()) == (3, 60, 10, 30)


@legitimate("select: GROUP BY the primary key, other columns by functional dependency")
def _(hand: Hand, m: Models) -> None:
    statement = (
        select(m.Customer.name, m.Customer.credit, func.count(m.Invoice.id))
        .outerjoin(m.Invoice, m.Invoice.customer_id == m.Customer.id)
        .group_by(m.Customer.id)
        .order_by(m.Customer.id)
    )
    assert names(hand.session.execute(statement)) == [
        ("own ada", 10, 2),
        ("own alan", 20, 1),
        ("own abel", 30, 0),
    ]


@legitimate("select: HAVING")
def _(hand: Hand, m: Models) -> None:
    statement = (
        select(m.Invoice.customer_id).group_by(m.Invoice.customer_id).having(func.count() > 1)
    )
    assert names(hand.session.execute(statement)) == [1]


@legitimate("select: window functions")
def _(hand: Hand, m: Models) -> None:
    statement = select(
        m.Invoice.id, func.row_number().over(order_by=m.Invoice.amount.desc())
    ).order_by(m.Invoice.id)
    assert names(hand.session.execute(statement)) == [(1, 3), (2, 2), (900, 1)]


@legitimate("select: DISTINCT, LIMIT and OFFSET")
def _(hand: Hand, m: Models) -> None:
    statement = select(m.Invoice.customer_id).distinct().order_by(m.Invoice.customer_id)
    assert names(hand.session.execute(statement.limit(1).offset(1))) == [2]


@legitimate("select: FOR UPDATE")
def _(hand: Hand, m: Models) -> None:
    statement = select(m.Invoice.note).where(m.Invoice.id == 1).with_for_update()
    assert hand.session.scalar(statement) == "own first"


@legitimate("select: FOR UPDATE SKIP LOCKED OF one of two", only="postgresql", why="no OF")
def _(hand: Hand, m: Models) -> None:
    statement = (
        select(m.Invoice.note)
        .join(m.Invoice.customer)
        .where(m.Invoice.id == 1)
        .with_for_update(of=m.Invoice, skip_locked=True)
    )
    assert hand.session.scalar(statement) == "own first"


@legitimate("select: TABLESAMPLE", only="postgresql", why="no TABLESAMPLE")
def _(hand: Hand, m: Models) -> None:
    sampled = m.Invoice.__table__.tablesample(100)
    assert hand.session.scalar(select(func.count()).select_from(sampled)) == 3


@legitimate("select: a system column", only="postgresql", why="no such column")
def _(hand: Hand, m: Models) -> None:
    statement = select(literal_column("acct.ctid").is_not(None)).select_from(
        m.Invoice.__table__.alias("acct")
    )
    assert names(hand.session.execute(statement)) == [True] * 3


@legitimate("select: by a composite key", needs="keys")
def _(hand: Hand, m: Models) -> None:
    found = hand.session.get(m.Rate, {hand.key: hand.mine, "code": "std"})
    assert found is not None
    assert found.percent == 19


@legitimate("select: by a UUID")
def _(hand: Hand, m: Models) -> None:
    assert hand.session.get(m.Token, uuid.UUID(int=1)).secret == "own token"


@legitimate("select: IN with an empty list and with many values")
def _(hand: Hand, m: Models) -> None:
    assert hand.session.execute(select(m.Invoice).where(m.Invoice.id.in_([]))).all() == []
    many = select(func.count()).where(m.Invoice.id.in_(range(1000)))
    assert hand.session.scalar(many) == 3


@legitimate("select: EXISTS and NOT EXISTS")
def _(hand: Hand, m: Models) -> None:
    statement = select(m.Customer.name).where(~m.Customer.invoices.any())
    assert names(hand.session.execute(statement)) == ["own abel"]


@legitimate("select: a correlated subquery as a column")
def _(hand: Hand, m: Models) -> None:
    total = (
        select(func.coalesce(func.sum(m.Invoice.amount), 0))
        .where(m.Invoice.customer_id == m.Customer.id)
        .scalar_subquery()
    )
    statement = select(m.Customer.id, total).order_by(m.Customer.id)
    assert names(hand.session.execute(statement)) == [(1, 30), (2, 30), (900, 0)]


@legitimate("join: a left join keeps its outer rows")
def _(hand: Hand, m: Models) -> None:
    statement = (
        select(m.Customer.name, m.Invoice.note)
        .outerjoin(m.Customer.invoices)
        .order_by(m.Customer.id, m.Invoice.id)
    )
    assert names(hand.session.execute(statement)) == [
        ("own ada", "own first"),
        ("own ada", "own second"),
        ("own alan", "own third"),
        ("own abel", None),
    ]


@legitimate("join: a left join from a shared table keeps its outer rows")
def _(hand: Hand, m: Models) -> None:
    statement = (
        select(m.Currency.code, m.Customer.name)
        .outerjoin(m.Customer, m.Customer.name == m.Currency.code)
        .order_by(m.Currency.code)
    )
    assert names(hand.session.execute(statement)) == [("EUR", None), ("USD", None)]


@legitimate(
    "join: a full join keeps the outer rows of both sides",
    only="sqlite postgresql",
    why="no FULL JOIN",
)
def _(hand: Hand, m: Models) -> None:
    statement = select(m.Currency.code, m.Customer.name).join(
        m.Customer, m.Customer.name == m.Currency.code, full=True
    )
    assert {tuple(row) for row in hand.session.execute(statement)} == {
        ("EUR", None),
        ("USD", None),
        (None, "own ada"),
        (None, "own alan"),
        (None, "own abel"),
    }


@legitimate("join: a nested outer join keeps its outer rows", needs="ties")
def _(hand: Hand, m: Models) -> None:
    customer, invoice, line = (each.__table__ for each in (m.Customer, m.Invoice, m.InvoiceLine))
    source = customer.outerjoin(
        invoice.join(line, line.c.invoice_id == invoice.c.id),
        invoice.c.customer_id == customer.c.id,
    )
    statement = select(customer.c.name, line.c.text).select_from(source)
    assert {tuple(row) for row in hand.session.execute(statement)} == {
        ("own ada", "own line"),
        ("own ada", "own second line"),
        ("own alan", "own third line"),
        ("own abel", None),
    }


@legitimate("join: an anti-join")
def _(hand: Hand, m: Models) -> None:
    statement = select(m.Customer.name).outerjoin(m.Customer.invoices).where(m.Invoice.id.is_(None))
    assert names(hand.session.execute(statement)) == ["own abel"]


@legitimate("join: a left join to a tied table keeps its outer rows", needs="ties")
def _(hand: Hand, m: Models) -> None:
    statement = (
        select(m.InvoiceLine.id, m.LineNote.text)
        .outerjoin(m.LineNote, m.LineNote.line_id == m.InvoiceLine.id)
        .order_by(m.InvoiceLine.id)
    )
    assert names(hand.session.execute(statement)) == [
        (1, "own scribble"),
        (2, "own scrawl"),
        (900, None),
    ]


@legitimate("join: self-referential, outer")
def _(hand: Hand, m: Models) -> None:
    parent = aliased(m.Category)
    statement = (
        select(m.Category.title, parent.title)
        .outerjoin(m.Category.parent.of_type(parent))
        .order_by(m.Category.id)
    )
    assert names(hand.session.execute(statement)) == [
        ("own root", None),
        ("own child", "own root"),
        ("own leaf", "own child"),
    ]


@legitimate("cte: recursive")
def _(hand: Hand, m: Models) -> None:
    top = (
        select(m.Category.id, m.Category.title, literal(0).label("depth"))
        .where(m.Category.parent_id.is_(None))
        .cte("tree", recursive=True)
    )
    tree = top.union_all(
        select(m.Category.id, m.Category.title, top.c.depth + 1).join(
            top, m.Category.parent_id == top.c.id
        )
    )
    statement = select(tree.c.title, tree.c.depth).order_by(tree.c.depth)
    assert names(hand.session.execute(statement)) == [
        ("own root", 0),
        ("own child", 1),
        ("own leaf", 2),
    ]


@legitimate("union: of tenant-aware and shared tables")
def _(hand: Hand, m: Models) -> None:
    statement = union_all(select(m.Currency.name), select(m.Tag.label)).order_by("name")
    assert sorted(names(hand.session.execute(statement))) == [
        "Dollar",
        "Euro",
        "own late",
        "own urgent",
    ]


@legitimate("lateral: the latest invoice of each customer", only="postgresql", why="no LATERAL")
def _(hand: Hand, m: Models) -> None:
    latest = (
        select(m.Invoice.note)
        .where(m.Invoice.customer_id == m.Customer.id)
        .order_by(m.Invoice.id.desc())
        .limit(1)
        .lateral()
    )
    statement = (
        select(m.Customer.name, latest.c.note).outerjoin(latest, true()).order_by(m.Customer.id)
    )
    assert names(hand.session.execute(statement)) == [
        ("own ada", "own second"),
        ("own alan", "own third"),
        ("own abel", None),
    ]


@legitimate(
    "values: joined with a tenant-aware table", only="postgresql", why="no names for the columns"
)
def _(hand: Hand, m: Models) -> None:
    wanted = values(column("n", Integer), name="wanted").data([(1,), (401,), (900,)])
    statement = select(m.Invoice.note).join(wanted, wanted.c.n == m.Invoice.id).order_by(wanted.c.n)
    assert names(hand.session.execute(statement)) == ["own first", "own third"]


@legitimate("execute: yield_per and partitions")
def _(hand: Hand, m: Models) -> None:
    statement = select(m.Invoice).order_by(m.Invoice.id).execution_options(yield_per=2)
    parts = [[each.id for each in part] for part in hand.session.scalars(statement).partitions()]
    assert parts == [[1, 2], [900]]


@legitimate("execute: many cached statements under two tenants in turn", tenant="own")
def _(hand: Hand, m: Models) -> None:
    for tenant, expected in [(hand.theirs, 2), (hand.mine, 3)] * 2:
        with hand.scope(tenant):
            session = hand.new_session()
            assert session.scalar(select(func.count()).select_from(m.Invoice)) == expected
            session.close()


@legitimate("execute: a system scope sees everything", tenant="own", needs="ambient system")
def _(hand: Hand, m: Models) -> None:
    with hand.system():
        assert hand.session.scalar(select(func.count()).select_from(m.Invoice)) == 5
        assert hand.session.execute(text("SELECT count(*) FROM acct_invoice")).scalar() == 5


@legitimate("execute: Core on an engine's connection", needs="core")
def _(hand: Hand, m: Models) -> None:
    with hand.engine.connect() as connection:
        found = connection.execute(select(m.note.c.body).order_by(m.note.c.id)).all()
        assert names(found) == ["own note", "own other note"]
