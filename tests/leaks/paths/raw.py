"""Raw SQL: text, columns given literally, driver SQL, prefixes, suffixes and hints."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    DDL,
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
from sqlalchemy.schema import DropTable
from sqlalchemy.sql import quoted_name

from tests.leaks.arena import Hand
from tests.leaks.catalogue import path, reads, writes
from tests.leaks.schema import Models

MARIADB_ANSI = {"mariadb": "double quotes are strings"}


def raw(name: str, sql: str, kind: Any = "read", **options: Any) -> None:
    """Enter a way that is one text; {schema} and {key} stand for names of this run."""

    def run(hand: Hand, m: Models) -> Any:
        result = hand.session.execute(text(hand.named(sql)))
        return result.all() if result.returns_rows else None

    run.__module__ = __name__
    path(f"text: {name}", kind, **options)(run)


raw("SELECT", "SELECT note FROM acct_invoice")
raw("in upper case", "SELECT NOTE FROM ACCT_INVOICE", why_not={"mariadb": "file names have a case"})
raw("quoted", 'SELECT note FROM "acct_invoice"')
raw("quoted in brackets", "SELECT note FROM [acct_invoice]", only="sqlite", why="no such quotes")
raw(
    "quoted in backticks",
    "SELECT note FROM `acct_invoice`",
    only="sqlite mariadb",
    why="no such quotes",
)
raw("with a schema", "SELECT body FROM {schema}.acct_record")
raw("with a quoted schema", 'SELECT body FROM "{schema}"."acct_record"')
raw(
    "with the default schema",
    "SELECT note FROM main.acct_invoice",
    only="sqlite",
    why="another name",
)
raw(
    "with the default schema of PostgreSQL",
    "SELECT note FROM public.acct_invoice",
    only="postgresql",
    why="another name",
)
raw("with white space around the dot", "SELECT body FROM {schema} . acct_record")
raw("next to comments", "SELECT note FROM/**/acct_invoice/**/WHERE 1 = 1")
raw("after a comment to the end of the line", "SELECT note -- '\nFROM acct_invoice")
raw("between string literals", "SELECT 'a', note, 'b' FROM acct_invoice")
raw("after a literal with a doubled quote", "SELECT 'it''s', note FROM acct_invoice")
raw(
    "after a literal with a backslash",
    "SELECT 'a\\', note FROM acct_invoice -- '",
    only="sqlite postgresql",
    why="a backslash is an escape",
)
raw(
    "after an escape string",
    "SELECT E'a\\'', note FROM acct_invoice",
    only="postgresql",
    why="no E''",
)
raw(
    "after a backslash escape",
    "SELECT 'a\\'', note FROM acct_invoice",
    only="mariadb",
    why="no escapes",
)
raw(
    "in a dollar-quoted neighbourhood",
    "SELECT $a$ ' $a$, note FROM acct_invoice -- '",
    only="postgresql",
    why="no dollar quotes",
)
raw(
    "spelled in Unicode escapes",
    'SELECT note FROM U&"acct_\\0069nvoice"',
    only="postgresql",
    why="no U&",
)
raw(
    "spelled in Unicode escapes of another character",
    "SELECT note FROM U&\"acct_!0069nvoice\" UESCAPE '!'",
    only="postgresql",
    why="no U&",
)
raw("after a # comment", "SELECT note # '\nFROM acct_invoice", only="mariadb", why="no # comments")
raw(
    "in an executable comment",
    "SELECT note /*! FROM acct_invoice */",
    only="mariadb",
    why="no executable comments",
)
raw("by TABLE", "TABLE acct_customer", only="postgresql", why="no TABLE statement")
raw("in a subquery", "SELECT (SELECT min(note) FROM acct_invoice WHERE id > 400)")
raw("in a CTE", "WITH x AS (SELECT note FROM acct_invoice) SELECT note FROM x")
raw("in a UNION", "SELECT code FROM acct_currency UNION ALL SELECT note FROM acct_invoice")
raw("in a join with a shared table", "SELECT c.code, i.note FROM acct_currency c, acct_invoice i")
raw("of a tied table", "SELECT text FROM acct_invoice_line", needs="ties")
raw("of an association table", "SELECT tag_id FROM acct_invoice_tag", needs="ties")
raw("of a joined-inheritance child", "SELECT card FROM acct_card_payment")
raw("of a name that must be quoted", 'SELECT "Posted Text" FROM "acct_Ledger Entry"')
raw("of a Table that has no model", "SELECT body FROM acct_note", needs="core")
raw("COUNT", "SELECT count(*) FROM acct_invoice", sees=3)
raw("UPDATE", "UPDATE acct_invoice SET amount = 1", "write")
raw("DELETE", "DELETE FROM acct_posting", "write")
raw("INSERT", "INSERT INTO acct_tag ({key}, slug, label) VALUES ({theirs}, 'own-1', 'x')", "write")
raw("TRUNCATE", "TRUNCATE acct_posting", "write", why_not={"sqlite": "no TRUNCATE"})
raw("DROP TABLE", "DROP TABLE acct_posting", "write")
raw("ALTER TABLE", "ALTER TABLE acct_posting RENAME TO acct_moved", "write")
raw(
    "MERGE",
    "MERGE INTO acct_posting p USING acct_account a ON p.account_id = a.id WHEN MATCHED THEN UPDATE SET text = 'x'",
    "write",
    only="postgresql",
    why="no MERGE",
)
raw(
    "DO",
    "DO $$ BEGIN UPDATE acct_posting SET text = 'x'; END $$",
    "write",
    only="postgresql",
    why="no DO",
)
raw(
    "EXECUTE IMMEDIATE of a string that is put together",
    "EXECUTE IMMEDIATE concat('SELECT note FROM acct_', 'invoice')",
    only="mariadb",
    why="no EXECUTE IMMEDIATE",
)
raw(
    "EXECUTE IMMEDIATE",
    "EXECUTE IMMEDIATE 'SELECT note FROM acct_invoice'",
    only="mariadb",
    why="no EXECUTE IMMEDIATE",
)


raw(
    "ts_stat, whose query is a string",
    "SELECT 'own ' || word FROM ts_stat('SELECT to_tsvector(note) FROM acct_invoice')",
    only="postgresql",
    why="no such function",
)
raw(
    "ts_stat, whose string is put together",
    "SELECT 'own ' || word FROM ts_stat('SELECT to_tsvector(note) FROM acct_' || 'invoice')",
    only="postgresql",
    why="no such function",
)


@path("text: PREPARE and EXECUTE", only="mariadb", why="the name stands outside of a string")
def _(hand: Hand, m: Models) -> Any:
    hand.session.execute(text("PREPARE s FROM 'SELECT note FROM acct_invoice'"))
    return hand.session.execute(text("EXECUTE s")).all()


@path("text: CREATE TABLE AS")
def _(hand: Hand, m: Models) -> Any:
    try:
        hand.session.execute(text("CREATE TABLE acct_copy AS SELECT * FROM acct_invoice"))
        return hand.session.execute(text("SELECT note FROM acct_copy")).all()
    finally:
        hand.session.commit()
        hand.drop("acct_copy")


@path("text: with columns()")
def _(hand: Hand, m: Models) -> Any:
    return hand.session.execute(text("SELECT note FROM acct_invoice").columns(note=String)).all()


@path("text: columns() as a subquery")
def _(hand: Hand, m: Models) -> Any:
    inner = text("SELECT note FROM acct_invoice").columns(column("note", String)).subquery("x")
    return hand.session.execute(select(inner.c.note)).all()


@path("text: columns() as a CTE")
def _(hand: Hand, m: Models) -> Any:
    inner = text("SELECT note FROM acct_invoice").columns(column("note", String)).cte("x")
    return hand.session.execute(select(inner.c.note)).all()


@path("text: from_statement")
def _(hand: Hand, m: Models) -> Any:
    statement = text("SELECT * FROM acct_invoice")
    return hand.session.scalars(select(m.Invoice).from_statement(statement)).all()


@path("text: from_statement of a text() with the model's columns")
def _(hand: Hand, m: Models) -> Any:
    statement = text("SELECT id, note FROM acct_invoice").columns(m.Invoice.id, m.Invoice.note)
    return hand.session.scalars(select(m.Invoice).from_statement(statement)).all()


@path("text: legacy Query.from_statement")
def _(hand: Hand, m: Models) -> Any:
    return hand.session.query(m.Invoice).from_statement(text("SELECT * FROM acct_invoice")).all()


@path("text: by an engine's own connection")
def _(hand: Hand, m: Models) -> Any:
    with hand.engine.connect() as connection:
        return connection.execute(text("SELECT note FROM acct_invoice")).all()


@path("text: marked as reviewed on a connection for all that follows")
def _(hand: Hand, m: Models) -> Any:
    connection = hand.connection.execution_options(**hand.reviewed)
    return connection.execute(text("SELECT note FROM acct_invoice")).all()


@path("text: with a bound parameter")
def _(hand: Hand, m: Models) -> Any:
    statement = text("SELECT note FROM acct_invoice WHERE id > :n").bindparams(n=0)
    return hand.session.execute(statement).all()


@path("text: a write and a read in one", "write", only="sqlite", why="one statement at a time")
def _(hand: Hand, m: Models) -> Any:
    with hand.engine.connect() as connection:
        raw_connection = connection.connection
        cursor = raw_connection.cursor()
        cursor.close()
        connection.execute(text("UPDATE acct_posting SET text = 'x' RETURNING text")).all()
        connection.commit()


# Parts of statements.

reads(
    "literal_column: a scalar subquery",
    lambda m: select(literal_column("(SELECT min(note) FROM acct_invoice WHERE id > 400)")),
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


# Driver SQL.


def driver(name: str, sql: str, kind: Any = "read", **options: Any) -> None:
    def run(hand: Hand, m: Models) -> Any:
        result = hand.connection.exec_driver_sql(hand.named(sql))
        return result.all() if result.returns_rows else None

    run.__module__ = __name__
    path(f"driver SQL: {name}", kind, **options)(run)


driver("SELECT", "SELECT note FROM acct_invoice")
driver("quoted", 'SELECT note FROM "acct_invoice"')
driver(
    "in mixed case", "SELECT note FROM Acct_Invoice", why_not={"mariadb": "file names have a case"}
)
driver("next to comments", "/* x */SELECT note FROM/**/acct_invoice")
driver("of a tied table", "SELECT text FROM acct_invoice_line", needs="ties")
driver("UPDATE", "UPDATE acct_invoice SET amount = 1", "write")
driver("DELETE", "DELETE FROM acct_posting", "write")
driver(
    "disguised as reflection",
    "PRAGMA table_info(acct_invoice); SELECT note FROM acct_invoice",
    only="sqlite",
    why="no PRAGMA",
    errors=(Exception,),
    harmless="one statement at a time",
)
driver(
    "SHOW with more behind it",
    "SHOW TABLES WHERE (SELECT count(*) FROM acct_invoice) > 3",
    only="mariadb",
    why="no SHOW ... WHERE",
    sees=(),
)
driver("by TABLE", "TABLE acct_customer", only="postgresql", why="no TABLE statement")


@path("driver SQL: by an engine's own connection")
def _(hand: Hand, m: Models) -> Any:
    with hand.engine.connect() as connection:
        return connection.exec_driver_sql("SELECT note FROM acct_invoice").all()


@path("driver SQL: many", "write")
def _(hand: Hand, m: Models) -> Any:
    mark = {"sqlite": "?", "postgresql": "%s", "mariadb": "%s"}[hand.database]
    if hand.engine.dialect.driver == "asyncpg":
        mark = "$1"
    sql = f"UPDATE acct_posting SET text = 'x' WHERE id = {mark}"
    hand.connection.exec_driver_sql(sql, [(1,), (401,)])


# DDL.

writes("ddl: DDL() with a DELETE", lambda m: DDL("DELETE FROM acct_posting"))
writes("ddl: DropTable", lambda m: DropTable(m.Posting.__table__))


@path("ddl: Table.drop", "write")
def _(hand: Hand, m: Models) -> Any:
    m.Posting.__table__.drop(hand.connection)


@path("ddl: MetaData.drop_all", "write")
def _(hand: Hand, m: Models) -> Any:
    m.metadata.drop_all(hand.connection)


@path("ddl: a listener of the application's on create_all", "write")
def _(hand: Hand, m: Models) -> Any:
    from sqlalchemy import Column, Integer, MetaData, Table, event

    metadata = MetaData()
    made = Table("acct_made", metadata, Column("id", Integer))
    event.listen(made, "after_create", DDL("DELETE FROM acct_posting"))
    try:
        metadata.create_all(hand.connection)
    finally:
        hand.session.commit()
        hand.drop("acct_made")


@path("ddl: CREATE VIEW of a select", why_not={})
def _(hand: Hand, m: Models) -> Any:
    hand.session.execute(DDL("CREATE VIEW acct_view AS SELECT note FROM acct_invoice"))
    try:
        return hand.session.execute(text("SELECT note FROM acct_view")).all()
    finally:
        hand.session.commit()
        hand.drop("acct_view", "VIEW")
