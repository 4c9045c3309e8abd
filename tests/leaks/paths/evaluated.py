"""Conditions that fail on another tenant's row: the message tells its value.

The caller's own rows never make them fail. What the database says is what a way returns.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import (
    Integer,
    case,
    cast,
    column,
    delete,
    exists,
    func,
    insert,
    literal,
    select,
    table,
    text,
    update,
)
from sqlalchemy.exc import DBAPIError

from tests.leaks.catalogue import path
from tests.leaks.hand import Hand
from tests.leaks.schema import Models

FAILURE = (
    "malformed JSON",
    "invalid input syntax",
    "division by zero",
    "out of range",
    "Truncated",
)
"""What databases say when such a condition fails."""


def risky(hand: Hand, line: Any) -> Any:
    """Return a condition that is true of the caller's lines and fails on the other's.

    MariaDB makes no error of a cast in a query, but of a number that is too large.
    """
    if hand.database == "sqlite":
        return func.json_extract(line.c.price, "$") > 0
    if hand.database == "postgresql":
        return cast(line.c.price, Integer) > 0
    return func.exp(line.c.quantity) > 0


def raw_risky(hand: Hand) -> str:
    return {
        "sqlite": "json_extract(price, '$') > 0",
        "postgresql": "CAST(price AS integer) > 0",
        "mariadb": "exp(quantity) > 0",
    }[hand.database]


def told(hand: Hand, act: Callable[[], Any]) -> list[Any]:
    """Return what ``act`` finds, or what the database tells of its failure."""
    try:
        return [act(), "own end"]
    except DBAPIError as error:
        hand.session.rollback()
        if not any(each in str(error.orig) for each in FAILURE):
            raise
        # SQLite names no value; that the condition was evaluated tells of it all the same.
        return [f"bravo's row made it fail: {error.orig}"]


def reading(
    name: str, statement: Callable[[Hand, Models], Any], needs: str = "ties", **options: Any
) -> None:
    def run(hand: Hand, m: Models) -> Any:
        return told(hand, lambda: len(hand.session.execute(statement(hand, m)).all()))

    run.__module__ = __name__
    path(f"evaluated: {name}", needs=needs, **options)(run)


def writing(
    name: str, statement: Callable[[Hand, Models], Any], needs: str = "ties", **options: Any
) -> None:
    def run(hand: Hand, m: Models) -> Any:
        found = told(hand, lambda: hand.session.execute(statement(hand, m)) and None)
        hand.session.rollback()
        return found

    run.__module__ = __name__
    path(f"evaluated: {name}", needs=needs, **options)(run)


def lines(m: Models) -> Any:
    return m.InvoiceLine.__table__


def invoices(m: Models) -> Any:
    return m.Invoice.__table__


reading(
    "a cast in WHERE, ORM",
    lambda h, m: select(m.InvoiceLine).where(risky(h, lines(m))),
)
reading("a cast in WHERE, Core", lambda h, m: select(lines(m).c.id).where(risky(h, lines(m))))
reading(
    "a cast in WHERE, of an alias",
    lambda h, m: (lambda line: select(line.c.id).where(risky(h, line)))(lines(m).alias("l")),
)
reading(
    "a cast in WHERE, of a bare table()",
    lambda h, m: (lambda line: select(line.c.id).where(risky(h, line)))(
        table("acct_invoice_line", column("id"), column("price"), column("quantity"))
    ),
)
reading(
    "a cast in WHERE, as text",
    lambda h, m: select(lines(m).c.id).where(text(raw_risky(h))),
)
reading(
    "a cast in WHERE, in an OR",
    lambda h, m: select(lines(m).c.id).where((lines(m).c.id < 0) | risky(h, lines(m))),
)
reading(
    "a cast in WHERE, in a CASE",
    lambda h, m: select(lines(m).c.id).where(
        case((risky(h, lines(m)), literal(1)), else_=literal(0)) == 1
    ),
)
reading(
    "a division in WHERE",
    lambda h, m: select(lines(m).c.id).where(1 / (lines(m).c.quantity - 77100) < 9),
    only="postgresql",
    why="no error",
)
reading(
    "a condition on a tied table that is joined to its parent",
    lambda h, m: (
        select(lines(m).c.id)
        .join(invoices(m), invoices(m).c.id == lines(m).c.invoice_id)
        .where(risky(h, lines(m)))
    ),
)
reading(
    "a condition in the ON of a join to its parent",
    lambda h, m: select(lines(m).c.id).select_from(
        invoices(m).join(lines(m), (invoices(m).c.id == lines(m).c.invoice_id) & risky(h, lines(m)))
    ),
)
reading(
    "a condition in the ON of an outer join to its parent",
    lambda h, m: select(lines(m).c.id).select_from(
        invoices(m).outerjoin(
            lines(m), (invoices(m).c.id == lines(m).c.invoice_id) & risky(h, lines(m))
        )
    ),
)
reading(
    "a condition on a shared table's join with a tied one",
    lambda h, m: select(m.Currency.code).where(
        lines(m).c.id > 0, risky(h, lines(m)), m.Currency.code == "EUR"
    ),
)
reading(
    "a condition on a table tied to a tied one",
    lambda h, m: (
        select(m.LineNote.id)
        .join(m.InvoiceLine, m.InvoiceLine.id == m.LineNote.line_id)
        .where(risky(h, lines(m)))
    ),
)
reading(
    "a condition in IN",
    lambda h, m: select(invoices(m).c.id).where(
        invoices(m).c.id.in_(select(lines(m).c.invoice_id).where(risky(h, lines(m))))
    ),
)
reading(
    "a condition in EXISTS",
    lambda h, m: select(invoices(m).c.id).where(
        exists(
            select(lines(m).c.id).where(
                lines(m).c.invoice_id == invoices(m).c.id, risky(h, lines(m))
            )
        )
    ),
)
reading(
    "a condition in a scalar subquery",
    lambda h, m: select(
        select(func.count(lines(m).c.id)).where(risky(h, lines(m))).scalar_subquery()
    ),
)
reading(
    "a condition in a subquery",
    lambda h, m: select(select(lines(m).c.id).where(risky(h, lines(m))).subquery().c.id),
)
reading(
    "a condition in a CTE",
    lambda h, m: select(select(lines(m).c.id).where(risky(h, lines(m))).cte().c.id),
)
reading(
    "a condition in a UNION",
    lambda h, m: (
        select(lines(m).c.id)
        .where(risky(h, lines(m)))
        .union_all(select(lines(m).c.id).where(risky(h, lines(m))))
    ),
)


def computed(h: Hand, m: Models) -> Any:
    """Return a subquery whose column fails on another tenant's row."""
    return select(lines(m).c.id, risky(h, lines(m)).label("fails"))


