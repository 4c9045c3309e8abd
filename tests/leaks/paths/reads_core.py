"""Where in one ``SELECT`` a table can stand."""

from __future__ import annotations

from sqlalchemy import (
    Integer,
    String,
    case,
    cast,
    column,
    distinct,
    exists,
    func,
    literal,
    select,
    table,
    true,
    tuple_,
    values,
)

from tests.leaks.catalogue import NOTHING, reads

reads("select: a column of a model", lambda m: select(m.Invoice.note))
reads("select: a model", lambda m: select(m.Invoice))
reads("select: a Core Table", lambda m: select(m.Invoice.__table__))
reads("select: a Core Table that has no model", lambda m: select(m.note), needs="core")
reads("select: a tenant column of another name", lambda m: select(m.Member.name), needs="columns")
reads("select: a table in another schema", lambda m: select(m.Record.body))
reads("select: a table whose name must be quoted", lambda m: select(m.Entry.posted))
reads("select: a table with the tenant in its primary key", lambda m: select(m.Rate), needs="keys")
reads("select: a table with a UUID key", lambda m: select(m.Token.secret))
reads("select: count(*)", lambda m: select(func.count()).select_from(m.Invoice), sees=3)
reads("select: count of a column", lambda m: select(func.count(m.Invoice.id)), sees=3)
reads("select: sum", lambda m: select(func.sum(m.Invoice.amount)), sees=60)
reads("select: max", lambda m: select(func.max(m.Invoice.amount)), sees=30)
reads("select: min", lambda m: select(func.min(m.Invoice.note)), sees="own first")
reads(
    "select: count(DISTINCT)",
    lambda m: select(func.count(distinct(m.Invoice.reference)), func.count(m.Invoice.reference)),
    sees=[3, 3],
)
reads(
    "select: GROUP BY",
    lambda m: select(m.Invoice.customer_id, func.max(m.Invoice.note)).group_by(
        m.Invoice.customer_id
    ),
)
reads(
    "select: HAVING on a count over all rows",
    lambda m: select(func.max(m.Customer.name)).having(func.count(m.Customer.id) > 3),
    sees=[],
)
reads(
    "select: subquery in HAVING",
    lambda m: (
        select(m.Invoice.reference)
        .where(m.Invoice.id == 1)
        .having(select(func.count()).select_from(m.Tag).scalar_subquery() > 2)
        .group_by(m.Invoice.reference)
    ),
    sees=[],
)
reads(
    "select: window function",
    lambda m: select(m.Invoice.note, func.row_number().over(order_by=m.Invoice.amount.desc())),
)
reads(
    "select: window function that looks at other rows",
    lambda m: select(
        func.last_value(m.Invoice.note).over(order_by=m.Invoice.amount, rows=(None, None))
    ).limit(1),
    sees="own third",
)
reads("select: DISTINCT", lambda m: select(m.Invoice.note).distinct())
reads(
    "select: ORDER BY and LIMIT",
    lambda m: select(m.Invoice.note).order_by(m.Invoice.amount.desc()).limit(1),
    sees="own third",
)
reads(
    "select: OFFSET",
    lambda m: select(m.Invoice.note).order_by(m.Invoice.amount).offset(2).limit(2),
    sees="own third",
)
reads(
    "select: WHERE on a foreign id",
    lambda m: select(m.Invoice.note).where(m.Invoice.id == 401),
    sees=NOTHING,
)
reads(
    "select: WHERE with OR",
    lambda m: select(m.Invoice.note).where((m.Invoice.id == 1) | (m.Invoice.id == 401)),
)
reads("select: WHERE true", lambda m: select(m.Invoice.note).where(true()))
reads(
    "select: IN with foreign ids",
    lambda m: select(m.Invoice.note).where(m.Invoice.id.in_([1, 401, 402])),
)
reads(
    "select: IN with tuples",
    lambda m: select(m.Rate.remark).where(
        tuple_(m.Rate.code, m.Rate.percent).in_([("std", 19), ("std", 77019)])
    ),
    needs="keys",
)
reads("select: CASE", lambda m: select(case((m.Invoice.amount > 0, m.Invoice.note), else_="")))
reads("select: CAST", lambda m: select(cast(m.Invoice.note, String(50))))
reads("select: an expression over a column", lambda m: select(m.Invoice.note + "!"))
reads("select: a function of a column", lambda m: select(func.lower(m.Invoice.note)))
reads("select: a label", lambda m: select(m.Invoice.note.label("x")).order_by("x"))
reads(
    "select: EXISTS without a FROM of its own",
    lambda m: select(literal("own")).where(exists().where(m.Invoice.id == 401)),
    sees=NOTHING,
)
reads(
    "select: EXISTS as a column",
    lambda m: select(exists(select(m.Invoice).where(m.Invoice.id == 401))),
    sees=NOTHING,
)
reads(
    "select: NOT EXISTS as a column",
    lambda m: select(~exists(select(m.Invoice.id).where(m.Invoice.amount > 1000))),
    sees=True,
)
reads(
    "select: EXISTS in WHERE",
    lambda m: select(literal("own")).where(
        select(m.Invoice.id).where(m.Invoice.id == 401).exists()
    ),
    sees=NOTHING,
)

