"""Where a foreign key's value comes from: what is called like the parent's key and is not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from sqlalchemy import (
    Column,
    Integer,
    MetaData,
    String,
    Table,
    Values,
    cast,
    column,
    func,
    insert,
    literal,
    literal_column,
    select,
    table,
    text,
    type_coerce,
    update,
    values,
)

from tests.leaks.catalogue import path, writes
from tests.leaks.hand import Hand
from tests.leaks.schema import Models

WORDS = ["text", "quantity", "invoice_id"]
"""What is written of a line, the tie last."""


NO_CTE: Final[dict[str, str]] = (
    {"mariadb": "no WITH in front of an INSERT"}
    if hasattr(Values, "cte")
    else dict.fromkeys(["sqlite", "postgresql", "mariadb"], "SQLAlchemy 2.1 has it")
)


def line(m: Models, value: Any, *where: Any) -> Any:
    """Return a line's INSERT ... SELECT with such a tie."""
    source = select(literal("own"), literal(1), value).where(*where)
    return insert(m.InvoiceLine.__table__).from_select(WORDS, source)


def copied(name: str, statement: Callable[[Models], Any], **options: Any) -> None:
    writes(f"source: {name}", statement, **{"needs": "ties", **options})


def featured(m: Models) -> Table:
    found: Table = m.Featured.__table__
    return found


# A shared or an undeclared table.

copied("a shared table", lambda m: line(m, featured(m).c.invoice_id, featured(m).c.id == 2))
copied(
    "an alias of a shared table",
    lambda m: (lambda f: line(m, f.c.invoice_id, f.c.id == 2))(featured(m).alias()),
)
copied(
    "a bare table() of a shared table",
    lambda m: (lambda f: line(m, f.c.invoice_id, f.c.id == 2))(
        table("acct_featured", column("id"), column("invoice_id"))
    ),
)
copied(
    "a CTE of a shared table",
    lambda m: (lambda c: line(m, c.c.invoice_id))(
        select(featured(m).c.invoice_id).where(featured(m).c.id == 2).cte()
    ),
    why_not={"mariadb": "no WITH in front of an INSERT"},
)
copied(
    "a subquery of a shared table, with the parent's name for it",
    lambda m: (lambda s: line(m, s.c.id))(
        select(featured(m).c.invoice_id.label("id"))
        .where(featured(m).c.id == 2)
        .subquery("acct_invoice_")
    ),
)
copied(
    "a scalar subquery on a shared table",
    lambda m: line(
        m, select(featured(m).c.invoice_id).where(featured(m).c.id == 2).scalar_subquery()
    ),
)
copied(
    "a shared table, beside the parent in a join",
    lambda m: line(
        m,
        featured(m).c.invoice_id,
        m.Invoice.__table__.c.id == 1,
        featured(m).c.id == m.Invoice.__table__.c.id + 1,
    ),
)
copied(
    "a shared table, in VALUES",
    lambda m: insert(m.InvoiceLine.__table__).values(
        text="own",
        quantity=1,
        invoice_id=select(func.max(featured(m).c.invoice_id)).scalar_subquery(),
    ),
)
copied(
    "a shared table, for a foreign key of an UPDATE",
    lambda m: (
        update(m.Invoice.__table__)
        .where(m.Invoice.__table__.c.id == 1)
        .values(
            customer_id=select(featured(m).c.customer_id)
            .where(featured(m).c.id == 2)
            .scalar_subquery()
        )
    ),
    needs="",
)
copied(
    "a shared table, for a foreign key of an UPDATE ... FROM",
    lambda m: (
        update(m.Invoice.__table__)
        .where(m.Invoice.__table__.c.id == 1, featured(m).c.id == 2)
        .values(customer_id=featured(m).c.customer_id)
    ),
    needs="",
)


@path("source: an undeclared table", "write", needs="ties")
def _(hand: Hand, m: Models) -> Any:
    hand.make("CREATE TABLE acct_staged (invoice_id integer)")
    try:
        hand.make("INSERT INTO acct_staged VALUES (401)")
        staged = Table("acct_staged", MetaData(), Column("invoice_id", Integer))
        hand.connection.execute(line(m, staged.c.invoice_id))
        hand.session.commit()
    finally:
        hand.session.rollback()
        hand.drop("acct_staged")


