"""What a flush writes of the caller's own, with what the database must hold afterwards."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from tests.leaks.catalogue import legitimate
from tests.leaks.hand import Hand
from tests.leaks.schema import Models

NEW_TAGS = "SELECT slug, {key} FROM acct_tag WHERE slug LIKE 'own-new%' ORDER BY slug"


def holds(*slugs: str) -> dict[str, Any]:
    return {"then": (NEW_TAGS, [(slug, "{mine}") for slug in slugs])}


@legitimate("flush: a new object gets the tenant", **holds("own-new"))
def _(hand: Hand, m: Models) -> None:
    each = m.Tag(slug="own-new", label="own")
    hand.session.add(each)
    hand.session.flush()
    assert getattr(each, hand.key) == hand.mine


@legitimate("flush: a new object that says the tenant", **holds("own-new"))
def _(hand: Hand, m: Models) -> None:
    hand.session.add(m.Tag(slug="own-new", label="own", **{hand.key: hand.mine}))


@legitimate("flush: many new objects, with ids", **holds(*(f"own-new-{n}" for n in range(5))))
def _(hand: Hand, m: Models) -> None:
    made = [m.Tag(slug=f"own-new-{n}", label="own") for n in range(5)]
    hand.session.add_all(made)
    hand.session.flush()
    assert len({each.id for each in made}) == 5


@legitimate(
    "flush: a graph of new objects",
    then=(
        """
        SELECT c.name, i.reference, l.text FROM acct_customer c
        JOIN acct_invoice i ON i.customer_id = c.id
        JOIN acct_invoice_line l ON l.invoice_id = i.id WHERE c.name = 'own new'
        """,
        [("own new", "R-9", "own line")],
    ),
)
def _(hand: Hand, m: Models) -> None:
    line = m.InvoiceLine(text="own line")
    hand.session.add(
        m.Customer(name="own new", invoices=[m.Invoice(reference="R-9", lines=[line])])
    )


@legitimate(
    "flush: a new object that refers to an own row, by column and by relationship",
    then=("SELECT customer_id FROM acct_invoice WHERE reference = 'R-9'", [(1,), (1,)]),
)
def _(hand: Hand, m: Models) -> None:
    hand.session.add(m.Invoice(reference="R-9", customer_id=1))
    hand.session.add(m.Invoice(reference="R-9", customer=hand.session.get(m.Customer, 1)))


@legitimate(
    "flush: a change, a nullable reference taken away, a collection changed",
    then=(
        "SELECT note, customer_id, category_id FROM acct_invoice WHERE id = 1",
        [("own changed", 2, None)],
    ),
)
def _(hand: Hand, m: Models) -> None:
    invoice = hand.session.get(m.Invoice, 1)
    invoice.note = "own changed"
    invoice.category = None
    invoice.customer = hand.session.get(m.Customer, 2)
    hand.session.flush()


@legitimate(
    "flush: many-to-many links",
    then=("SELECT tag_id FROM acct_invoice_tag WHERE invoice_id = 1", [(900,)]),
)
def _(hand: Hand, m: Models) -> None:
    invoice = hand.session.get(m.Invoice, 1)
    invoice.tags = [hand.session.get(m.Tag, 900)]


@legitimate(
    "flush: a deletion with a cascade",
    then=("SELECT id FROM acct_invoice_line WHERE id = 2", []),
)
def _(hand: Hand, m: Models) -> None:
    invoice = hand.session.get(m.Invoice, 2)
    for line in invoice.lines:
        for note in line.notes:
            hand.session.delete(note)
    invoice.lines.clear()


@legitimate(
    "flush: joined inheritance",
    then=(
        """
        SELECT p.memo, c.card FROM acct_payment p JOIN acct_card_payment c ON c.id = p.id
        WHERE p.memo = 'own new'
        """,
        [("own new", "own 4999")],
    ),
)
def _(hand: Hand, m: Models) -> None:
    hand.session.add(m.CardPayment(memo="own new", card="own 4999", invoice_id=1))


@legitimate(
    "flush: a self-referential pair",
    then=(
        "SELECT title FROM acct_category WHERE title LIKE 'own new%' ORDER BY title",
        [("own new a",), ("own new b",)],
    ),
)
def _(hand: Hand, m: Models) -> None:
    hand.session.add(m.Category(title="own new a", children=[m.Category(title="own new b")]))


@legitimate(
    "flush: a composite foreign key with the tenant",
    then=("SELECT account_id FROM acct_posting WHERE text = 'own new'", [(900,)]),
)
def _(hand: Hand, m: Models) -> None:
    hand.session.add(m.Posting(account_id=900, text="own new"))


@legitimate(
    "flush: a composite key",
    needs="keys",
    then=("SELECT percent FROM acct_rate WHERE code = 'new'", [(5,)]),
)
def _(hand: Hand, m: Models) -> None:
    hand.session.add(m.Rate(code="new", percent=5, remark="own"))


@legitimate(
    "merge: an own row", then=("SELECT label FROM acct_tag WHERE id = 1", [("own merged",)])
)
def _(hand: Hand, m: Models) -> None:
    hand.session.merge(m.Tag(id=1, label="own merged"))


@legitimate("savepoints: the inner one rolled back, the outer one kept", **holds("own-new-a"))
def _(hand: Hand, m: Models) -> None:
    hand.session.add(m.Tag(slug="own-new-a", label="own"))
    hand.session.flush()
    nested = hand.session.begin_nested()
    hand.session.add(m.Tag(slug="own-new-b", label="own"))
    hand.session.flush()
    nested.rollback()
    assert hand.session.scalar(select(func.count()).select_from(m.Tag)) == 3


@legitimate("savepoints: after an IntegrityError", **holds("own-new-a"))
def _(hand: Hand, m: Models) -> None:
    hand.session.add(m.Tag(slug="own-new-a", label="own"))
    hand.session.flush()
    try:
        with hand.session.begin_nested():
            hand.session.add(m.Tag(slug="own-late", label="own"))
            hand.session.flush()
    except IntegrityError:
        pass
    else:
        raise AssertionError("the slug is taken")


@legitimate("session: committed, rolled back, closed and used again", **holds("own-new-a"))
def _(hand: Hand, m: Models) -> None:
    hand.session.add(m.Tag(slug="own-new-a", label="own"))
    hand.session.commit()
    hand.session.add(m.Tag(slug="own-new-b", label="own"))
    hand.session.rollback()
    hand.session.close()
    assert hand.session.get(m.Tag, 1).label == "own urgent"


@legitimate(
    "session: one after the other for two tenants",
    tenant="own",
    needs="ambient",
    **holds("own-new"),
)
def _(hand: Hand, m: Models) -> None:
    with hand.scope(hand.theirs):
        assert hand.session.get(m.Tag, 401) is not None
        hand.session.commit()
    with hand.scope(hand.mine):
        assert hand.session.get(m.Tag, 401) is None
        hand.session.add(m.Tag(slug="own-new", label="own"))
        hand.session.commit()
