"""Raw SQL as a part of a statement, that names a table."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    String,
    column,
    func,
    insert,
    literal,
    literal_column,
    select,
    table,
    text,
    update,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import quoted_name
from sqlalchemy.sql.expression import ClauseElement, ColumnElement, Executable, Insert

from tests.leaks.catalogue import path, reads, writes
from tests.leaks.hand import Hand
from tests.leaks.schema import Models


class Rendered(Executable, ClauseElement):
    """A construct of the application's own."""

    inherit_cache = False

    def __init__(self, sql: str, target: Any) -> None:
        self.sql = sql
        self.target = target


class Highest(ColumnElement[Any]):
    """An expression of the application's own."""

    inherit_cache = False

    def __init__(self, target: Any) -> None:
        self.target = target
        self.type = String()


class Upsert(Insert):
    """The known recipe that appends what the dialect has no construct for."""

    inherit_cache = False
    tail = ""


@compiles(Rendered)
def _(element: Rendered, compiler: Any, **kw: Any) -> str:
    return element.sql.format(compiler.preparer.format_table(element.target))


@compiles(Highest)
def _(element: Highest, compiler: Any, **kw: Any) -> str:
    return f"(SELECT max(note) FROM {compiler.process(element.target, asfrom=True)})"


@compiles(Upsert)
def _(element: Upsert, compiler: Any, **kw: Any) -> str:
    return f"{compiler.visit_insert(element, **kw)}{element.tail}"


reads(
    "compiles: a statement on a table that the preparer renders",
    lambda m: Rendered("SELECT note FROM {}", m.Invoice.__table__),
)
writes(
    "compiles: a DELETE on a table that the preparer renders",
    lambda m: Rendered("DELETE FROM {}", m.Posting.__table__),
)
reads(
    "compiles: an expression on a table that stands in the FROM as well",
    lambda m: select(m.Invoice.id, Highest(m.Invoice.__table__)),
)
reads(
    "operator: FROM",
    lambda m: select(column("note").op("FROM")(column("acct_invoice"))),
)


@path("compiles: an upsert of the application's own", "write")
def _(hand: Hand, m: Models) -> Any:
    mine = Upsert(m.Posting.__table__).values(
        {"id": 401, "account_id": 1, "text": "x", hand.key: hand.mine}
    )
    mine.tail = (
        " ON DUPLICATE KEY UPDATE text = 'x'"
        if hand.database == "mariadb"
        else " ON CONFLICT (id) DO UPDATE SET text = 'x'"
    )
    hand.session.execute(mine.inline())