@path("source: flush of a new object, a subquery on a shared table", "write", needs="ties")
def _(hand: Hand, m: Models) -> Any:
    found = select(m.Featured.invoice_id).where(m.Featured.id == 2).scalar_subquery()
    hand.session.add(m.InvoiceLine(text="own", quantity=1, invoice_id=found))
    hand.session.flush()


@path("source: flush of a change, a subquery on a shared table", "write")
def _(hand: Hand, m: Models) -> Any:
    found = select(m.Featured.customer_id).where(m.Featured.id == 2).scalar_subquery()
    hand.session.get(m.Invoice, 1).customer_id = found
    hand.session.flush()


@path("source: flush of a new object, an aggregate of a shared table", "write")
def _(hand: Hand, m: Models) -> Any:
    found = select(func.max(m.Featured.customer_id)).scalar_subquery()
    given = {"reference": "R-9", "note": "own", "amount": 1, hand.key: hand.mine}
    hand.session.add(m.Invoice(customer_id=found, **given))
    hand.session.flush()


# Named by the parent's column, and not its rows.

copied(
    "text() with the parent's column, as a subquery",
    lambda m: (lambda t: line(m, t.c.id))(
        text("SELECT 401 AS id").columns(m.Invoice.__table__.c.id).subquery()
    ),
)
copied(
    "text() with the parent's column, as a CTE",
    lambda m: (lambda t: line(m, t.c.id))(
        text("SELECT 401 AS id").columns(m.Invoice.__table__.c.id).cte()
    ),
    why_not={"mariadb": "no WITH in front of an INSERT"},
)
copied(
    "text() with the parent's column, itself",
    lambda m: insert(m.InvoiceLine.__table__).from_select(
        WORDS,
        text("SELECT 'own' AS a, 1 AS b, 401 AS id").columns(
            column("a"), column("b"), m.Invoice.__table__.c.id
        ),
    ),
)
copied(
    "text() with the parent's column, as a scalar subquery",
    lambda m: line(m, text("SELECT 401 AS id").columns(m.Invoice.__table__.c.id).scalar_subquery()),
)
copied(
    "VALUES with the parent's column",
    lambda m: (lambda v: line(m, v.c.id))(
        values(m.Invoice.__table__.c.id, name="v").data([(401,)])
    ),
    why_not={"mariadb": "no VALUES with names of columns", "sqlite": "no names of columns"},
)
copied(
    "VALUES with the parent's column, as a CTE",
    lambda m: (lambda v: line(m, v.c.id))(
        values(m.Invoice.__table__.c.id, name="v").data([(401,)]).cte()
    ),
    why_not=NO_CTE,
)
copied(
    "a table-valued function with the parent's column",
    lambda m: (lambda g: line(m, g.c.id))(
        func.generate_series(401, 401).table_valued(m.Invoice.__table__.c.id).render_derived()
    ),
    only="postgresql",
    why="no such function",
)
copied(
    "a table-valued function with a column of the parent's name",
    lambda m: (lambda g: line(m, g.c.value))(
        func.json_each("[401]").table_valued(column("value", Integer), name="acct_invoice_")
    ),
    only="sqlite",
    why="no such function",
)
copied(
    "a function with the parent's column as its alias",
    lambda m: (lambda g: line(m, g))(func.generate_series(401, 401).column_valued("id")),
    only="postgresql",
    why="no such function",
)
copied(
    "a cast of the parent's key that cuts it",
    lambda m: line(
        m,
        cast(cast(m.Invoice.__table__.c.id + 4010, String(3)), Integer),
        m.Invoice.__table__.c.id == 1,
    ),
    only="postgresql",
    why="a cast cuts nothing, or fails",
)
copied(
    "a part of the parent's key",
    lambda m: line(
        m,
        cast(func.substr(cast(m.Invoice.__table__.c.id + 4010, String(9)), 1, 3), Integer),
        m.Invoice.__table__.c.id == 1,
    ),
)
copied(
    "a cast of the parent's key to more",
    lambda m: line(
        m,
        cast(literal("40") + cast(m.Invoice.__table__.c.id, String(3)), Integer),
        m.Invoice.__table__.c.id == 1,
    ),
)
copied(
    "type_coerce() of a literal",
    lambda m: line(m, type_coerce(literal(401), m.Invoice.__table__.c.id.type).label("id")),
)
copied(
    "a raw column of the parent's name",
    lambda m: line(m, literal_column("401").label("id"), m.Invoice.__table__.c.id == 1),
)
copied(
    "the smallest of the parent's keys and more",
    lambda m: line(m, func.min(m.Invoice.__table__.c.id) + 400),
)
copied(
    "a UNION of the parent's keys and more",
    lambda m: insert(m.InvoiceLine.__table__).from_select(
        WORDS,
        select(literal("own"), literal(1), m.Invoice.__table__.c.id)
        .where(m.Invoice.__table__.c.id == 1)
        .union_all(select(literal("own"), literal(1), literal(401))),
    ),
)
copied(
    "another column of the parent",
    lambda m: line(m, m.Invoice.__table__.c.customer_id + 400, m.Invoice.__table__.c.id == 1),
)

