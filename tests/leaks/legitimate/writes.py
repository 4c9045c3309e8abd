"""Statements that write the caller's own rows."""

from __future__ import annotations

from typing import Any

from sqlalchemy import bindparam, case, delete, insert, literal, select, update

from tests.leaks.catalogue import legitimate
from tests.leaks.hand import Hand
from tests.leaks.schema import Models

NEW_TAGS = "SELECT slug, {key} FROM acct_tag WHERE slug LIKE 'own-new%' ORDER BY slug"


def holds(*slugs: str) -> dict[str, Any]:
    return {"then": (NEW_TAGS, [(slug, "{mine}") for slug in slugs])}


@legitimate("insert: ORM, the tenant left out", needs="fills", **holds("own-new"))
def _(hand: Hand, m: Models) -> None:
    hand.session.execute(insert(m.Tag).values(slug="own-new", label="own"))


@legitimate("insert: Core, the tenant left out", needs="fills", **holds("own-new"))
def _(hand: Hand, m: Models) -> None:
    hand.connection.execute(insert(m.Tag.__table__), {"slug": "own-new", "label": "own"})


@legitimate("insert: Core, the tenant given", **holds("own-new"))
def _(hand: Hand, m: Models) -> None:
    hand.connection.execute(
        insert(m.Tag.__table__).values({"slug": "own-new", "label": "own", hand.key: hand.mine})
    )


@legitimate("insert: executemany", needs="fills", **holds("own-new-a", "own-new-b"))
def _(hand: Hand, m: Models) -> None:
    rows = [{"slug": f"own-new-{n}", "label": "own"} for n in "ab"]
    hand.connection.execute(insert(m.Tag.__table__), rows)


@legitimate("insert: several VALUES", needs="fills", **holds("own-new-a", "own-new-b"))
def _(hand: Hand, m: Models) -> None:
    rows = [{"slug": f"own-new-{n}", "label": "own"} for n in "ab"]
    hand.session.execute(insert(m.Tag).values(rows))


@legitimate("insert: ORM bulk with RETURNING, in the order of the parameters", needs="fills")
def _(hand: Hand, m: Models) -> None:
    rows = [{"slug": f"own-{n}", "label": f"own {n}"} for n in (3, 1, 2)]
    statement = insert(m.Tag).returning(m.Tag, sort_by_parameter_order=True)
    made = hand.session.scalars(statement, rows).all()
    assert [each.label for each in made] == ["own 3", "own 1", "own 2"]
    assert {getattr(each, hand.key) for each in made} == {hand.mine}


@legitimate("insert: RETURNING", needs="fills", **holds("own-new"))
def _(hand: Hand, m: Models) -> None:
    statement = insert(m.Tag).values(slug="own-new", label="own").returning(m.Tag.label)
    assert hand.session.scalar(statement) == "own"


@legitimate(
    "insert: many rows in batches",
    then=("SELECT count(*) FROM acct_note WHERE {key} = {mine}", [(1502,)]),
    needs="core fills",
)
def _(hand: Hand, m: Models) -> None:
    hand.connection.execute(insert(m.note), [{"body": f"own {n}"} for n in range(1500)])
    hand.session.commit()


@legitimate("insert: from a SELECT", needs="fills", **holds("own-new-EUR", "own-new-USD"))
def _(hand: Hand, m: Models) -> None:
    source = select(literal("own-new-") + m.Currency.code, m.Currency.name)
    hand.session.execute(insert(m.Tag).from_select(["slug", "label"], source))


@legitimate("insert: from a SELECT of own rows with their tenant", **holds("own-new-own ada"))
def _(hand: Hand, m: Models) -> None:
    source = select(
        literal("own-new-") + m.Customer.name, m.Customer.name, m.tenant(m.Customer)
    ).where(m.Customer.id == 1)
    hand.session.execute(insert(m.Tag).from_select(["slug", "label", hand.key], source))


@legitimate(
    "insert: a tied row to an own parent",
    then=("SELECT invoice_id FROM acct_invoice_line WHERE text = 'own new'", [(1,)]),
    needs="ties",
)
def _(hand: Hand, m: Models) -> None:
    hand.session.execute(insert(m.InvoiceLine).values(invoice_id=1, text="own new"))


@legitimate(
    "insert: association rows to own parents",
    then=("SELECT count(*) FROM acct_invoice_tag", [(5,)]),
    needs="ties",
)
def _(hand: Hand, m: Models) -> None:
    rows = [{"invoice_id": 1, "tag_id": 900}, {"invoice_id": 2, "tag_id": 1}]
    hand.connection.execute(insert(m.invoice_tag), rows)


@legitimate(
    "insert: bulk_insert_mappings and bulk_save_objects",
    needs="fills",
    **holds("own-new-a", "own-new-b"),
)
def _(hand: Hand, m: Models) -> None:
    hand.session.bulk_insert_mappings(m.Tag.__mapper__, [{"slug": "own-new-a", "label": "own"}])
    hand.session.bulk_save_objects([m.Tag(slug="own-new-b", label="own")])


