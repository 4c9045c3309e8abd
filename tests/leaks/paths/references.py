"""Foreign keys that point at another tenant's row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import MetaData, Table, bindparam, insert, literal, select, update
from sqlalchemy.exc import IntegrityError, InvalidRequestError
from sqlalchemy.orm import aliased, make_transient, make_transient_to_detached
from sqlalchemy.orm.exc import FlushError, ObjectDeletedError, StaleDataError

from tests.leaks.catalogue import path, writes
from tests.leaks.hand import Hand
from tests.leaks.schema import Models

GONE = (StaleDataError, ObjectDeletedError, InvalidRequestError, FlushError)


def bill(m: Models, **more: Any) -> dict[str, Any]:
    return {m.key: m.mine, "customer_id": 1, "reference": "R-9", "note": "own", "amount": 1, **more}


# Through objects.


def flushed(name: str, make: Callable[[Hand, Models], Any], **options: Any) -> None:
    def run(hand: Hand, m: Models) -> None:
        made = make(hand, m)
        if made is not None:
            hand.session.add(made)
        hand.session.flush()

    run.__module__ = __name__
    path(f"reference: flush, {name}", "write", errors=GONE, **options)(run)


def changed(model: str, number: int, **values: Any) -> Callable[[Hand, Models], None]:
    def change(hand: Hand, m: Models) -> None:
        each = hand.session.get(getattr(m, model), number)
        for name, value in values.items():
            setattr(each, name, value)

    return change


def ghost(hand: Hand, model: Any, number: int) -> Any:
    """Return an object that stands for another tenant's row."""
    each = model(id=number)
    make_transient_to_detached(each)
    return each


flushed("a new object, by column", lambda h, m: m.Invoice(**bill(m, customer_id=401)))
flushed(
    "a new object, by column, nullable",
    lambda h, m: m.Invoice(**bill(m, category_id=401)),
)
flushed(
    "a new object, by relationship to a foreign object",
    lambda h, m: m.Invoice(**{**bill(m, customer_id=None), "customer": ghost(h, m.Customer, 401)}),
)
flushed(
    "a new object of a tied table, by column",
    lambda h, m: m.InvoiceLine(invoice_id=401, text="own"),
    needs="ties",
)
flushed(
    "a new object of a tied table of a tied table",
    lambda h, m: m.LineNote(line_id=401, text="own"),
    needs="ties",
)
flushed(
    "a new object of a joined-inheritance child",
    lambda h, m: m.CardPayment(**{m.key: m.mine, "memo": "own", "card": "own", "invoice_id": 401}),
)
flushed(
    "a new self-referential object",
    lambda h, m: m.Category(**{m.key: m.mine, "title": "own", "parent_id": 401}),
)
flushed("a change, by column", changed("Invoice", 1, customer_id=401))
flushed("a change, by column, nullable", changed("Invoice", 1, category_id=401))
flushed(
    "a change, to a row of another tenant that a later id has",
    changed("Payment", 1, invoice_id=402),
)
flushed("a change, self-referential", changed("Category", 2, parent_id=402))
flushed("a change of a tied table's tie", changed("InvoiceLine", 1, invoice_id=401), needs="ties")
flushed(
    "a change of a tied table's tie, two levels", changed("LineNote", 1, line_id=402), needs="ties"
)


@path("reference: flush, a change, by relationship to a foreign object", "write", errors=GONE)
def _(hand: Hand, m: Models) -> Any:
    invoice = hand.session.get(m.Invoice, 1)
    invoice.customer = ghost(hand, m.Customer, 401)
    hand.session.flush()


@path(
    "reference: flush, a many-to-many link to a foreign object", "write", errors=GONE, needs="ties"
)
def _(hand: Hand, m: Models) -> Any:
    invoice = hand.session.get(m.Invoice, 1)
    invoice.tags.append(ghost(hand, m.Tag, 401))
    hand.session.flush()


@path(
    "reference: flush, the caller's object appended to a foreign collection", "write", errors=GONE
)
def _(hand: Hand, m: Models) -> Any:
    parent = ghost(hand, m.Customer, 401)
    hand.session.add(parent)
    hand.session.get(m.Invoice, 1).customer_id = parent.id
    hand.session.flush()