# An object that was read elsewhere: it has the same key there, and is another tenant's here.

FAR: Final = "another database is made of SQLite's files"
ELSEWHERE: Final[dict[str, Any]] = {"only": "sqlite sync", "why": FAR}


def elsewhere(hand: Hand, m: Models) -> Any:
    """Return an engine on a database in which customer 401 is the caller's."""
    from tests.databases import memory_engine

    engine = memory_engine()
    copy = MetaData()
    Table(
        "acct_customer",
        copy,
        *(Column(each.name, each.type) for each in m.Customer.__table__.c),
    )
    copy.create_all(engine)
    raw = engine.raw_connection()
    cursor = raw.cursor()
    cursor.execute(
        hand.named(
            "INSERT INTO acct_customer (id, {key}, name, credit) VALUES (401, {mine}, 'own', 1)"
        )
    )
    raw.commit()
    cursor.close()
    return engine


def invoice_of(hand: Hand, m: Models, customer: Any) -> Any:
    given = {"reference": "R-9", "note": "own", "amount": 1, hand.key: hand.mine}
    return m.Invoice(customer_id=customer.id, **given)


@path("source: an object read by bind_arguments from another database", "write", **ELSEWHERE)
def _(hand: Hand, m: Models) -> Any:
    asked = {"bind": elsewhere(hand, m)}
    kept = hand.session.scalars(select(m.Customer), bind_arguments=asked).one()
    hand.session.add(invoice_of(hand, m, kept))
    hand.session.flush()


@path("source: an object merged from another database", "write", **ELSEWHERE)
def _(hand: Hand, m: Models) -> Any:
    from sqlalchemy.orm import Session

    with Session(elsewhere(hand, m)) as other:
        hand.opened(other)
        kept = hand.session.merge(other.get_one(m.Customer, 401), load=False)
    hand.session.add(invoice_of(hand, m, kept))
    hand.session.flush()


@path("source: an object of another shard", "write", **ELSEWHERE)
def _(hand: Hand, m: Models) -> Any:
    from sqlalchemy.ext.horizontal_shard import ShardedSession

    def chosen(mapper: Any, instance: Any, clause: Any = None) -> str:
        return "there" if isinstance(instance, m.Customer) else "here"

    make: Any = ShardedSession
    with make(
        shards={"here": hand.engine, "there": elsewhere(hand, m)},
        shard_chooser=chosen,
        identity_chooser=lambda mapper, key, **kw: ["there"],
        execute_chooser=lambda context: ["there"],
    ) as session:
        hand.opened(session)
        session.add(invoice_of(hand, m, session.scalars(select(m.Customer)).one()))
        session.commit()


@path("source: an object read by a session that flushes elsewhere", "write", **ELSEWHERE)
def _(hand: Hand, m: Models) -> Any:
    from sqlalchemy.orm import Session

    there = elsewhere(hand, m)

    class Routed(Session):
        def get_bind(self, *args: Any, **kw: Any) -> Any:
            return hand.engine if self._flushing else there

    with Routed() as session:
        hand.opened(session)
        session.add(invoice_of(hand, m, session.get_one(m.Customer, 401)))
        session.commit()


@path("source: an object read through schema_translate_map", "write")
def _(hand: Hand, m: Models) -> Any:
    hand.make(
        "CREATE TABLE {schema}.acct_customer "
        "(id integer, {key} varchar(40), name varchar(80), credit integer)"
    )
    try:
        hand.make("INSERT INTO {schema}.acct_customer VALUES (401, {mine}, 'own', 1)")
        kept = hand.session.scalars(
            select(m.Customer).where(m.Customer.id == 401),
            execution_options={"schema_translate_map": {None: m.Record.__table__.schema}},
        ).one()
        hand.session.add(invoice_of(hand, m, kept))
        hand.session.commit()
    finally:
        hand.session.rollback()
        hand.drop(hand.named("{schema}.acct_customer"))
