"""Core and ORM-enabled ``INSERT``, ``UPDATE`` and ``DELETE``."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    Column,
    Integer,
    MetaData,
    String,
    Table,
    bindparam,
    case,
    column,
    delete,
    func,
    literal,
    null,
    select,
    table,
    update,
)
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from tests.leaks.catalogue import path, writes
from tests.leaks.hand import Hand
from tests.leaks.schema import Models

RETURNING: dict[str, Any] = {"why_not": {"mariadb": "no UPDATE ... RETURNING"}}

# UPDATE.

writes("update: ORM, without WHERE", lambda m: update(m.Invoice).values(amount=1))
writes("update: Core, without WHERE", lambda m: update(m.Invoice.__table__).values(amount=1))
writes(
    "update: table(), without WHERE",
    lambda m: update(table("acct_invoice", column("amount"))).values(amount=1),
)
writes(
    "update: by a foreign id",
    lambda m: update(m.Invoice).where(m.Invoice.id == 401).values(amount=1),
)
writes(
    "update: with OR in its WHERE",
    lambda m: update(m.Invoice).where((m.Invoice.id == 1) | (m.Invoice.id > 0)).values(amount=1),
)
writes(
    "update: WHERE EXISTS on another table",
    lambda m: (
        update(m.Invoice).where(select(m.Tag.id).where(m.Tag.id == 1).exists()).values(amount=1)
    ),
)
writes("update: a tied table", lambda m: update(m.InvoiceLine).values(quantity=1), needs="ties")
writes(
    "update: a tied table of a tied table",
    lambda m: update(m.LineNote).values(text="x"),
    needs="ties",
)
writes("update: a joined-inheritance base", lambda m: update(m.Payment).values(memo="x"))
writes(
    "update: a joined-inheritance child's Table",
    lambda m: update(m.CardPayment.__table__).values(card="x"),
    needs="ties",
)
writes("update: a single-table child", lambda m: update(m.Company).values(vat="x"))
writes(
    "update: a concrete child",
    lambda m: update(m.Warehouse.__table__).values(capacity=1),
    needs="concrete",
)
writes("update: a table in another schema", lambda m: update(m.Record).values(body="x"))
writes("update: a table whose name must be quoted", lambda m: update(m.Entry).values(posted="x"))
writes("update: a Table that has no model", lambda m: update(m.note).values(body="x"), needs="core")
writes("update: a composite key", lambda m: update(m.Rate).values(percent=1), needs="keys")
writes(
    "update: another name of the tenant column",
    lambda m: update(m.Member).values(name="x"),
    needs="columns",
)
writes(
    "update: an expression over the row",
    lambda m: update(m.Invoice).values(amount=m.Invoice.amount + 1),
)
writes(
    "update: a value read from a foreign row",
    lambda m: (
        update(m.Invoice)
        .where(m.Invoice.id == 1)
        .values(note=select(func.min(m.Customer.name)).scalar_subquery())
        .execution_options(synchronize_session=False)
    ),
    then=("SELECT note FROM acct_invoice WHERE id = 1", [("own abel",)]),
)
writes(
    "update: the tenant column",
    lambda m: update(m.Invoice).where(m.Invoice.id == 1).values({m.key: m.theirs}),
)
writes(
    "update: the tenant column, Core",
    lambda m: (
        update(m.Invoice.__table__).where(m.Invoice.id == 1).values({m.tenant(m.Invoice): m.theirs})
    ),
)
writes(
    "update: the tenant column, of one's own row to NULL",
    lambda m: update(m.note).where(m.note.c.id == 1).values({m.key: null()}),
    needs="core",
    errors=(IntegrityError,),
    harmless="the column takes no NULL",
)
writes(
    "update: the tenant column by an expression",
    lambda m: (
        update(m.Invoice)
        .where(m.Invoice.id == 1)
        .values({m.key: select(func.max(m.tenant(m.Invoice))).scalar_subquery()})
        .execution_options(synchronize_session=False)
    ),
    why_not={"mariadb": "no subquery on the table that is changed"},
)
writes(
    "update: the tenant column by CASE",
    lambda m: (
        update(m.Member)
        .values(org_id=case((m.Member.id == 1, "bravo"), else_=m.Member.org_id))
        .execution_options(synchronize_session=False)
    ),
    needs="columns",
)
writes(
    "update: the tenant column through ordered_values",
    lambda m: (
        update(m.Invoice.__table__)
        .where(m.Invoice.id == 1)
        .ordered_values(
            (m.Invoice.__table__.c.amount, 1), (m.tenant(m.Invoice.__table__), m.theirs)
        )
    ),
)
writes(
    "update: the tenant column of a bare table()",
    lambda m: (
        update(table("acct_invoice", column("id"), column(m.key)))
        .where(column("id") == 1)
        .values({m.key: m.theirs})
    ),
)
writes(
    "update: from another table",
    lambda m: (
        update(m.Invoice.__table__)
        .where(m.Invoice.__table__.c.note != m.Currency.__table__.c.name)
        .values(note=m.Currency.__table__.c.name)
    ),
)
writes(
    "update: from a foreign table's row",
    lambda m: (
        update(m.Invoice.__table__)
        .where(m.Customer.__table__.c.id == 401, m.Invoice.__table__.c.id == 1)
        .values(note=m.Customer.__table__.c.name)
    ),
    then=("SELECT note FROM acct_invoice WHERE id = 1", [("own first",)]),
)
writes(
    "update: from a foreign table that is an alias",
    lambda m: (
        lambda c: (
            update(m.Invoice.__table__).where(c.c.id >= m.Invoice.__table__.c.id).values(note="x")
        )
    )(m.Customer.__table__.alias("c")),
)
writes(
    "update: from a CTE",
    lambda m: (
        lambda c: (
            update(m.Invoice.__table__).where(m.Invoice.__table__.c.id == c.c.id).values(note="x")
        )
    )(select(literal(401).label("id")).cte()),
    why_not={"mariadb": "no WITH in front of an UPDATE"},
)
writes(
    "update: two tables at once",
    lambda m: (
        update(m.Invoice.__table__)
        .where(m.Invoice.__table__.c.customer_id == m.Customer.__table__.c.id)
        .values({m.Invoice.__table__.c.note: "x", m.Customer.__table__.c.name: "y"})
    ),
    only="mariadb",
    why="changes one table at a time",
)
writes(
    "update: two tables at once, the other's tenant column",
    lambda m: (
        update(m.Invoice.__table__)
        .where(m.Invoice.__table__.c.customer_id == m.Customer.__table__.c.id)
        .values({m.Invoice.__table__.c.note: "x", m.tenant(m.Customer.__table__): m.theirs})
    ),
    only="mariadb",
    why="changes one table at a time",
)
writes(
    "update: in a CTE",
    lambda m: select(
        update(m.Invoice.__table__)
        .values(note="x")
        .returning(m.Invoice.__table__.c.id)
        .cte("c")
        .c.id
    ),
    only="postgresql",
    why="no CTE that changes data",
)
writes(
    "update: with LIMIT",
    lambda m: update(m.Invoice.__table__).values(note="x").with_dialect_options(mysql_limit=9),
    only="mariadb",
    why="no UPDATE ... LIMIT",
)
writes(
    "update: synchronize_session='fetch'",
    lambda m: update(m.Invoice).values(amount=1).execution_options(synchronize_session="fetch"),
)
writes(
    "update: synchronize_session='evaluate'",
    lambda m: update(m.Invoice).values(amount=1).execution_options(synchronize_session="evaluate"),
)


@path("update: RETURNING", "write", **RETURNING)
def _(hand: Hand, m: Models) -> Any:
    return hand.session.execute(update(m.Invoice).values(amount=1).returning(m.Invoice)).all()


@path("update: RETURNING, what it gives back", **RETURNING)
def _(hand: Hand, m: Models) -> Any:
    statement = update(m.Invoice).values(amount=m.Invoice.amount).returning(m.Invoice.note)
    found = hand.session.execute(statement).all()
    hand.session.rollback()
    return found


@path("update: RETURNING a subquery on another table", **RETURNING)
def _(hand: Hand, m: Models) -> Any:
    statement = (
        update(m.Invoice.__table__)
        .where(m.Invoice.__table__.c.id == 1)
        .values(amount=1)
        .returning(select(func.min(m.Customer.name)).scalar_subquery())
    )
    found = hand.session.execute(statement).all()
    hand.session.rollback()
    return found


@path("update: many, by executemany", "write")
def _(hand: Hand, m: Models) -> Any:
    invoice = m.Invoice.__table__
    statement = update(invoice).where(invoice.c.id == bindparam("n")).values(note=bindparam("t"))
    hand.connection.execute(statement, [{"n": 1, "t": "x"}, {"n": 401, "t": "x"}])


@path("update: many, with the tenant column among the parameters", "write")
def _(hand: Hand, m: Models) -> Any:
    invoice = m.Invoice.__table__
    statement = update(invoice).where(invoice.c.id == bindparam("n"))
    hand.connection.execute(statement, [{"n": 1, hand.key: hand.theirs}])


@path("update: ORM bulk by primary key", "write", errors=(SQLAlchemyError,))
def _(hand: Hand, m: Models) -> Any:
    hand.session.execute(update(m.Invoice), [{"id": 1, "note": "own x"}, {"id": 401, "note": "x"}])


@path("update: ORM bulk by primary key, the tenant column", "write", errors=(SQLAlchemyError,))
def _(hand: Hand, m: Models) -> Any:
    hand.session.execute(update(m.Invoice), [{"id": 1, hand.key: hand.theirs}])


@path("update: ORM bulk by a composite key", "write", errors=(SQLAlchemyError,), needs="keys")
def _(hand: Hand, m: Models) -> Any:
    rows = [{hand.key: hand.theirs, "code": "std", "percent": 1}]
    hand.session.execute(update(m.Rate), rows)


@path("update: bulk_update_mappings", "write", errors=(SQLAlchemyError,))
def _(hand: Hand, m: Models) -> Any:
    hand.session.bulk_update_mappings(m.Invoice.__mapper__, [{"id": 401, "note": "x"}])


@path(
    "update: bulk_update_mappings of a joined-inheritance child", "write", errors=(SQLAlchemyError,)
)
def _(hand: Hand, m: Models) -> Any:
    hand.session.bulk_update_mappings(m.CardPayment.__mapper__, [{"id": 402, "card": "x"}])


@path("update: bulk_save_objects", "write", errors=(SQLAlchemyError,))
def _(hand: Hand, m: Models) -> Any:
    from sqlalchemy.orm import make_transient_to_detached

    each = m.Invoice(id=401)
    make_transient_to_detached(each)
    each.note = "x"
    hand.session.bulk_save_objects([each])


@path("update: by an engine's own connection", "write")
def _(hand: Hand, m: Models) -> Any:
    with hand.engine.begin() as connection:
        connection.execute(update(m.Invoice.__table__).values(note="x"))


@path("update: legacy Query.update", "write")
def _(hand: Hand, m: Models) -> Any:
    hand.session.query(m.Invoice).update({"note": "x"})


@path("update: a reflected Table", "write")
def _(hand: Hand, m: Models) -> Any:
    reflected = Table("acct_invoice", MetaData(), autoload_with=hand.connection)
    hand.connection.execute(update(reflected).values(note="x"))


@path("update: an undeclared copy of the Table", "write")
def _(hand: Hand, m: Models) -> Any:
    copy = Table("acct_invoice", MetaData(), Column("id", Integer), Column("note", String(80)))
    hand.connection.execute(update(copy).values(note="x"))


# DELETE.

writes("delete: ORM, without WHERE", lambda m: delete(m.Token))
writes("delete: Core, without WHERE", lambda m: delete(m.Token.__table__))
writes("delete: table(), without WHERE", lambda m: delete(table("acct_token")))
writes("delete: by a foreign id", lambda m: delete(m.Posting).where(m.Posting.id == 401))
writes("delete: a tied table", lambda m: delete(m.LineNote), needs="ties")
writes("delete: an association table", lambda m: delete(m.invoice_tag), needs="ties")
writes(
    "delete: a joined-inheritance child's Table",
    lambda m: delete(m.CardPayment.__table__),
    needs="ties",
)
writes("delete: a single-table child", lambda m: delete(m.Company))
writes("delete: a table in another schema", lambda m: delete(m.Record))
writes("delete: a table whose name must be quoted", lambda m: delete(m.Entry))
writes("delete: a Table that has no model", lambda m: delete(m.note), needs="core")
writes("delete: a composite key", lambda m: delete(m.Rate), needs="keys")
writes(
    "delete: using another table",
    lambda m: delete(m.Posting.__table__).where(
        m.Posting.__table__.c.account_id == m.Account.__table__.c.id
    ),
    why_not={"sqlite": "no DELETE ... USING"},
)
writes(
    "delete: using an alias of the same table",
    lambda m: (lambda p: delete(m.Posting.__table__).where(m.Posting.__table__.c.id <= p.c.id))(
        m.Posting.__table__.alias("p")
    ),
    why_not={"sqlite": "no DELETE ... USING"},
)
writes(
    "delete: in a CTE",
    lambda m: select(
        delete(m.Token.__table__).returning(m.Token.__table__.c.secret).cte("c").c.secret
    ),
    only="postgresql",
    why="no CTE that changes data",
)


@path("delete: RETURNING", "write")
def _(hand: Hand, m: Models) -> Any:
    return hand.session.execute(delete(m.Token).returning(m.Token.secret)).all()


@path("delete: RETURNING, what it gives back")
def _(hand: Hand, m: Models) -> Any:
    found = hand.session.execute(delete(m.Token).returning(m.Token.secret)).all()
    hand.session.rollback()
    return found


@path("delete: many, by executemany", "write")
def _(hand: Hand, m: Models) -> Any:
    posting = m.Posting.__table__
    statement = delete(posting).where(posting.c.id == bindparam("n"))
    hand.connection.execute(statement, [{"n": 1}, {"n": 401}])


@path("delete: legacy Query.delete", "write")
def _(hand: Hand, m: Models) -> Any:
    hand.session.query(m.Posting).delete()