@path("reference: flush, a row loaded, changed and made detached again", "write", errors=GONE)
def _(hand: Hand, m: Models) -> Any:
    parent = hand.session.get(m.Customer, 1)
    make_transient(parent)
    parent.id = 401
    make_transient_to_detached(parent)
    hand.session.add(parent)
    hand.session.add(m.Invoice(**bill(m, customer_id=401)))
    hand.session.flush()


def computed(m: Models) -> Any:
    customer = m.Customer.__table__
    moved = [(each + 400).label("id") if each is customer.c.id else each for each in customer.c]
    return select(*moved).where(customer.c.id == 1)


@path("reference: flush, an object of a computed key, from_statement()", "write", errors=GONE)
def _(hand: Hand, m: Models) -> Any:
    parent = hand.session.scalars(select(m.Customer).from_statement(computed(m))).first()
    hand.session.add(m.Invoice(**bill(m, customer_id=401)))
    hand.session.flush()
    return parent and None


@path("reference: flush, an object of a computed key, an alias", "write", errors=GONE)
def _(hand: Hand, m: Models) -> Any:
    parent = hand.session.scalars(
        select(aliased(m.Customer, computed(m).subquery(), adapt_on_names=True))
    ).first()
    hand.session.add(m.Invoice(**bill(m, customer_id=401)))
    hand.session.flush()
    return parent and None


@path("reference: flush, one of many", "write", errors=GONE)
def _(hand: Hand, m: Models) -> Any:
    hand.session.add_all(m.Invoice(**bill(m, customer_id=n)) for n in (1, 2, 401, 2))
    hand.session.flush()


@path("reference: flush, a SQL expression", "write", errors=GONE)
def _(hand: Hand, m: Models) -> Any:
    hand.session.add(m.Invoice(**bill(m, customer_id=literal(400) + 1)))
    hand.session.flush()


@path("reference: merge", "write", errors=GONE)
def _(hand: Hand, m: Models) -> Any:
    hand.session.merge(m.Invoice(id=1, **bill(m, customer_id=401)))
    hand.session.flush()


@path("reference: bulk_save_objects", "write")
def _(hand: Hand, m: Models) -> Any:
    hand.session.bulk_save_objects([m.Invoice(**bill(m, customer_id=401))])


@path("reference: bulk_insert_mappings", "write")
def _(hand: Hand, m: Models) -> Any:
    hand.session.bulk_insert_mappings(m.Invoice.__mapper__, [bill(m), bill(m, customer_id=401)])


@path("reference: bulk_update_mappings", "write")
def _(hand: Hand, m: Models) -> Any:
    hand.session.bulk_update_mappings(m.Invoice.__mapper__, [{"id": 1, "customer_id": 401}])


# Through statements.

writes("reference: insert, ORM", lambda m: insert(m.Invoice).values(bill(m, customer_id=401)))
writes(
    "reference: insert, Core",
    lambda m: insert(m.Invoice.__table__).values(bill(m, customer_id=401)),
)
writes(
    "reference: insert, several VALUES",
    lambda m: insert(m.Invoice.__table__).values([bill(m), bill(m, customer_id=401)]),
)
writes(
    "reference: insert, an expression",
    lambda m: insert(m.Invoice.__table__).values(bill(m, customer_id=literal(400) + 1)),
)
writes(
    "reference: insert, a subquery",
    lambda m: insert(m.Invoice.__table__).values(
        bill(m, customer_id=select(literal(401)).scalar_subquery())
    ),
)
writes(
    "reference: insert, from a SELECT",
    lambda m: insert(m.Invoice.__table__).from_select(
        ["customer_id", "reference", "note", "amount", m.key],
        select(
            literal(401), m.Invoice.reference, m.Invoice.note, m.Invoice.amount, m.tenant(m.Invoice)
        ).where(m.Invoice.id == 1),
    ),
)
writes(
    "reference: insert, RETURNING",
    lambda m: insert(m.Invoice).values(bill(m, customer_id=401)).returning(m.Invoice.id),
)
writes(
    "reference: insert, a bound parameter",
    lambda m: insert(m.Invoice.__table__).values(bill(m, customer_id=bindparam("who", 401))),
)
writes(
    "reference: update, ORM",
    lambda m: update(m.Invoice).where(m.Invoice.id == 1).values(customer_id=401),
)
writes(
    "reference: update, Core",
    lambda m: (
        update(m.Invoice.__table__).where(m.Invoice.__table__.c.id == 1).values(customer_id=401)
    ),
)
writes(
    "reference: update, an expression",
    lambda m: (
        update(m.Invoice.__table__)
        .where(m.Invoice.__table__.c.id == 1)
        .values(customer_id=m.Invoice.__table__.c.customer_id + 400)
    ),
)
writes(
    "reference: update, a subquery",
    lambda m: (
        update(m.Payment.__table__)
        .where(m.Payment.__table__.c.id == 1)
        .values(invoice_id=select(literal(402)).scalar_subquery())
    ),
)
writes(
    "reference: update, a tied table's tie",
    lambda m: update(m.InvoiceLine).where(m.InvoiceLine.id == 1).values(invoice_id=401),
    needs="ties",
)
writes(
    "reference: update, an association table",
    lambda m: update(m.invoice_tag).where(m.invoice_tag.c.invoice_id == 1).values(tag_id=401),
    needs="ties",
)
writes(
    "reference: update, of a composite key's own part",
    lambda m: update(m.Posting).where(m.Posting.id == 1).values(account_id=401),
    errors=(IntegrityError,),
    harmless="the composite foreign key includes the tenant",
)