# A bare or a reflected construct of the same name is the same table.
reads(
    "select: table() and column()", lambda m: select(table("acct_invoice", column("note")).c.note)
)
reads(
    "select: table() without any columns",
    lambda m: select(column("note")).select_from(table("acct_invoice")),
)
reads(
    "select: table() in another case",
    lambda m: select(column("note")).select_from(table("ACCT_Invoice")),
    only="sqlite",
    why="PostgreSQL has no such table; MariaDB neither, where file names have a case",
)
reads(
    "select: table() with the default schema spelled out",
    lambda m: select(column("note")).select_from(table("acct_invoice", schema="main")),
    only="sqlite",
    why="the default schema has another name",
)
reads(
    "select: table() with the schema public spelled out",
    lambda m: select(column("note")).select_from(table("acct_invoice", schema="public")),
    only="postgresql",
    why="the default schema has another name",
)
reads(
    "select: table() with the default schema in another case",
    lambda m: select(column("note")).select_from(table("acct_invoice", schema="MAIN")),
    only="sqlite",
    why="schema names have a case",
)
reads(
    "select: table() in another schema",
    lambda m: select(column("body")).select_from(
        table("acct_record", schema=m.Record.__table__.schema)
    ),
)
reads(
    "select: table() of a tied table",
    lambda m: select(column("text")).select_from(table("acct_invoice_line")),
    needs="ties",
)
reads(
    "select: a copy of the Table in another MetaData",
    lambda m: select(
        m.Invoice.__table__.to_metadata(type(m.metadata)(), name="acct_invoice").c.note
    ),
)

# Aliases.
reads("alias: of a Table", lambda m: select(m.Invoice.__table__.alias("x").c.note))
reads("alias: of an alias", lambda m: select(m.Invoice.__table__.alias().alias().c.note))
reads(
    "alias: named like a shared table",
    lambda m: select(m.Invoice.__table__.alias("acct_currency").c.note),
)
reads(
    "alias: of table()", lambda m: select(table("acct_invoice", column("note")).alias("x").c.note)
)
reads(
    "alias: TABLESAMPLE",
    lambda m: select(m.Invoice.__table__.tablesample(100, name="x").c.note),
    only="postgresql",
    why="no TABLESAMPLE",
)
reads(
    "alias: of a Table that has no model", lambda m: select(m.note.alias("x").c.body), needs="core"
)
reads(
    "select: cross join with VALUES",
    lambda m: select(m.Invoice.__table__.c.note).select_from(
        values(column("n", Integer), name="v").data([(1,), (2,)])
    ),
    only="postgresql",
    why="no VALUES with names for its columns in FROM",
)
reads(
    "select: an alias that has the name by which a parent is looked up",
    lambda m: select(m.CardPayment.__table__.alias("acct_payment_1").c.card),
    needs="ties",
)
