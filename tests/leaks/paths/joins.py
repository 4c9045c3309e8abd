"""Joins of every kind and nesting."""

from __future__ import annotations

from typing import Any

from sqlalchemy import and_, func, join, literal_column, outerjoin, select, true
from sqlalchemy.orm import aliased
from sqlalchemy.orm import join as orm_join
from sqlalchemy.orm import outerjoin as orm_outerjoin

from tests.leaks.catalogue import NOTHING, reads

FULL: dict[str, Any] = {"only": "sqlite postgresql", "why": "no FULL JOIN"}

reads(
    "join: inner, by relationship",
    lambda m: select(m.Customer.name, m.Invoice.note).join(m.Customer.invoices),
)
reads(
    "join: inner, with an ON of the caller's that joins everything",
    lambda m: select(m.Customer.name, m.Invoice.note).join(m.Invoice, true()),
)
reads(
    "join: inner, across tenants by an ON of the caller's",
    lambda m: select(m.Customer.name, m.Invoice.note).join(
        m.Invoice, m.Invoice.id == m.Customer.id + 400
    ),
    sees=NOTHING,
)
reads(
    "join: left outer, the tenant-aware table on the nullable side",
    lambda m: select(m.Customer.name, m.Invoice.note).outerjoin(m.Invoice, true()),
)
reads(
    "join: left outer from a shared table",
    lambda m: select(m.Currency.code, m.Customer.name).outerjoin(m.Customer, true()),
)
reads(
    "join: left outer from VALUES-like subquery",
    lambda m: select(m.Customer.name).select_from(
        select(literal_column("1").label("one")).subquery().outerjoin(m.Customer.__table__, true())
    ),
)
reads(
    "join: left outer to a model that is then counted",
    lambda m: (
        select(m.Customer.id, func.count(m.Invoice.id))
        .outerjoin(m.Invoice, m.Invoice.amount > m.Customer.credit + 1000)
        .group_by(m.Customer.id)
        .order_by(m.Customer.id)
    ),
    sees=[(1, 0), (2, 0), (900, 0)],
)
reads(
    "join: right side of an outer join is a join",
    lambda m: select(m.Customer.name, m.Invoice.note, m.Tag.label).select_from(
        outerjoin(
            m.Customer.__table__,
            join(m.Invoice.__table__, m.Tag.__table__, true()),
            true(),
        )
    ),
)
reads(
    "join: right side of an outer join is an outer join",
    lambda m: select(m.Customer.name, m.Invoice.note, m.Tag.label).select_from(
        outerjoin(
            m.Customer.__table__,
            outerjoin(m.Invoice.__table__, m.Tag.__table__, true()),
            true(),
        )
    ),
)
reads(
    "join: an inner join after an outer join",
    lambda m: (
        select(m.Customer.name, m.Invoice.note, m.Tag.label)
        .select_from(m.Customer)
        .outerjoin(m.Invoice, true())
        .join(m.Tag, true())
    ),
)
reads(
    "join: an outer join after an outer join",
    lambda m: (
        select(m.Currency.code, m.Customer.name, m.Invoice.note)
        .select_from(m.Currency)
        .outerjoin(m.Customer, true())
        .outerjoin(m.Invoice, true())
    ),
)
reads(
    "join: full outer",
    lambda m: select(m.Customer.name, m.Invoice.note).join(
        m.Invoice, m.Invoice.customer_id == m.Customer.id, full=True
    ),
    **FULL,
)
reads(
    "join: full outer to a shared table",
    lambda m: select(m.Currency.code, m.Customer.name).join(
        m.Customer, m.Customer.name == m.Currency.code, full=True
    ),
    **FULL,
)
reads(
    "join: full outer of aliases",
    lambda m: (lambda c, i: select(c.name, i.note).join(i, i.customer_id == c.id, full=True))(
        aliased(m.Customer), aliased(m.Invoice)
    ),
    **FULL,
)
reads(
    "join: full outer of a table in another schema",
    lambda m: select(m.Record.body, m.Currency.code).join(
        m.Currency, m.Currency.code == m.Record.body, full=True
    ),
    **FULL,
)
reads(
    "join: full outer of a tied table",
    lambda m: select(m.InvoiceLine.text, m.Currency.code).join(
        m.Currency, m.Currency.code == m.InvoiceLine.text, full=True
    ),
    needs="ties",
    **FULL,
)
reads(
    "join: full outer inside a left join",
    lambda m: select(m.Currency.code, m.Customer.name, m.Invoice.note).select_from(
        outerjoin(
            m.Currency.__table__,
            join(
                m.Customer.__table__,
                m.Invoice.__table__,
                m.Invoice.__table__.c.customer_id == m.Customer.__table__.c.id,
                full=True,
            ),
            true(),
        )
    ),
    **FULL,
)
reads(
    "join: self-join of a model",
    lambda m: (lambda child: select(m.Category.title, child.title).join(child, true()))(
        aliased(m.Category)
    ),
)
reads(
    "join: self-join by a self-referential relationship",
    lambda m: (
        lambda parent: select(m.Category.title, parent.title).join(
            m.Category.parent.of_type(parent)
        )
    )(aliased(m.Category)),
)
reads(
    "join: self-join by an outer join",
    lambda m: (lambda child: select(m.Category.title, child.title).outerjoin(child, true()))(
        aliased(m.Category)
    ),
)
reads(
    "join: implicit cross join with WHERE",
    lambda m: select(m.Customer.name, m.Invoice.note).where(m.Customer.credit < m.Invoice.amount),
)
reads(
    "join: implicit cross join, the foreign key in WHERE",
    lambda m: select(m.Customer.name, m.Invoice.note).where(m.Customer.id == m.Invoice.customer_id),
)
reads(
    "join: implicit cross join of a model and a Table",
    lambda m: select(m.Customer.name, m.Tag.__table__.c.label).where(
        m.Customer.id <= m.Tag.__table__.c.id
    ),
)
reads(
    "join: a shared table with a tenant-aware one",
    lambda m: select(m.Currency.code, m.Invoice.note).join(m.Invoice, true()),
)
reads(
    "join: through an association table",
    lambda m: select(m.Invoice.note, m.Tag.label).join(m.Invoice.tags),
)
reads(
    "join: an association table on its own, to a shared table",
    lambda m: select(m.Currency.code, m.invoice_tag).join(m.invoice_tag, true()),
    sees={("EUR", 1, 1), ("EUR", 900, 900), ("USD", 1, 1), ("USD", 900, 900)},
    needs="ties",
)
reads(
    "join: a tied table to the shared parent of nobody",
    lambda m: select(m.Currency.code, m.InvoiceLine.text).outerjoin(m.InvoiceLine, true()),
    needs="ties",
)
reads(
    "join: a tied table to its parent by an ON that is no equality",
    lambda m: select(m.Invoice.note, m.InvoiceLine.text).join(
        m.InvoiceLine, m.InvoiceLine.invoice_id >= m.Invoice.id
    ),
    needs="ties",
)
reads(
    "join: a tied table to its parent by an ON with OR",
    lambda m: select(m.Invoice.note, m.InvoiceLine.text).join(
        m.InvoiceLine, (m.InvoiceLine.invoice_id == m.Invoice.id) | (m.InvoiceLine.id > 0)
    ),
    needs="ties",
)
reads(
    "join: a tied table left-joined to its parent",
    lambda m: select(m.InvoiceLine.text, m.Invoice.note).outerjoin(m.InvoiceLine.invoice),
    needs="ties",
)
reads(
    "join: a tied table to an alias of its parent, outer on the parent's side",
    lambda m: (
        lambda i: select(m.InvoiceLine.text, i.note).outerjoin(
            i, and_(i.id == m.InvoiceLine.invoice_id, i.id == 1)
        )
    )(aliased(m.Invoice)),
    needs="ties",
)
reads(
    "join: a tied table of a tied table",
    lambda m: select(m.LineNote.text, m.InvoiceLine.text).outerjoin(m.InvoiceLine, true()),
    needs="ties",
)
reads(
    "join: by select_from and join_from",
    lambda m: select(m.Invoice.note).select_from(m.Customer).join_from(m.Customer, m.Invoice),
)
reads(
    "join: orm.join as select_from",
    lambda m: select(m.Customer.name, m.Invoice.note).select_from(
        orm_join(m.Customer, m.Invoice, m.Customer.invoices)
    ),
)
reads(
    "join: orm.outerjoin as select_from",
    lambda m: select(m.Customer.name, m.Invoice.note).select_from(
        orm_outerjoin(m.Currency, m.Customer, true()).outerjoin(m.Invoice, true())
    ),
)
reads(
    "join: an alias of a join's subquery",
    lambda m: (lambda s: select(s.c.name, s.c.note))(
        select(m.Customer.name, m.Invoice.note).join(m.Invoice, true()).subquery()
    ),
)
reads(
    "join: Table.join().select()",
    lambda m: m.Customer.__table__.join(m.Invoice.__table__, true()).select(),
)
reads(
    "join: left outer of an alias of an alias",
    lambda m: (
        lambda z: select(m.Currency.code, z.c.note).select_from(
            m.Currency.__table__.outerjoin(z, true())
        )
    )(m.Invoice.__table__.alias().alias("z")),
)
reads(
    "join: a polymorphic model to a shared table",
    lambda m: select(m.Currency.code, m.CardPayment.card).outerjoin(m.CardPayment, true()),
)
reads(
    "join: full outer inside of a subquery",
    lambda m: (lambda s: select(s.c.name, s.c.note))(
        select(m.Customer.name, m.Invoice.note)
        .join(m.Invoice, m.Invoice.customer_id == m.Customer.id, full=True)
        .subquery()
    ),
    **FULL,
)
reads(
    "join: full outer inside of a CTE",
    lambda m: (lambda s: select(s.c.name, s.c.note))(
        select(m.Customer.name, m.Invoice.note)
        .join(m.Invoice, m.Invoice.customer_id == m.Customer.id, full=True)
        .cte()
        .alias()
    ),
    **FULL,
)
reads(
    "join: full outer of a subquery and a table",
    lambda m: (
        lambda s: select(s.c.name, m.Invoice.note).join_from(
            s, m.Invoice, m.Invoice.customer_id == s.c.id, full=True
        )
    )(select(m.Customer.id, m.Customer.name).subquery()),
    **FULL,
)
reads(
    "join: full outer, chained",
    lambda m: (
        select(m.Customer.name, m.Invoice.note, m.Tag.label)
        .join_from(m.Customer, m.Invoice, m.Invoice.customer_id == m.Customer.id, full=True)
        .join(m.Tag, m.Tag.id == m.Invoice.id, full=True)
    ),
    **FULL,
)
reads(
    "join: full outer of a self-join",
    lambda m: (
        lambda c: select(m.Category.title, c.title).join(c, c.parent_id == m.Category.id, full=True)
    )(aliased(m.Category)),
    **FULL,
)