def on_computed(h: Hand, each: Any) -> Any:
    return select(each.c.id).where(each.c.fails)


reading(
    "a subquery's computed column, in the WHERE around it",
    lambda h, m: on_computed(h, computed(h, m).subquery()),
)
reading(
    "a CTE's computed column, in the WHERE around it",
    lambda h, m: on_computed(h, computed(h, m).cte()),
)
reading(
    "a column of a subquery of the tied table, in the WHERE around it",
    lambda h, m: (lambda s: select(s.c.id).where(risky(h, s)))(select(lines(m)).subquery()),
)
reading(
    "a column of a CTE of the tied table, in the WHERE around it",
    lambda h, m: (lambda s: select(s.c.id).where(risky(h, s)))(select(lines(m)).cte()),
)
reading(
    "a column of a subquery that is joined to the parent",
    lambda h, m: (
        lambda s: (
            select(s.c.id).join(invoices(m), invoices(m).c.id == s.c.invoice_id).where(risky(h, s))
        )
    )(select(lines(m)).subquery()),
)
reading(
    "HAVING, of what is grouped",
    lambda h, m: (
        select(lines(m).c.price, lines(m).c.quantity)
        .group_by(lines(m).c.price, lines(m).c.quantity)
        .having(risky(h, lines(m)))
    ),
)
reading(
    "HAVING, of what is grouped by the key",
    lambda h, m: (
        select(lines(m).c.id, lines(m).c.price, lines(m).c.quantity)
        .group_by(lines(m).c.id)
        .having(risky(h, lines(m)))
    ),
)
reading(
    "HAVING, of an aggregate",
    lambda h, m: (
        select(func.count())
        .select_from(lines(m))
        .group_by(lines(m).c.invoice_id)
        .having(func.count(case((risky(h, lines(m)), 1))) >= 0)
    ),
)
reading(
    "a column of the SELECT",
    lambda h, m: select(risky(h, lines(m))).select_from(lines(m)),
)
reading("ORDER BY", lambda h, m: select(lines(m).c.id).order_by(risky(h, lines(m))))
reading(
    "GROUP BY",
    lambda h, m: select(func.count()).select_from(lines(m)).group_by(risky(h, lines(m))),
)
reading(
    "an aggregate with FILTER",
    lambda h, m: select(func.count(lines(m).c.id).filter(risky(h, lines(m)))),
    why_not={"mariadb": "no FILTER"},
)
reading(
    "a window's order",
    lambda h, m: select(func.row_number().over(order_by=risky(h, lines(m)))).select_from(lines(m)),
)
reading(
    "a condition on a tenant-aware table",
    lambda h, m: select(invoices(m).c.id).where(
        cast(func.substr(invoices(m).c.note, 1, 0) + literal("1"), Integer)
        / (invoices(m).c.amount - 77010)
        < 9
    ),
    only="postgresql",
    why="no error",
    needs="",
)
reading(
    "a condition on a joined-inheritance child's Table",
    lambda h, m: select(m.CardPayment.__table__.c.id).where(
        1 / (m.CardPayment.__table__.c.id - 402) < 9
    ),
    only="postgresql",
    why="no error",
)
reading(
    "a boolean function on a tenant-aware table",
    lambda h, m: select(invoices(m).c.id).where(
        func.starts_with(cast(1 / (invoices(m).c.amount - 77010), m.Invoice.note.type), "0")
    ),
    only="postgresql",
    why="no error",
    needs="",
)

