"""Writes of the caller's own rows, with what the database must hold afterwards."""

from __future__ import annotations

from typing import Any

from sqlalchemy import bindparam, case, delete, func, insert, literal, select, update
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.exc import IntegrityError

from tests.leaks.arena import Hand
from tests.leaks.catalogue import legitimate
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


# Statements.


@legitimate("insert: ORM, the tenant left out", **holds("own-new"))
def _(hand: Hand, m: Models) -> None:
    hand.session.execute(insert(m.Tag).values(slug="own-new", label="own"))


@legitimate("insert: Core, the tenant left out", **holds("own-new"))
def _(hand: Hand, m: Models) -> None:
    hand.connection.execute(insert(m.Tag.__table__), {"slug": "own-new", "label": "own"})


@legitimate("insert: Core, the tenant given", **holds("own-new"))
def _(hand: Hand, m: Models) -> None:
    hand.connection.execute(
        insert(m.Tag.__table__).values({"slug": "own-new", "label": "own", hand.key: hand.mine})
    )


@legitimate("insert: executemany", **holds("own-new-a", "own-new-b"))
def _(hand: Hand, m: Models) -> None:
    rows = [{"slug": f"own-new-{n}", "label": "own"} for n in "ab"]
    hand.connection.execute(insert(m.Tag.__table__), rows)


@legitimate("insert: several VALUES", **holds("own-new-a", "own-new-b"))
def _(hand: Hand, m: Models) -> None:
    rows = [{"slug": f"own-new-{n}", "label": "own"} for n in "ab"]
    hand.session.execute(insert(m.Tag).values(rows))


@legitimate("insert: ORM bulk with RETURNING, in the order of the parameters")
def _(hand: Hand, m: Models) -> None:
    rows = [{"slug": f"own-{n}", "label": f"own {n}"} for n in (3, 1, 2)]
    statement = insert(m.Tag).returning(m.Tag, sort_by_parameter_order=True)
    made = hand.session.scalars(statement, rows).all()
    assert [each.label for each in made] == ["own 3", "own 1", "own 2"]
    assert {getattr(each, hand.key) for each in made} == {hand.mine}


@legitimate("insert: RETURNING", **holds("own-new"))
def _(hand: Hand, m: Models) -> None:
    statement = insert(m.Tag).values(slug="own-new", label="own").returning(m.Tag.label)
    assert hand.session.scalar(statement) == "own"


@legitimate(
    "insert: many rows in batches",
    then=("SELECT count(*) FROM acct_note WHERE {key} = {mine}", [(1502,)]),
)
def _(hand: Hand, m: Models) -> None:
    hand.connection.execute(insert(m.note), [{"body": f"own {n}"} for n in range(1500)])
    hand.session.commit()


@legitimate("insert: from a SELECT", **holds("own-new-EUR", "own-new-USD"))
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
)
def _(hand: Hand, m: Models) -> None:
    hand.session.execute(insert(m.InvoiceLine).values(invoice_id=1, text="own new"))


@legitimate(
    "insert: association rows to own parents",
    then=("SELECT count(*) FROM acct_invoice_tag", [(5,)]),
)
def _(hand: Hand, m: Models) -> None:
    rows = [{"invoice_id": 1, "tag_id": 900}, {"invoice_id": 2, "tag_id": 1}]
    hand.connection.execute(insert(m.invoice_tag), rows)


@legitimate("insert: bulk_insert_mappings and bulk_save_objects", **holds("own-new-a", "own-new-b"))
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


@legitimate("delete: a tied table", then=("SELECT id FROM acct_line_note", [(401,)]))
def _(hand: Hand, m: Models) -> None:
    hand.session.execute(delete(m.LineNote))


# Upserts.


def upsert(hand: Hand, target: Any, rows: Any) -> Any:
    """Return an upsert of tags that changes the label."""
    if hand.database == "mariadb":
        statement: Any = mysql.insert(target)
        statement = statement if rows is None else statement.values(rows)
        return statement.on_duplicate_key_update(label=statement.inserted.label)
    statement = (sqlite if hand.database == "sqlite" else postgresql).insert(target)
    statement = statement if rows is None else statement.values(rows)
    return statement.on_conflict_do_update(
        index_elements=["slug"], set_={"label": statement.excluded.label}
    )


