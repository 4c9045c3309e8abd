"""What the ORM must load of the caller's own."""

from __future__ import annotations

from sqlalchemy import (
    select,
)
from sqlalchemy.orm import (
    contains_eager,
    joinedload,
    selectin_polymorphic,
    selectinload,
    subqueryload,
    undefer,
    with_polymorphic,
)

from tests.leaks.catalogue import legitimate
from tests.leaks.hand import Hand
from tests.leaks.schema import Models

LOADERS = (joinedload, selectinload, subqueryload)


@legitimate("relationship: every loader finds the caller's rows")
def _(hand: Hand, m: Models) -> None:
    for load in LOADERS:
        hand.session.expunge_all()
        statement = select(m.Customer).options(load(m.Customer.invoices)).order_by(m.Customer.id)
        found = hand.session.scalars(statement).unique().all()
        assert [len(each.invoices) for each in found] == [2, 1, 0]


@legitimate("relationship: lazy, both ways")
def _(hand: Hand, m: Models) -> None:
    invoice = hand.session.get(m.Invoice, 1)
    assert invoice.customer.name == "own ada"
    assert {each.note for each in invoice.customer.invoices} == {"own first", "own second"}
    assert [each.label for each in invoice.tags] == ["own urgent"]
    assert [each.text for each in invoice.lines] == ["own line"]


@legitimate("relationship: a nullable many-to-one that is not set")
def _(hand: Hand, m: Models) -> None:
    found = hand.session.scalars(
        select(m.Invoice).options(joinedload(m.Invoice.category)).order_by(m.Invoice.id)
    )
    titles = [each.category and each.category.title for each in found]
    assert titles == ["own root", None, "own child"]


@legitimate("relationship: contains_eager")
def _(hand: Hand, m: Models) -> None:
    statement = (
        select(m.Customer)
        .outerjoin(m.Customer.invoices)
        .options(contains_eager(m.Customer.invoices))
        .order_by(m.Customer.id)
    )
    found = hand.session.scalars(statement).unique().all()
    assert [len(each.invoices) for each in found] == [2, 1, 0]


@legitimate("relationship: dynamic and write-only")
def _(hand: Hand, m: Models) -> None:
    customer = hand.session.get(m.Customer, 1)
    assert customer.dynamic.count() == 2
    found = hand.session.scalars(customer.written.select().order_by(m.Invoice.id)).all()
    assert [each.note for each in found] == ["own first", "own second"]


@legitimate("column: column_property that is a subquery, and a deferred one")
def _(hand: Hand, m: Models) -> None:
    customer = hand.session.get(m.Customer, 1, options=[undefer(m.Customer.invoice_count)])
    assert customer.invoice_count == 2
    assert hand.session.get(m.Invoice, 1).private == "own private one"


@legitimate("inheritance: joined, polymorphic loading")
def _(hand: Hand, m: Models) -> None:
    for statement in (
        select(m.Payment),
        select(with_polymorphic(m.Payment, "*")),
        select(m.Payment).options(selectin_polymorphic(m.Payment, [m.CardPayment])),
    ):
        hand.session.expunge_all()
        found = hand.session.scalars(statement).all()
        kinds = {each.id: getattr(each, "card", None) for each in found}
        assert kinds == {1: None, 2: "own 4111", 900: "own 4000"}


@legitimate("inheritance: single table")
def _(hand: Hand, m: Models) -> None:
    found = hand.session.scalars(select(m.Company).order_by(m.Company.id)).all()
    assert [each.vat for each in found] == ["own vat", "own other vat"]


@legitimate("inheritance: concrete", needs="concrete")
def _(hand: Hand, m: Models) -> None:
    found = hand.session.scalars(select(m.Site)).all()
    assert sorted(each.name for each in found) == [
        "own other site",
        "own shed",
        "own site",
        "own warehouse",
    ]