@path("reference: insert, Core executemany", "write")
def _(hand: Hand, m: Models) -> Any:
    hand.connection.execute(insert(m.Invoice.__table__), [bill(m), bill(m, customer_id=401)])


@path("reference: insert, ORM bulk", "write")
def _(hand: Hand, m: Models) -> Any:
    hand.session.execute(insert(m.Invoice), [bill(m), bill(m, customer_id=401)])


@path("reference: insert, ORM bulk with RETURNING", "write")
def _(hand: Hand, m: Models) -> Any:
    statement = insert(m.Invoice).returning(m.Invoice.id)
    hand.session.execute(statement, [bill(m), bill(m, customer_id=401)]).all()


@path("reference: insert, parameters", "write")
def _(hand: Hand, m: Models) -> Any:
    hand.connection.execute(insert(m.Invoice.__table__), bill(m, customer_id=401))


@path("reference: insert, an association table, executemany", "write", needs="ties")
def _(hand: Hand, m: Models) -> Any:
    hand.connection.execute(
        insert(m.invoice_tag), [{"invoice_id": 2, "tag_id": 1}, {"invoice_id": 1, "tag_id": 401}]
    )


@path("reference: update, Core executemany", "write")
def _(hand: Hand, m: Models) -> Any:
    invoice = m.Invoice.__table__
    statement = update(invoice).where(invoice.c.id == bindparam("n"))
    hand.connection.execute(
        statement.values(customer_id=bindparam("who")), [{"n": 1, "who": 2}, {"n": 2, "who": 401}]
    )


@path("reference: update, ORM bulk by primary key", "write")
def _(hand: Hand, m: Models) -> Any:
    hand.session.execute(update(m.Invoice), [{"id": 1, "customer_id": 401}])


@path("reference: update, parameters", "write")
def _(hand: Hand, m: Models) -> Any:
    invoice = m.Invoice.__table__
    hand.connection.execute(update(invoice).where(invoice.c.id == 1), {"customer_id": 401})


@path("reference: a reflected Table", "write")
def _(hand: Hand, m: Models) -> Any:
    reflected = Table("acct_invoice", MetaData(), autoload_with=hand.connection)
    hand.connection.execute(insert(reflected).values(bill(m, customer_id=401)))


@path("reference: upsert, in its SET", "write", why_not={"mariadb": "see ON DUPLICATE KEY"})
def _(hand: Hand, m: Models) -> Any:
    from sqlalchemy.dialects import postgresql, sqlite

    dialect = sqlite if hand.database == "sqlite" else postgresql
    hand.session.execute(
        dialect.insert(m.Invoice)
        .values(bill(m, id=1))
        .on_conflict_do_update(index_elements=["id"], set_={"customer_id": 401})
    )


@path("reference: upsert, ON DUPLICATE KEY", "write", only="mariadb", why="see ON CONFLICT")
def _(hand: Hand, m: Models) -> Any:
    from sqlalchemy.dialects import mysql

    hand.session.execute(
        mysql.insert(m.Invoice).values(bill(m, id=1)).on_duplicate_key_update(customer_id=401)
    )
