"""Raw SQL as a whole statement: ``text()`` that names a table."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    String,
    column,
    select,
    text,
)

from tests.leaks.catalogue import path
from tests.leaks.hand import Hand
from tests.leaks.schema import Models


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
raw(
    "behind an apostrophe in a name", """SELECT note AS "it's" FROM acct_invoice ORDER BY "it's" """
)
raw("in single quotes", "SELECT note FROM 'acct_invoice'", only="sqlite", why="a string")
raw(
    "in single quotes, in a list",
    "SELECT i.note FROM acct_currency, 'acct_invoice' AS i",
    only="sqlite",
    why="a string",
)
raw(
    "in single quotes, in parentheses",
    "SELECT note FROM ('acct_invoice')",
    only="sqlite",
    why="a string",
)
raw(
    "in single quotes, with a schema",
    "SELECT note FROM 'main'.'acct_invoice'",
    only="sqlite",
    why="a string",
)
raw("COUNT", "SELECT count(*) FROM acct_invoice", sees=3)
raw("UPDATE", "UPDATE acct_invoice SET amount = 1", "write")
raw("DELETE", "DELETE FROM acct_posting", "write")
raw("INSERT", "INSERT INTO acct_tag ({key}, slug, label) VALUES ({theirs}, 'own-1', 'x')", "write")
raw("TRUNCATE", "TRUNCATE acct_posting", "write", why_not={"sqlite": "no TRUNCATE"})
raw("DROP TABLE", "DROP TABLE acct_posting", "write")
raw("ALTER TABLE", "ALTER TABLE acct_posting RENAME TO acct_moved", "write")
raw(
    "MERGE",
    "MERGE INTO acct_posting p USING acct_account a ON p.account_id = a.id "
    "WHEN MATCHED THEN UPDATE SET text = 'x'",
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
    "DO, which puts a statement together",
    "DO $$ BEGIN EXECUTE 'UPDATE acct_' || 'posting SET text = ''x'''; END $$",
    "write",
    only="postgresql",
    why="no DO",
)
raw(
    "DO, with a comment and a plain string",
    "DO/**/LANGUAGE plpgsql "
    "'BEGIN EXECUTE ''UPDATE acct_'' || ''posting SET text = ''''x''''''; END'",
    "write",
    only="postgresql",
    why="no DO",
)
raw(
    "EXECUTE IMMEDIATE with a comment in between",
    "EXECUTE/**/IMMEDIATE concat('SELECT note FROM acct_', 'invoice')",
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


@path("text: PREPARE of a string that is put together", only="mariadb", why="no such PREPARE")
def _(hand: Hand, m: Models) -> Any:
    hand.session.execute(text("PREPARE s/**/FROM concat('SELECT note FROM acct_', 'invoice')"))
    return hand.session.execute(text("EXECUTE s")).all()


@path("text: the planner's statistics", only="postgresql", why="kept elsewhere")
def _(hand: Hand, m: Models) -> Any:
    hand.session.execute(text("ANALYZE"))
    return hand.session.execute(
        text(
            "SELECT v FROM pg_stats, unnest(coalesce(most_common_vals::text::text[], '{}')"
            " || coalesce(histogram_bounds::text::text[], '{}')) v WHERE attname = 'note'"
        )
    ).all()


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
