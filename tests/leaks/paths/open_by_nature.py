"""What no code in SQLAlchemy's place can close. The database's own policies can."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

from sqlalchemy import column, select, table, text

from tests.leaks.catalogue import path
from tests.leaks.hand import Hand
from tests.leaks.schema import Models

DRIVER = "the driver's own cursor never passes through SQLAlchemy's execution"
STORED = "the SQL is stored in the database, under a name that tells nothing"


@path("open: a cursor of the driver's own connection", open=DRIVER)
def _(hand: Hand, m: Models) -> Any:
    with hand.driver() as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT note FROM acct_invoice")
        return cursor.fetchall()


@path("open: the raw connection under a session", open=DRIVER)
def _(hand: Hand, m: Models) -> Any:
    cursor = hand.connection.connection.cursor()
    cursor.execute("SELECT note FROM acct_invoice")
    found = cursor.fetchall()
    cursor.close()
    return [tuple(row) for row in found]


@path("open: Engine.raw_connection", open=DRIVER)
def _(hand: Hand, m: Models) -> Any:
    connection = hand.engine.raw_connection()
    try:
        cursor = connection.cursor()
        cursor.execute("SELECT note FROM acct_invoice")
        found = cursor.fetchall()
        cursor.close()
        return [tuple(row) for row in found]
    finally:
        connection.close()


@path("open: a write by a cursor of the driver's own", "write", open=DRIVER)
def _(hand: Hand, m: Models) -> Any:
    cursor = hand.connection.connection.cursor()
    cursor.execute("UPDATE acct_posting SET text = 'x'")
    cursor.close()


@path("open: a view that is not declared", open=STORED)
def _(hand: Hand, m: Models) -> Any:
    hand.make("CREATE VIEW acct_seen AS SELECT note FROM acct_invoice")
    try:
        return hand.session.execute(select(column("note")).select_from(table("acct_seen"))).all()
    finally:
        hand.session.commit()
        hand.drop("acct_seen", "VIEW")


@path("open: a function that runs SQL", open=STORED, why_not={"sqlite": "no stored functions"})
def _(hand: Hand, m: Models) -> Any:
    from sqlalchemy import func

    body = "SELECT min(note) FROM acct_invoice WHERE id > 400"
    if hand.database == "postgresql":
        hand.make(f"CREATE FUNCTION acct_peek() RETURNS text LANGUAGE sql AS $$ {body} $$")
    else:
        hand.make(f"CREATE FUNCTION acct_peek() RETURNS text RETURN ({body})")
    try:
        return hand.session.execute(select(func.acct_peek())).all()
    finally:
        hand.session.commit()
        hand.drop("acct_peek", "FUNCTION")


@path("open: a stored procedure", "write", open=STORED, why_not={"sqlite": "no procedures"})
def _(hand: Hand, m: Models) -> Any:
    body = "UPDATE acct_posting SET text = 'x'"
    if hand.database == "postgresql":
        hand.make(f"CREATE PROCEDURE acct_do() LANGUAGE sql AS $$ {body} $$")
    else:
        hand.make(f"CREATE PROCEDURE acct_do() {body}")
    try:
        hand.session.execute(text("CALL acct_do()"))
        hand.session.commit()
    finally:
        hand.drop("acct_do", "PROCEDURE")


@path("open: a trigger", "write", open=STORED, why_not={"postgresql": "a function does the same"})
def _(hand: Hand, m: Models) -> Any:
    hand.make(
        "CREATE TRIGGER acct_react AFTER UPDATE ON acct_currency FOR EACH ROW "
        "BEGIN UPDATE acct_posting SET text = 'x'; END"
    )
    try:
        hand.session.execute(m.Currency.__table__.update().values(name="x"))
        hand.session.commit()
    finally:
        hand.drop("acct_react", "TRIGGER")


@path(
    "open: the key of another tenant's row, told by a unique constraint",
    open="a constraint holds for all tenants; make it part of a key with the tenant",
    open_still="a constraint holds for all rows, those that are not shown included",
)
def _(hand: Hand, m: Models) -> Any:
    from sqlalchemy import insert
    from sqlalchemy.exc import IntegrityError

    try:
        hand.session.execute(
            insert(m.Tag).values({"slug": "bravo-urgent", "label": "own", hand.key: hand.mine})
        )
    except IntegrityError:
        hand.session.rollback()
        return "own and bravo-urgent is taken"
    return "own"


@path("open: another process", open="it does not run this code", only="sqlite sync", why="the same")
def _(hand: Hand, m: Models) -> Any:
    code = (
        "import sqlite3, sys\n"
        "print(sqlite3.connect(sys.argv[1]).execute('SELECT note FROM acct_invoice').fetchall())"
    )
    command = [sys.executable, "-c", code, str(hand.engine.url.database)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@path(
    "open: VACUUM INTO a file of the caller's",
    open="it copies the database whole and names no table",
    only="sqlite",
    why="no such statement",
)
def _(hand: Hand, m: Models) -> Any:
    import sqlite3
    from pathlib import Path

    copy = Path(f"{hand.engine.url.database}.copy")
    with hand.engine.connect() as connection:
        options = {"isolation_level": "AUTOCOMMIT"}
        connection.execution_options(**options).execute(text("COMMIT"))
        connection.execute(text(f"VACUUM INTO '{copy}'"))
    other = sqlite3.connect(copy)
    try:
        return other.execute("SELECT note FROM acct_invoice").fetchall()
    finally:
        other.close()
        copy.unlink()