@legitimate(
    "insert: a shared table",
    then=("SELECT name FROM acct_currency WHERE code = 'CHF'", [("Franc",)]),
)
def _(hand: Hand, m: Models) -> None:
    hand.session.add(m.Currency(code="CHF", name="Franc"))


@legitimate(
    "insert: a shared table with no tenant",
    tenant="none",
    then=("SELECT name FROM acct_currency WHERE code = 'CHF'", [("Franc",)]),
)
def _(hand: Hand, m: Models) -> None:
    hand.session.add(m.Currency(code="CHF", name="Franc"))


@legitimate(
    "update: every own row",
    then=("SELECT amount FROM acct_invoice ORDER BY id", [(11,), (21,), (77010,), (77020,), (31,)]),
)
def _(hand: Hand, m: Models) -> None:
    result: Any = hand.session.execute(update(m.Invoice).values(amount=m.Invoice.amount + 1))
    assert result.rowcount == 3


@legitimate(
    "update: executemany",
    then=("SELECT note FROM acct_invoice WHERE id < 3 ORDER BY id", [("own a",), ("own b",)]),
)
def _(hand: Hand, m: Models) -> None:
    invoice = m.Invoice.__table__
    statement = update(invoice).where(invoice.c.id == bindparam("n")).values(note=bindparam("t"))
    hand.connection.execute(statement, [{"n": 1, "t": "own a"}, {"n": 2, "t": "own b"}])


@legitimate(
    "update: ORM bulk by primary key",
    then=("SELECT note FROM acct_invoice WHERE id < 3 ORDER BY id", [("own a",), ("own b",)]),
)
def _(hand: Hand, m: Models) -> None:
    hand.session.execute(
        update(m.Invoice), [{"id": 1, "note": "own a"}, {"id": 2, "note": "own b"}]
    )


@legitimate(
    "update: from another table",
    then=("SELECT note FROM acct_invoice WHERE id = 900", [("own alan",)]),
)
def _(hand: Hand, m: Models) -> None:
    invoice, customer = m.Invoice.__table__, m.Customer.__table__
    hand.session.execute(
        update(invoice)
        .where(invoice.c.customer_id == customer.c.id, invoice.c.id == 900)
        .values(note=customer.c.name)
    )


@legitimate(
    "update: with a CASE and a subquery",
    then=("SELECT note FROM acct_invoice WHERE id = 1", [("own ada",)]),
)
def _(hand: Hand, m: Models) -> None:
    name = select(m.Customer.name).where(m.Customer.id == m.Invoice.customer_id).scalar_subquery()
    hand.session.execute(
        update(m.Invoice)
        .values(note=case((m.Invoice.id == 1, name), else_=m.Invoice.note))
        .execution_options(synchronize_session=False)
    )


@legitimate("update: RETURNING", why_not={"mariadb": "no UPDATE ... RETURNING"})
def _(hand: Hand, m: Models) -> None:
    statement = update(m.Tag).values(label="own x").returning(m.Tag.slug)
    assert set(hand.session.scalars(statement)) == {"own-urgent", "own-late"}


@legitimate(
    "update: a tied table",
    needs="ties",
    then=("SELECT quantity FROM acct_invoice_line WHERE id < 3 ORDER BY id", [(9,), (9,)]),
)
def _(hand: Hand, m: Models) -> None:
    hand.session.execute(update(m.InvoiceLine).values(quantity=9))


@legitimate(
    "update: a reference to another own row",
    then=("SELECT customer_id FROM acct_invoice WHERE id = 1", [(2,)]),
)
def _(hand: Hand, m: Models) -> None:
    hand.session.execute(update(m.Invoice).where(m.Invoice.id == 1).values(customer_id=2))


@legitimate(
    "update: the tenant column left as it is, on a flush",
    then=("SELECT label FROM acct_tag WHERE id = 1", [("own x",)]),
)
def _(hand: Hand, m: Models) -> None:
    each = hand.session.get(m.Tag, 1)
    setattr(each, hand.key, hand.mine)
    each.label = "own x"


@legitimate("delete: own rows", then=("SELECT id FROM acct_posting", [(401,)]))
def _(hand: Hand, m: Models) -> None:
    result: Any = hand.session.execute(delete(m.Posting))
    assert result.rowcount == 2


@legitimate("delete: RETURNING", then=("SELECT secret FROM acct_token", [("bravo token",)]))
def _(hand: Hand, m: Models) -> None:
    found = hand.session.scalars(delete(m.Token).returning(m.Token.secret)).all()
    assert found == ["own token"]


@legitimate(
    "delete: using another table",
    why_not={"sqlite": "no DELETE ... USING"},
    then=("SELECT id FROM acct_posting", [(401,)]),
)
def _(hand: Hand, m: Models) -> None:
    posting, account = m.Posting.__table__, m.Account.__table__
    hand.session.execute(delete(posting).where(posting.c.account_id == account.c.id))


@legitimate("delete: a tied table", needs="ties", then=("SELECT id FROM acct_line_note", [(401,)]))
def _(hand: Hand, m: Models) -> None:
    hand.session.execute(delete(m.LineNote))