@legitimate("upsert: a new row", **holds("own-new"))
def _(hand: Hand, m: Models) -> None:
    hand.session.execute(upsert(hand, m.Tag, {"slug": "own-new", "label": "own"}))


@legitimate(
    "upsert: an own row", then=("SELECT label FROM acct_tag WHERE id = 900", [("own later",)])
)
def _(hand: Hand, m: Models) -> None:
    hand.session.execute(upsert(hand, m.Tag, {"slug": "own-late", "label": "own later"}))


@legitimate(
    "upsert: several VALUES, new and own rows",
    then=(
        "SELECT label FROM acct_tag WHERE slug IN ('own-late', 'own-new') ORDER BY slug",
        [("own later",), ("own",)],
    ),
)
def _(hand: Hand, m: Models) -> None:
    rows = [{"slug": "own-late", "label": "own later"}, {"slug": "own-new", "label": "own"}]
    hand.session.execute(upsert(hand, m.Tag.__table__, rows))


@legitimate(
    "upsert: executemany, new and own rows",
    then=(
        "SELECT label FROM acct_tag WHERE slug IN ('own-late', 'own-new') ORDER BY slug",
        [("own later",), ("own",)],
    ),
)
def _(hand: Hand, m: Models) -> None:
    rows = [{"slug": "own-late", "label": "own later"}, {"slug": "own-new", "label": "own"}]
    hand.connection.execute(upsert(hand, m.Tag.__table__, None), rows)


@legitimate("upsert: DO NOTHING", why_not={"mariadb": "no ON CONFLICT"}, **holds("own-new"))
def _(hand: Hand, m: Models) -> None:
    dialect = sqlite if hand.database == "sqlite" else postgresql
    rows = [{"slug": "own-late", "label": "x"}, {"slug": "own-new", "label": "own"}]
    hand.session.execute(dialect.insert(m.Tag).values(rows).on_conflict_do_nothing())


@legitimate(
    "upsert: with a WHERE of the caller's",
    why_not={"mariadb": "no WHERE in ON DUPLICATE KEY UPDATE"},
    then=("SELECT label FROM acct_tag WHERE id = 900", [("own late",)]),
)
def _(hand: Hand, m: Models) -> None:
    dialect = sqlite if hand.database == "sqlite" else postgresql
    tag = m.Tag.__table__
    hand.session.execute(
        dialect.insert(tag)
        .values({"slug": "own-late", "label": "own x"})
        .on_conflict_do_update(
            index_elements=["slug"], set_={"label": "own x"}, where=tag.c.label == "own urgent"
        )
    )


@legitimate(
    "upsert: a composite key with the tenant",
    needs="keys",
    why_not={"mariadb": "the same by ON DUPLICATE KEY"},
    then=("SELECT percent FROM acct_rate WHERE code = 'std' ORDER BY percent", [(20,), (77019,)]),
)
def _(hand: Hand, m: Models) -> None:
    dialect = sqlite if hand.database == "sqlite" else postgresql
    hand.session.execute(
        dialect.insert(m.Rate)
        .values(code="std", percent=20, remark="own")
        .on_conflict_do_update(index_elements=[hand.key, "code"], set_={"percent": 20})
    )


@legitimate(
    "upsert: a shared table",
    why_not={"mariadb": "the same by ON DUPLICATE KEY"},
    then=("SELECT name FROM acct_currency WHERE code = 'EUR'", [("Ecu",)]),
)
def _(hand: Hand, m: Models) -> None:
    dialect = sqlite if hand.database == "sqlite" else postgresql
    hand.session.execute(
        dialect.insert(m.Currency)
        .values(code="EUR", name="Ecu")
        .on_conflict_do_update(index_elements=["code"], set_={"name": "Ecu"})
    )


@legitimate(
    "replace: rows of a shared table",
    only="sqlite",
    why="no INSERT OR REPLACE",
    then=("SELECT name FROM acct_currency WHERE code = 'EUR'", [("Ecu",)]),
)
def _(hand: Hand, m: Models) -> None:
    hand.session.execute(
        insert(m.Currency).prefix_with("OR REPLACE").values(code="EUR", name="Ecu")
    )
