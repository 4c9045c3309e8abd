"""An ``UPDATE`` of several tables, and an alias that reads like an upsert's new row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from sqlalchemy import Table, column, func, insert, literal, select, table, update
from sqlalchemy.dialects import postgresql, sqlite

from tests.leaks.catalogue import path, writes
from tests.leaks.hand import Hand
from tests.leaks.schema import Models

AT_ONCE: Final[dict[str, Any]] = {"only": "mariadb", "why": "changes one table at a time"}

# Several tables at once.


def pair(m: Models) -> Any:
    """Return two tables, and what joins the caller's row of the one to that of the other."""
    invoice, customer = m.Invoice.__table__, m.Customer.__table__
    return invoice, customer, (invoice.c.customer_id == customer.c.id) & (invoice.c.id == 1)


def joined(m: Models, set_: Callable[[Table, Table], Any], *, turned: bool = False) -> Any:
    invoice, customer, on = pair(m)
    both = customer.join(invoice, on) if turned else invoice.join(customer, on)
    return update(both).values(set_(invoice, customer))


writes(
    "update of a join: the tenant of the first",
    lambda m: joined(m, lambda i, c: {i.c[m.key]: m.theirs}),
    **AT_ONCE,
)
writes(
    "update of a join: the tenant of the second",
    lambda m: joined(m, lambda i, c: {c.c[m.key]: m.theirs}),
    **AT_ONCE,
)
writes(
    "update of a join: the tenant of both",
    lambda m: joined(m, lambda i, c: {i.c[m.key]: m.theirs, c.c[m.key]: m.theirs}),
    **AT_ONCE,
)
writes(
    "update of a join: a foreign key of the first",
    lambda m: joined(m, lambda i, c: {i.c.customer_id: 401}),
    **AT_ONCE,
)
writes(
    "update of a join: a foreign key of the second",
    lambda m: joined(m, lambda i, c: {i.c.customer_id: 401, c.c.name: "own"}, turned=True),
    **AT_ONCE,
)
writes(
    "update of a join: a foreign key, of aliases",
    lambda m: (
        lambda i, c: (
            update(i.join(c, i.c.customer_id == c.c.id))
            .where(i.c.id == 1)
            .values({i.c.customer_id: 401})
        )
    )(m.Invoice.__table__.alias("i"), m.Customer.__table__.alias("c")),
    **AT_ONCE,
)
writes(
    "update of a join: a tie",
    lambda m: (
        lambda line, i: (
            update(line.join(i, line.c.invoice_id == i.c.id))
            .where(line.c.id == 1)
            .values({line.c.invoice_id: 401})
        )
    )(m.InvoiceLine.__table__, m.Invoice.__table__),
    needs="ties",
    **AT_ONCE,
)
writes(
    "update of two tables: a foreign key of the other",
    lambda m: (
        lambda i, c, on: update(c).where(on).values({i.c.customer_id: 401, c.c.name: "own"})
    )(*pair(m)),
    **AT_ONCE,
)
writes(
    "update of two tables: the tenant of an alias",
    lambda m: (
        lambda i, c: (
            update(c)
            .where(i.c.customer_id == c.c.id, i.c.id == 1)
            .values({i.c[m.key]: m.theirs, c.c.name: "own"})
        )
    )(m.Invoice.__table__.alias("i"), m.Customer.__table__),
    **AT_ONCE,
)
writes(
    "update of two tables: a tie, by way of a shared one",
    lambda m: (
        lambda line, f: (
            update(f)
            .where(line.c.id == 1, f.c.id == 1)
            .values({line.c.invoice_id: 401, f.c.headline: "x"})
        )
    )(m.InvoiceLine.__table__, m.Featured.__table__),
    needs="ties",
    **AT_ONCE,
)
writes(
    "update of a join: a key that tenants' rows follow",
    lambda m: (
        lambda p, u: (
            update(p.join(u, p.c.unit == u.c.code)).where(p.c.id == 1).values({u.c.code: "px"})
        )
    )(m.Price.__table__, m.Unit.__table__),
    **AT_ONCE,
)
writes(
    "update of two tables: a key that tenants' rows follow",
    lambda m: (
        lambda p, u: (
            update(p)
            .where(p.c.unit == u.c.code, p.c.id == 1)
            .values({u.c.code: "px", p.c.label: "own"})
        )
    )(m.Price.__table__, m.Unit.__table__),
    **AT_ONCE,
)
writes(
    "update of two tables: a key that tenants' rows follow, of a shared alias",
    lambda m: (
        lambda d, u: update(d).where(u.c.code == "pc").values({u.c.code: "px", d.c.name: "x"})
    )(m.Currency.__table__, m.Unit.__table__.alias("u")),
    **AT_ONCE,
)

