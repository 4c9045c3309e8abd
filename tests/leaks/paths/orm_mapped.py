"""Deferred and computed columns, and inheritance of every kind."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    func,
    select,
    true,
)
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.orm import (
    load_only,
    make_transient_to_detached,
    selectin_polymorphic,
    undefer,
    with_expression,
    with_polymorphic,
)
from sqlalchemy.orm.exc import ObjectDeletedError, ObjectDereferencedError

from tests.leaks.catalogue import path, reads
from tests.leaks.hand import Hand
from tests.leaks.schema import Models

GONE = (ObjectDeletedError, InvalidRequestError, ObjectDereferencedError)


@path("column: deferred", errors=GONE)
def _(hand: Hand, m: Models) -> Any:
    each = m.Invoice(id=401)
    make_transient_to_detached(each)
    hand.session.add(each)
    return each.private


reads("column: undeferred", lambda m: select(m.Invoice).options(undefer(m.Invoice.private)))
reads("column: load_only", lambda m: select(m.Invoice).options(load_only(m.Invoice.note)))
reads(
    "column: column_property that is a subquery",
    lambda m: select(m.Customer.id, m.Customer.invoice_count).order_by(m.Customer.id),
    sees=[(1, 2), (2, 1), (900, 0)],
)


@path("column: column_property that is a subquery, with a foreign row", sees=[2, 1, 0])
def _(hand: Hand, m: Models) -> Any:
    with hand.changed(
        'UPDATE "acct_invoice" SET customer_id = 900 WHERE id = 401',
        'UPDATE "acct_invoice" SET customer_id = 401 WHERE id = 401',
    ):
        statement = select(m.Customer).options(undefer(m.Customer.invoice_count))
        found = hand.session.scalars(statement.order_by(m.Customer.id))
        return [each.invoice_count for each in found]


reads(
    "column: query_expression",
    lambda m: select(m.Customer).options(
        with_expression(m.Customer.remark, select(func.min(m.Tag.label)).scalar_subquery())
    ),
)


reads("inheritance: joined, the base", lambda m: select(m.Payment))
reads("inheritance: joined, the child", lambda m: select(m.CardPayment))
reads("inheritance: joined, the child's column alone", lambda m: select(m.CardPayment.card))
reads(
    "inheritance: joined, the child's Table alone",
    lambda m: select(m.CardPayment.__table__),
    needs="ties",
)
reads(
    "inheritance: joined, count of the child's Table",
    lambda m: select(func.count()).select_from(m.CardPayment.__table__),
    sees=2,
    needs="ties",
)
reads(
    "inheritance: joined, with_polymorphic",
    lambda m: select(with_polymorphic(m.Payment, "*")),
)
reads(
    "inheritance: joined, with_polymorphic flat and aliased",
    lambda m: select(with_polymorphic(m.Payment, [m.CardPayment], flat=True, aliased=True)),
)
reads(
    "inheritance: joined, selectin_polymorphic",
    lambda m: select(m.Payment).options(selectin_polymorphic(m.Payment, [m.CardPayment])),
)
reads(
    "inheritance: joined, of_type in a join",
    lambda m: (
        select(m.Invoice.note, m.CardPayment.card)
        .select_from(m.Invoice)
        .join(m.CardPayment, true())
    ),
)
reads("inheritance: single table, the base", lambda m: select(m.Party))
reads("inheritance: single table, the child", lambda m: select(m.Company))
reads("inheritance: single table, a column of the child", lambda m: select(m.Company.vat))
reads("inheritance: concrete, the base's union", lambda m: select(m.Site), needs="concrete")
reads("inheritance: concrete, the child", lambda m: select(m.Warehouse), needs="concrete")
reads(
    "inheritance: concrete, the child's Table",
    lambda m: select(m.Warehouse.__table__),
    needs="concrete",
)