# Statements that write: MariaDB makes an error of a cast in these.


def failing(hand: Hand, line: Any) -> Any:
    if hand.database == "mariadb":
        return cast(line.c.price, Integer) > 0
    return risky(hand, line)


writing(
    "the WHERE of an UPDATE",
    lambda h, m: update(lines(m)).where(failing(h, lines(m))).values(text="own"),
)
writing(
    "the WHERE of an UPDATE, ORM",
    lambda h, m: (
        update(m.InvoiceLine)
        .where(failing(h, lines(m)))
        .values(text="own")
        .execution_options(synchronize_session=False)
    ),
)
writing(
    "the WHERE of an UPDATE that is joined to the parent",
    lambda h, m: (
        update(lines(m))
        .where(invoices(m).c.id == lines(m).c.invoice_id, failing(h, lines(m)))
        .values(text="own")
    ),
)
writing(
    "a subquery of a DELETE",
    lambda h, m: delete(m.LineNote.__table__).where(
        m.LineNote.__table__.c.line_id.in_(select(lines(m).c.id).where(risky(h, lines(m))))
    ),
)


@path("evaluated: the WHERE of a DELETE", needs="ties")
def _(hand: Hand, m: Models) -> Any:
    hand.session.execute(delete(m.LineNote.__table__))
    gone = delete(lines(m)).where(risky(hand, lines(m)))
    found = told(hand, lambda: hand.session.execute(gone) and None)
    hand.session.rollback()
    return found


@path("evaluated: the WHERE of a DELETE, ORM", needs="ties")
def _(hand: Hand, m: Models) -> Any:
    hand.session.execute(delete(m.LineNote))
    gone = delete(m.InvoiceLine).where(m.InvoiceLine.id > 0, risky(hand, lines(m)))
    fetched = gone.execution_options(synchronize_session=False)
    found = told(hand, lambda: hand.session.execute(fetched) and None)
    hand.session.rollback()
    return found


writing(
    "a subquery of an UPDATE",
    lambda h, m: (
        update(invoices(m))
        .where(invoices(m).c.id.in_(select(lines(m).c.invoice_id).where(failing(h, lines(m)))))
        .values(note="own")
    ),
)
writing(
    "an INSERT ... SELECT",
    lambda h, m: insert(m.Tag.__table__).from_select(
        ["slug", "label", m.key],
        select(lines(m).c.text, lines(m).c.text, literal(m.mine)).where(failing(h, lines(m))),
    ),
)
writing(
    "the values of an UPDATE",
    lambda h, m: update(lines(m)).values(quantity=case((failing(h, lines(m)), 1), else_=2)),
)
