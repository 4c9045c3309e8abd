"""Every way to load a relationship, with a foreign row in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import (
    select,
    true,
)
from sqlalchemy.orm import (
    aliased,
    contains_eager,
    immediateload,
    joinedload,
    lazyload,
    make_transient_to_detached,
    selectinload,
    subqueryload,
    with_loader_criteria,
    with_parent,
)

from tests.leaks.catalogue import NOTHING, path
from tests.leaks.hand import Hand, flat
from tests.leaks.schema import Models

LOADERS: dict[str, Callable[..., Any]] = {
    "lazy": lazyload,
    "joined": joinedload,
    "selectin": selectinload,
    "subquery": subqueryload,
    "immediate": immediateload,
}


def _relationship(name: str, loader: Callable[..., Any]) -> None:
    # The parents are the caller's; one of them refers to another tenant's row, as a
    # mistake long ago may have left it.
    @path(f"relationship: {name}, many to one to a foreign row")
    def _(hand: Hand, m: Models) -> Any:
        with hand.changed(
            'UPDATE "acct_invoice" SET customer_id = 401, category_id = 401 WHERE id = 1',
            'UPDATE "acct_invoice" SET customer_id = 1, category_id = 1 WHERE id = 1',
        ):
            found = hand.session.scalars(
                select(m.Invoice).options(loader(m.Invoice.customer), loader(m.Invoice.category))
            ).all()
            return flat([[each.note, each.customer, each.category] for each in found])

    @path(f"relationship: {name}, one to many with a foreign row")
    def _(hand: Hand, m: Models) -> Any:
        with hand.changed(
            'UPDATE "acct_invoice" SET customer_id = 1 WHERE id = 401',
            'UPDATE "acct_invoice" SET customer_id = 401 WHERE id = 401',
        ):
            found = hand.session.scalars(
                select(m.Customer).options(loader(m.Customer.invoices))
            ).unique()
            return flat([[each.name, list(each.invoices)] for each in found])

    @path(f"relationship: {name}, many to many with a foreign row")
    def _(hand: Hand, m: Models) -> Any:
        with hand.changed(
            'UPDATE "acct_invoice_tag" SET tag_id = 401 WHERE invoice_id = 1',
            'UPDATE "acct_invoice_tag" SET tag_id = 1 WHERE invoice_id = 1',
        ):
            found = hand.session.scalars(select(m.Invoice).options(loader(m.Invoice.tags))).unique()
            return flat([[each.note, list(each.tags)] for each in found])


for _name, _loader in LOADERS.items():
    _relationship(_name, _loader)


@path("relationship: contains_eager of a join of everything")
def _(hand: Hand, m: Models) -> Any:
    statement = (
        select(m.Customer)
        .join(m.Invoice, true())
        .options(contains_eager(m.Customer.invoices))
        .execution_options(populate_existing=True)
    )
    return [each.invoices for each in hand.session.scalars(statement).unique()]


@path("relationship: contains_eager with an alias")
def _(hand: Hand, m: Models) -> Any:
    other = aliased(m.Invoice)
    statement = (
        select(m.Customer)
        .outerjoin(other, true())
        .options(contains_eager(m.Customer.invoices.of_type(other)))
    )
    return [each.invoices for each in hand.session.scalars(statement).unique()]


@path("relationship: joined, two levels")
def _(hand: Hand, m: Models) -> Any:
    with hand.changed(
        'UPDATE "acct_invoice" SET customer_id = 1 WHERE id = 401',
        'UPDATE "acct_invoice" SET customer_id = 401 WHERE id = 401',
    ):
        loaded = joinedload(m.Customer.invoices).joinedload(m.Invoice.lines)
        return flat(hand.session.scalars(select(m.Customer).options(loaded)).unique().all())


@path("relationship: selectin, two levels")
def _(hand: Hand, m: Models) -> Any:
    with hand.changed(
        'UPDATE "acct_invoice" SET customer_id = 1 WHERE id = 401',
        'UPDATE "acct_invoice" SET customer_id = 401 WHERE id = 401',
    ):
        loaded = selectinload(m.Customer.invoices).selectinload(m.Invoice.lines)
        return flat(hand.session.scalars(select(m.Customer).options(loaded)).all())


@path("relationship: joined, inner")
def _(hand: Hand, m: Models) -> Any:
    with hand.changed(
        'UPDATE "acct_invoice" SET customer_id = 401 WHERE id = 1',
        'UPDATE "acct_invoice" SET customer_id = 1 WHERE id = 1',
    ):
        loaded = joinedload(m.Invoice.customer, innerjoin=True)
        return flat(hand.session.scalars(select(m.Invoice).options(loaded)).all())


@path("relationship: joined, under a LIMIT")
def _(hand: Hand, m: Models) -> Any:
    with hand.changed(
        'UPDATE "acct_invoice" SET customer_id = 2 WHERE id = 401',
        'UPDATE "acct_invoice" SET customer_id = 401 WHERE id = 401',
    ):
        statement = select(m.Customer).options(joinedload(m.Customer.invoices)).limit(5)
        return flat(hand.session.scalars(statement).unique().all())


@path("relationship: self-referential, joined, with a foreign child")
def _(hand: Hand, m: Models) -> Any:
    with hand.changed(
        'UPDATE "acct_category" SET parent_id = 1 WHERE id = 401',
        'UPDATE "acct_category" SET parent_id = NULL WHERE id = 401',
    ):
        statement = select(m.Category).options(
            joinedload(m.Category.children).joinedload(m.Category.children)
        )
        return flat(hand.session.scalars(statement).unique().all())


@path("relationship: self-referential, selectin with recursion_depth")
def _(hand: Hand, m: Models) -> Any:
    with hand.changed(
        'UPDATE "acct_category" SET parent_id = 1 WHERE id = 401',
        'UPDATE "acct_category" SET parent_id = NULL WHERE id = 401',
    ):
        statement = select(m.Category).options(
            selectinload(m.Category.children, recursion_depth=-1)
        )
        return flat(hand.session.scalars(statement).all())


@path("relationship: loader criteria of the caller's that are always true")
def _(hand: Hand, m: Models) -> Any:
    with hand.changed(
        'UPDATE "acct_invoice" SET customer_id = 1 WHERE id = 401',
        'UPDATE "acct_invoice" SET customer_id = 401 WHERE id = 401',
    ):
        statement = select(m.Customer).options(
            selectinload(m.Customer.invoices), with_loader_criteria(m.Invoice, true())
        )
        return flat(hand.session.scalars(statement).all())


@path("relationship: selectinload(...and_()) with a wide criterion")
def _(hand: Hand, m: Models) -> Any:
    with hand.changed(
        'UPDATE "acct_invoice" SET customer_id = 1 WHERE id = 401',
        'UPDATE "acct_invoice" SET customer_id = 401 WHERE id = 401',
    ):
        statement = select(m.Customer).options(
            selectinload(m.Customer.invoices.and_(m.Invoice.amount > 0))
        )
        return flat(hand.session.scalars(statement).all())


@path("relationship: dynamic")
def _(hand: Hand, m: Models) -> Any:
    with hand.changed(
        'UPDATE "acct_invoice" SET customer_id = 1 WHERE id = 401',
        'UPDATE "acct_invoice" SET customer_id = 401 WHERE id = 401',
    ):
        return flat(hand.session.get(m.Customer, 1).dynamic.all())


@path("relationship: dynamic, counted", sees=2)
def _(hand: Hand, m: Models) -> Any:
    with hand.changed(
        'UPDATE "acct_invoice" SET customer_id = 1 WHERE id = 401',
        'UPDATE "acct_invoice" SET customer_id = 401 WHERE id = 401',
    ):
        return hand.session.get(m.Customer, 1).dynamic.count()


@path("relationship: write-only, selected")
def _(hand: Hand, m: Models) -> Any:
    with hand.changed(
        'UPDATE "acct_invoice" SET customer_id = 1 WHERE id = 401',
        'UPDATE "acct_invoice" SET customer_id = 401 WHERE id = 401',
    ):
        customer = hand.session.get(m.Customer, 1)
        return flat(hand.session.scalars(customer.written.select()).all())


@path("relationship: with_parent of a foreign object")
def _(hand: Hand, m: Models) -> Any:
    parent = m.Customer(id=401)
    make_transient_to_detached(parent)
    rows = hand.session.scalars(select(m.Invoice).where(with_parent(parent, m.Customer.invoices)))
    return [rows.all(), "own end"]


@path("relationship: any() on a foreign row", sees=NOTHING)
def _(hand: Hand, m: Models) -> Any:
    with hand.changed(
        'UPDATE "acct_invoice" SET customer_id = 900 WHERE id = 401',
        'UPDATE "acct_invoice" SET customer_id = 401 WHERE id = 401',
    ):
        statement = select(m.Customer.name).where(m.Customer.invoices.any(m.Invoice.amount > 1000))
        return hand.session.execute(statement).all()


@path("relationship: has() on a foreign row", sees=NOTHING)
def _(hand: Hand, m: Models) -> Any:
    with hand.changed(
        'UPDATE "acct_invoice" SET customer_id = 401 WHERE id = 1',
        'UPDATE "acct_invoice" SET customer_id = 1 WHERE id = 1',
    ):
        statement = select(m.Invoice.note).where(
            m.Invoice.customer.has(m.Customer.name == "bravo bob")
        )
        return hand.session.execute(statement).all()


@path("relationship: contains() and a comparison with a foreign object", sees=NOTHING)
def _(hand: Hand, m: Models) -> Any:
    other = m.Customer(id=401)
    make_transient_to_detached(other)
    return hand.session.scalars(select(m.Invoice).where(m.Invoice.customer == other)).all()


@path("relationship: of an object that was never added")
def _(hand: Hand, m: Models) -> Any:
    each = m.Invoice(customer_id=401, category_id=401)
    hand.session.enable_relationship_loading(each)
    return [flat(each.customer), flat(each.category), "own end"]


@path("relationship: refreshed by its name")
def _(hand: Hand, m: Models) -> Any:
    with hand.changed(
        'UPDATE "acct_invoice" SET customer_id = 401 WHERE id = 1',
        'UPDATE "acct_invoice" SET customer_id = 1 WHERE id = 1',
    ):
        each = hand.session.get(m.Invoice, 1)
        hand.session.refresh(each, ["customer"])
        return [flat(each.customer), "own end"]


@path("relationship: an association proxy")
def _(hand: Hand, m: Models) -> Any:
    from sqlalchemy.ext.associationproxy import association_proxy

    with hand.changed(
        'UPDATE "acct_invoice_tag" SET tag_id = 401 WHERE invoice_id = 1',
        'UPDATE "acct_invoice_tag" SET tag_id = 1 WHERE invoice_id = 1',
    ):
        m.Invoice.labels = association_proxy("tags", "label")
        return [list(each.labels) for each in hand.session.scalars(select(m.Invoice))]