reads(
    "literal_column: a scalar subquery",
    lambda m: select(literal_column("(SELECT min(note) FROM acct_invoice WHERE id > 400)")),
)
reads(
    "literal_column: a scalar subquery, of a table in single quotes",
    lambda m: select(literal_column("(SELECT min(note) FROM 'acct_invoice' WHERE id > 400)")),
    only="sqlite",
    why="a string",
)
reads(
    "literal_column: in WHERE",
    lambda m: select(m.Currency.code, literal("own")).where(
        literal_column("(SELECT count(*) FROM acct_invoice)") > 3
    ),
    sees=(),
)
reads(
    "literal_column: in ORDER BY",
    lambda m: select(m.Currency.code).order_by(
        literal_column("((SELECT count(*) FROM acct_invoice) > 3)") != (m.Currency.code == "EUR")
    ),
    sees=["USD", "EUR"],
)
reads(
    "text: in select_from",
    lambda m: select(literal_column("note")).select_from(text("acct_invoice")),
)
reads(
    "text: as a column",
    lambda m: select(text("(SELECT min(note) FROM acct_invoice WHERE id > 400)")),
)
reads(
    "text: in WHERE",
    lambda m: select(m.Currency.code).where(text("(SELECT count(*) FROM acct_invoice) > 3")),
    sees=(),
)
reads(
    "text: in WHERE of a guarded statement, with OR",
    lambda m: select(m.Invoice.note).where(text("1 = 1 OR 1 = 1")),
)
reads(
    "text: in HAVING of a guarded statement",
    lambda m: (
        select(func.min(m.Invoice.note)).group_by(m.Invoice.id).having(text("1 = 1 OR 1 = 1"))
    ),
)
reads(
    "text: in ORDER BY of a guarded statement",
    lambda m: select(m.Invoice.note).order_by(text("amount")),
)
reads(
    "text: in the ON of a guarded join",
    lambda m: select(m.Customer.name, m.Invoice.note).outerjoin(m.Invoice, text("1 = 1 OR 1 = 1")),
)
reads(
    "text: in WHERE of a guarded statement, with a comment behind it",
    lambda m: select(m.Invoice.note).where(text("1 = 1 -- ")),
)
reads(
    "text: in WHERE of a guarded statement, with a UNION behind it",
    lambda m: select(m.Invoice.note).where(text("1 = 1 UNION ALL SELECT name FROM acct_customer")),
)
reads(
    "literal_column: an operator",
    lambda m: select(m.Invoice.note).where(literal_column("1").op("= 1 OR 1 =")(1)),
)
reads(
    "column: a name that is told not to be quoted",
    lambda m: select(
        column(quoted_name("(SELECT min(note) FROM acct_invoice WHERE id > 400)", quote=False))
    ).select_from(table("acct_currency")),
)
reads(
    "table: a name that is told not to be quoted",
    lambda m: select(literal_column("note")).select_from(
        table(quoted_name("acct_currency, acct_invoice", quote=False))
    ),
)
reads(
    "table: a name that is told not to be quoted, alone",
    lambda m: select(literal_column("note")).select_from(
        table(quoted_name("acct_invoice", quote=False))
    ),
)
reads(
    "label: a name that is told not to be quoted",
    lambda m: select(
        literal("own").label(quoted_name("x, note FROM acct_invoice -- ", quote=False))
    ),
)
reads(
    "prefix_with: a UNION",
    lambda m: select(m.Currency.name).prefix_with("note FROM acct_invoice UNION ALL SELECT"),
)
reads(
    "suffix_with: a UNION",
    lambda m: select(m.Currency.name).suffix_with("UNION ALL SELECT note FROM acct_invoice"),
)
reads(
    "with_statement_hint: a UNION",
    lambda m: select(m.Currency.name).with_statement_hint(
        "UNION ALL SELECT note FROM acct_invoice"
    ),
)
reads(
    "with_hint: a join",
    lambda m: (
        select(literal_column("note"))
        .select_from(m.Currency.__table__)
        .with_hint(m.Currency.__table__, ", acct_invoice")
    ),
    why_not={"sqlite": "no hints", "postgresql": "renders the hint in another place"},
)
reads(
    "comment in a label",
    lambda m: select(m.Invoice.note.label('x" FROM acct_invoice -- ')),
)
reads(
    "bind: a value that looks like SQL",
    lambda m: select(m.Invoice.note).where(m.Invoice.note != "x' OR '1' = '1"),
)
writes(
    "update: WHERE by a text with OR",
    lambda m: update(m.Invoice).where(text("1 = 1 OR 1 = 1")).values(amount=1),
)
writes(
    "update: prefix_with",
    lambda m: (
        update(m.Currency.__table__)
        .prefix_with("acct_posting SET text = 'x' -- ")
        .values(name=text("'x'"))
    ),
)


@path("text: copied into a shared table by INSERT ... SELECT")
def _(hand: Hand, m: Models) -> Any:
    source = text("SELECT 'X' AS code, note AS name FROM acct_invoice WHERE id IN (1, 401)")
    columns = source.columns(column("code"), column("name")).subquery("s")
    statement = insert(m.Currency.__table__).from_select(
        ["code", "name"], select(func.substr(columns.c.name, 1, 3), columns.c.name)
    )
    hand.session.execute(statement)
    found = hand.session.execute(select(m.Currency.name)).all()
    hand.session.rollback()
    return found


@path("text: copied into a shared table by a SET")
def _(hand: Hand, m: Models) -> Any:
    value = text("(SELECT min(note) FROM acct_invoice)")
    hand.session.execute(update(m.Currency.__table__).values(name=value))
    found = hand.session.execute(select(m.Currency.name)).all()
    hand.session.rollback()
    return found