# Aliases that have the name of an upsert's new row.

NAMES = ("new", "inserted", "excluded", "EXCLUDED")


def enter(name: str) -> None:
    """Enter what takes a shared row for a new one, by an alias called ``name``."""

    def shared(m: Models) -> Any:
        return m.Featured.__table__.alias(name)

    def set_from(m: Models) -> Any:
        invoice, other = m.Invoice.__table__, shared(m)
        return (
            update(invoice)
            .where(invoice.c.id == 1, other.c.id == 2)
            .values(customer_id=other.c.customer_id)
        )

    def tie_from(m: Models) -> Any:
        line, other = m.InvoiceLine.__table__, shared(m)
        return (
            update(line)
            .where(line.c.id == 1, other.c.id == 2)
            .values(invoice_id=other.c.invoice_id)
        )

    def tenant_from(m: Models) -> Any:
        invoice = m.Invoice.__table__
        other = select(literal(1).label("id"), literal(m.theirs).label(m.key)).subquery(name)
        return update(invoice).where(invoice.c.id == other.c.id).values({m.key: other.c[m.key]})

    def subquery(m: Models) -> Any:
        invoice, other = m.Invoice.__table__, shared(m)
        found = select(other.c.customer_id).where(other.c.id == 2).scalar_subquery()
        return update(invoice).where(invoice.c.id == 1).values(customer_id=found)

    def inserted(m: Models) -> Any:
        other = shared(m)
        source = select(literal("own"), literal(1), other.c.invoice_id).where(other.c.id == 2)
        return insert(m.InvoiceLine.__table__).from_select(
            ["text", "quantity", "invoice_id"], source
        )

    def bare(m: Models) -> Any:
        line = m.InvoiceLine.__table__
        other: Any = table("acct_featured", column("id"), column("invoice_id")).alias(name)
        return (
            update(line)
            .where(line.c.id == 1, other.c.id == 2)
            .values(invoice_id=other.c.invoice_id)
        )

    called = f"an alias called {name}"
    writes(f"{called}: a foreign key", set_from)
    writes(f"{called}: a tie", tie_from, needs="ties")
    writes(f"{called}: the tenant", tenant_from)
    writes(f"{called}: a subquery", subquery)
    writes(f"{called}: INSERT ... SELECT", inserted, needs="ties")
    writes(f"{called}: a bare table()", bare, needs="ties")


for each in NAMES:
    enter(each)


def conflicting(hand: Hand, m: Models, value: Callable[[Any], Any]) -> Any:
    """Return an upsert that sets a foreign key to what ``value`` makes of such an alias."""
    dialect: Any = sqlite if hand.database == "sqlite" else postgresql
    given = {"id": 1, "customer_id": 1, "reference": "R", "amount": 1, hand.key: hand.mine}
    other = m.Featured.__table__.alias("excluded")
    made = dialect.insert(m.Invoice.__table__).values(given)
    return made.on_conflict_do_update(
        index_elements=["id"], set_={"customer_id": value(other).scalar_subquery()}
    )


UPSERT: Final[dict[str, Any]] = {"only": "sqlite postgresql", "why": "no ON CONFLICT"}


@path("an alias called excluded: a subquery in an upsert's SET", "write", **UPSERT)
def _(hand: Hand, m: Models) -> Any:
    hand.session.execute(conflicting(hand, m, lambda e: select(e.c.customer_id).where(e.c.id == 2)))


@path("an alias called excluded: an aggregate in an upsert's SET", "write", **UPSERT)
def _(hand: Hand, m: Models) -> Any:
    hand.session.execute(conflicting(hand, m, lambda e: select(func.max(e.c.customer_id))))


@path("an alias called excluded: a UNION in an upsert's SET", "write", **UPSERT)
def _(hand: Hand, m: Models) -> Any:
    def joined_up(e: Any) -> Any:
        one = select(e.c.customer_id).where(e.c.id == 2)
        return one.union(select(e.c.customer_id).where(e.c.id == 2))

    hand.session.execute(conflicting(hand, m, joined_up))
