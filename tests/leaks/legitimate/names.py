"""Names that look like a tenant-aware table's, and are not."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    bindparam,
    select,
    text,
)
from sqlalchemy.orm import (
    aliased,
)

from tests.leaks.catalogue import legitimate
from tests.leaks.hand import Hand
from tests.leaks.schema import Models


def names(rows: Any) -> list[Any]:
    return [row[0] if len(row) == 1 else tuple(row) for row in rows]


@legitimate("name: a label")
def _(hand: Hand, m: Models) -> None:
    statement = select(m.Currency.name.label("acct_invoice")).order_by("acct_invoice")
    assert names(hand.session.execute(statement)) == ["Dollar", "Euro"]


@legitimate("name: an alias of a shared table")
def _(hand: Hand, m: Models) -> None:
    renamed = m.Currency.__table__.alias("acct_invoice")
    assert names(hand.session.execute(select(renamed.c.name).order_by("name"))) == [
        "Dollar",
        "Euro",
    ]


@legitimate("name: an alias of a tenant-aware table, named like another")
def _(hand: Hand, m: Models) -> None:
    renamed = aliased(m.Tag, name="acct_invoice")
    found = hand.session.execute(select(renamed.label).order_by(renamed.id))
    assert names(found) == ["own urgent", "own late"]


@legitimate("name: a CTE of a shared table")
def _(hand: Hand, m: Models) -> None:
    renamed = select(m.Currency.name).cte("acct_invoice")
    assert names(hand.session.execute(select(renamed.c.name).order_by("name"))) == [
        "Dollar",
        "Euro",
    ]


@legitimate("name: a CTE of a tenant-aware table, named like itself")
def _(hand: Hand, m: Models) -> None:
    renamed = select(m.Tag.label).where(m.Tag.id == 1).cte("acct_tag_of_mine")
    assert names(hand.session.execute(select(renamed.c.label))) == ["own urgent"]


@legitimate("name: a subquery")
def _(hand: Hand, m: Models) -> None:
    renamed = select(m.Currency.name).subquery("acct_customer")
    assert names(hand.session.execute(select(renamed.c.name).order_by("name"))) == [
        "Dollar",
        "Euro",
    ]


@legitimate("name: a bound parameter, in a construct")
def _(hand: Hand, m: Models) -> None:
    statement = select(m.Currency.name).where(m.Currency.code == bindparam("acct_invoice"))
    assert hand.session.scalar(statement, {"acct_invoice": "EUR"}) == "Euro"


@legitimate("name: a bound parameter named tenant")
def _(hand: Hand, m: Models) -> None:
    statement = select(m.Invoice.note).where(m.Invoice.reference == bindparam("tenant"))
    assert hand.session.scalar(statement, {"tenant": "R-1"}) == "own first"


@legitimate("name: a bound parameter named like the tenant column")
def _(hand: Hand, m: Models) -> None:
    statement = select(m.Invoice.note).where(m.Invoice.reference == bindparam(hand.key))
    assert hand.session.scalar(statement, {hand.key: "R-1"}) == "own first"


@legitimate("name: a bound parameter in text")
def _(hand: Hand, m: Models) -> None:
    statement = text("SELECT name FROM acct_currency WHERE code = :acct_invoice")
    assert hand.session.scalar(statement, {"acct_invoice": "EUR"}) == "Euro"


@legitimate("name: a string literal in text")
def _(hand: Hand, m: Models) -> None:
    statement = text("SELECT code FROM acct_currency WHERE name <> 'acct_invoice' ORDER BY code")
    assert names(hand.session.execute(statement)) == ["EUR", "USD"]


@legitimate("name: a value that is bound")
def _(hand: Hand, m: Models) -> None:
    statement = select(m.Invoice.note).where(m.Invoice.note != "SELECT * FROM acct_invoice")
    assert len(hand.session.execute(statement).all()) == 3


@legitimate("name: a word that contains it")
def _(hand: Hand, m: Models) -> None:
    statement = text("SELECT code AS acct_invoices FROM acct_currency ORDER BY code")
    assert names(hand.session.execute(statement)) == ["EUR", "USD"]
