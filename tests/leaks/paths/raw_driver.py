"""Driver SQL, and DDL."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    text,
)
from sqlalchemy.schema import DDL, DropTable

from tests.leaks.catalogue import NOT_OWNER, path, writes
from tests.leaks.hand import Hand
from tests.leaks.schema import Models

ddl: Any = DDL  # which has no types


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
driver("in single quotes", "SELECT note FROM 'acct_invoice'", only="sqlite", why="a string")
driver(
    "DO, which puts a statement together",
    "DO $$ BEGIN EXECUTE 'UPDATE acct_' || 'posting SET text = ''x'''; END $$",
    "write",
    only="postgresql",
    why="no DO",
)
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


writes(
    "ddl: DDL() with a table in single quotes",
    lambda m: ddl("DELETE FROM 'acct_posting'"),
    only="sqlite",
    why="a string",
)
writes("ddl: DDL() with a DELETE", lambda m: ddl("DELETE FROM acct_posting"))
writes("ddl: DropTable", lambda m: DropTable(m.Posting.__table__))


@path("ddl: Table.drop", "write")
def _(hand: Hand, m: Models) -> Any:
    m.Posting.__table__.drop(hand.connection)


@path("ddl: MetaData.drop_all", "write")
def _(hand: Hand, m: Models) -> Any:
    m.metadata.drop_all(hand.connection)


@path("ddl: a listener of the application's on create_all", "write", why_not=NOT_OWNER)
def _(hand: Hand, m: Models) -> Any:
    from sqlalchemy import Column, Integer, MetaData, Table, event

    metadata = MetaData()
    made = Table("acct_made", metadata, Column("id", Integer))
    event.listen(made, "after_create", ddl("DELETE FROM acct_posting"))
    try:
        metadata.create_all(hand.connection)
    finally:
        hand.session.commit()
        hand.drop("acct_made")


@path("ddl: CREATE VIEW of a select", why_not={})
def _(hand: Hand, m: Models) -> Any:
    hand.session.execute(ddl("CREATE VIEW acct_view AS SELECT note FROM acct_invoice"))
    try:
        return hand.session.execute(text("SELECT note FROM acct_view")).all()
    finally:
        hand.session.commit()
        hand.drop("acct_view", "VIEW")


SETTABLE = "whoever may run any SQL may also set what the policies go by"


def forged(name: str, sql: str, beyond_policies: str | None = SETTABLE) -> None:
    """Enter a way that tells the database's policies another tenant, and reads past the guard."""

    def run(hand: Hand, m: Models) -> Any:
        hand.session.execute(text(sql))
        cursor = hand.connection.connection.cursor()
        try:
            cursor.execute("SELECT note FROM acct_invoice")
            return cursor.fetchall()
        finally:
            cursor.close()

    run.__module__ = __name__
    why = "a cursor of the driver's"
    path(f"policies: {name}", only="postgresql sync", why=why, beyond_policies=beyond_policies)(run)


# After such a text, the database is told the tenant again.
forged(
    "another tenant in the setting", "SET LOCAL tenantshield.text = 'bravo'", beyond_policies=None
)
forged("another tenant by set_config()", "SELECT set_config('tenantshield.text', 'bravo', true)")
forged("another role", "SET LOCAL ROLE NONE", beyond_policies=None)
