"""Subqueries, CTEs, set operations and LATERAL."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    String,
    any_,
    cast,
    column,
    except_,
    exists,
    func,
    intersect,
    literal,
    literal_column,
    select,
    table,
    text,
    true,
    union,
    union_all,
)
from sqlalchemy.orm import aliased

from tests.leaks.catalogue import NOTHING, path, reads
from tests.leaks.hand import Hand
from tests.leaks.schema import Models

LATERAL: dict[str, Any] = {"only": "postgresql", "why": "no LATERAL"}

reads(
    "subquery: in FROM", lambda m: (lambda s: select(s.c.note))(select(m.Invoice.note).subquery())
)
reads(
    "subquery: in FROM of a subquery in FROM",
    lambda m: (lambda s: select(s.c.note))(
        select(select(m.Invoice.note).subquery().c.note).subquery()
    ),
)
reads(
    "subquery: as an entity",
    lambda m: select(aliased(m.Invoice, select(m.Invoice).subquery()).note),
)
reads(
    "subquery: as an entity, flat and of several columns",
    lambda m: select(aliased(m.Invoice, select(m.Invoice.__table__).subquery("x"))),
)
reads(
    "subquery: scalar, as a column",
    lambda m: select(literal("own"), select(func.min(m.Invoice.note)).scalar_subquery()),
)
reads(
    "subquery: scalar, counting everything",
    lambda m: select(select(func.count()).select_from(m.Invoice).scalar_subquery()),
    sees=3,
)
reads(
    "subquery: correlated, as a column",
    lambda m: select(
        m.Customer.name,
        select(func.min(m.Invoice.note))
        .where(m.Invoice.customer_id >= m.Customer.id)
        .scalar_subquery(),
    ),
)
reads(
    "subquery: correlated to a shared table",
    lambda m: select(
        m.Currency.code,
        select(func.min(m.Customer.name)).where(m.Currency.code != "").scalar_subquery(),
    ),
)
reads(
    "subquery: correlated inside a subquery",
    lambda m: select(
        m.Currency.code,
        select(
            select(func.min(m.Invoice.note))
            .where(m.Currency.code != "")
            .correlate(m.Currency)
            .scalar_subquery()
        ).scalar_subquery(),
    ),
)
reads(
    "subquery: in WHERE, compared",
    lambda m: select(m.Currency.code).where(
        select(func.count()).select_from(m.Invoice).scalar_subquery() > 3
    ),
    sees=NOTHING,
)
reads(
    "subquery: IN",
    lambda m: select(m.Currency.code).where(literal(401).in_(select(m.Invoice.id))),
    sees=NOTHING,
)
reads(
    "subquery: NOT IN",
    lambda m: select(m.Currency.code).where(
        literal("bravo bob").not_in(select(m.Customer.name)), m.Currency.code == "EUR"
    ),
    sees="EUR",
)
reads(
    "subquery: EXISTS, correlated",
    lambda m: select(m.Currency.code).where(
        exists().where(m.Invoice.amount > 1000, m.Currency.code != "")
    ),
    sees=NOTHING,
)
reads(
    "subquery: in ORDER BY",
    lambda m: select(m.Currency.code).order_by(
        (select(func.count()).select_from(m.Invoice).scalar_subquery() > 3)
        != (m.Currency.code == "EUR")
    ),
    sees=["USD", "EUR"],
)
reads(
    "subquery: in a function's argument",
    lambda m: select(func.coalesce(select(func.min(m.Tag.label)).scalar_subquery(), "none")),
)
reads(
    "subquery: in CASE",
    lambda m: select(
        func.coalesce(
            select(m.Invoice.note).where(m.Invoice.id == 401).scalar_subquery(), "own nothing"
        )
    ),
)
reads(
    "subquery: ANY",
    lambda m: select(m.Currency.code).where(
        literal("bravo bob") == any_(select(m.Customer.name).scalar_subquery())
    ),
    sees=NOTHING,
    why_not={"sqlite": "no ANY"},
)
reads(
    "subquery: in the ON of a join, with a foreign id",
    lambda m: select(m.Customer.name).join(m.Currency, exists().where(m.Invoice.id == 401)),
    sees=NOTHING,
)
reads(
    "subquery: of a join that is aliased",
    lambda m: (lambda s: select(s))(
        m.Customer.__table__.join(m.Invoice.__table__, true())
        .select()
        .with_only_columns(m.Customer.__table__.c.name, m.Invoice.__table__.c.note)
        .subquery()
    ),
)
reads(
    "subquery: of VALUES joined with a tenant-aware table",
    lambda m: select(text("x.note")).select_from(select(m.Invoice.note).subquery("x")),
)
reads(
    "lateral: correlated to a shared table",
    lambda m: (lambda s: select(m.Currency.code, s.c.note).join(s, true()))(
        select(m.Invoice.note).where(m.Currency.code != "").lateral("s")
    ),
    **LATERAL,
)
reads(
    "lateral: on the nullable side",
    lambda m: (lambda s: select(m.Currency.code, s.c.note).outerjoin(s, true()))(
        select(m.Invoice.note).where(m.Currency.code != "").lateral("s")
    ),
    **LATERAL,
)
reads("cte: one", lambda m: (lambda c: select(c.c.note))(select(m.Invoice.note).cte()))
reads(
    "cte: one on another",
    lambda m: (lambda c: select(c.c.note))(
        select(select(m.Invoice.note).cte("inner_one").c.note).cte("outer_one")
    ),
)
reads(
    "cte: an alias of one",
    lambda m: (lambda c: select(c.alias("x").c.note))(select(m.Invoice.note).cte()),
)
reads(
    "cte: used twice",
    lambda m: (
        lambda c: (lambda x: select(c.c.note, x.c.note.label("y")).join(x, true()))(c.alias("x"))
    )(select(m.Invoice.note).cte()),
)
reads(
    "cte: named like the table that it selects from",
    lambda m: (lambda c: select(c.c.note))(select(m.Invoice.note).cte("acct_invoice_x")),
)
reads(
    "cte: added by add_cte",
    lambda m: (
        select(column("note"))
        .select_from(table("extra"))
        .add_cte(select(m.Invoice.note).cte("extra"))
    ),
)
reads(
    "cte: as an entity",
    lambda m: select(aliased(m.Invoice, select(m.Invoice).cte()).note),
)


def made_up(hand: Hand, m: Models, name: str) -> Any:
    """Return a CTE that says that the other tenant's invoice is the caller's."""
    tenant = literal(hand.mine, m.Invoice.__table__.c[m.key].type)
    return select(literal(401).label("id"), tenant.label(m.key)).cte(name)


@path("cte: named like the table that a tied one is looked up in", needs="ties")
def _(hand: Hand, m: Models) -> Any:
    cte = made_up(hand, m, "acct_invoice")
    return hand.session.execute(
        select(m.InvoiceLine.text).join(cte, m.InvoiceLine.invoice_id == cte.c.id)
    ).all()


@path("cte: named like a table that a tied one is joined to", needs="ties")
def _(hand: Hand, m: Models) -> Any:
    cte = made_up(hand, m, "acct_invoice")
    joined = select(m.InvoiceLine.text).join(m.Invoice, m.InvoiceLine.invoice_id == m.Invoice.id)
    return hand.session.execute(joined.add_cte(cte)).all()


@path("cte: recursive")
def _(hand: Hand, m: Models) -> Any:
    top = (
        select(m.Category.id, m.Category.title)
        .where(m.Category.parent_id.is_(None))
        .cte("tree", recursive=True)
    )
    tree = top.union_all(
        select(m.Category.id, m.Category.title).join(top, m.Category.parent_id == top.c.id)
    )
    return hand.session.execute(select(tree.c.title)).all()


@path("cte: recursive, whose recursive part alone reads the table")
def _(hand: Hand, m: Models) -> Any:
    start = select(
        literal(400).label("n"), cast(literal("own start"), String(80)).label("title")
    ).cte("walk", recursive=True)
    walk = start.union_all(
        select(start.c.n + 1, m.Category.title).where(
            m.Category.id == start.c.n + 1, start.c.n < 405
        )
    )
    return hand.session.execute(select(walk.c.title)).all()


reads("union: of two", lambda m: union(select(m.Invoice.note), select(m.Customer.name)))
reads("union all: of two", lambda m: union_all(select(m.Invoice.note), select(m.Customer.name)))
reads(
    "union all: as a subquery",
    lambda m: select(union_all(select(m.Invoice.note), select(m.Customer.name)).subquery().c.note),
)
reads(
    "union all: as a CTE",
    lambda m: select(union_all(select(m.Invoice.note), select(m.Customer.name)).cte().c.note),
)
reads(
    "union all: with a shared table first",
    lambda m: union_all(select(m.Currency.name), select(m.Customer.name)),
)
reads(
    "union all: Select.union_all",
    lambda m: select(m.Currency.name).union_all(select(m.Customer.name)),
)
reads(
    "union all: nested",
    lambda m: union_all(
        select(m.Currency.name),
        select(union(select(m.Customer.name), select(m.Tag.label)).subquery().c.name),
    ),
)
reads(
    "union all: entities by from_statement",
    lambda m: select(m.Invoice).from_statement(
        union_all(select(m.Invoice).where(m.Invoice.id == 1), select(m.Invoice))
    ),
)
reads(
    "union all: entities by aliased",
    lambda m: select(
        aliased(m.Invoice, union_all(select(m.Invoice), select(m.Invoice)).subquery())
    ),
)
reads(
    "except: everything but nothing",
    lambda m: except_(select(m.Customer.name), select(m.Currency.name)),
)
reads(
    "intersect: with itself",
    lambda m: intersect(select(m.Customer.name), select(m.Customer.name)),
)
reads(
    "union all: ordered and limited",
    lambda m: union_all(select(m.Invoice.note), select(m.Customer.name)).order_by("note").limit(2),
)
reads(
    "union all: of tied tables",
    lambda m: union_all(select(m.InvoiceLine.text), select(m.LineNote.text)),
    needs="ties",
)
reads(
    "values: a column computed by a subquery",
    lambda m: select(literal_column("1"), select(func.min(m.Token.secret)).scalar_subquery()),
)
