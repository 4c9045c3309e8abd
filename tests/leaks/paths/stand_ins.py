"""Temporary tables and views that stand in for a tenants' table by its name."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, Final

import sqlalchemy
from sqlalchemy import Column, Integer, MetaData, String, Table, func, insert, literal, select, text
from sqlalchemy import update as update_of
from sqlalchemy.schema import CreateTable

from tests.leaks.catalogue import path
from tests.leaks.hand import Hand
from tests.leaks.schema import Models

TIES: Final[dict[str, Any]] = {"needs": "ties"}


@contextmanager
def own_connection(hand: Hand) -> Generator[Any, None, None]:
    """Yield a connection that does not go back to the pool with what was made on it."""
    with hand.engine.connect() as connection:
        try:
            yield connection
        finally:
            connection.invalidate()


def invoices(hand: Hand, *prefixes: str, schema: str | None = None) -> Table:
    """Return a ``Table`` with the name of the invoices'."""
    return Table(
        "acct_invoice",
        MetaData(),
        Column("id", Integer),
        Column(hand.key, String(40)),
        Column("customer_id", Integer),
        Column("category_id", Integer),
        Column("reference", String(20)),
        Column("note", String(80)),
        Column("amount", Integer),
        Column("private", String(80)),
        schema=schema,
        prefixes=list(prefixes),
    )


TEMPORARY = "CREATE TEMPORARY TABLE acct_invoice AS SELECT 401 AS id, {mine} AS {key}"
VIEW = "CREATE TEMPORARY VIEW acct_invoice AS SELECT 401 AS id, {mine} AS {key}"

Maker = Callable[[Hand, Any], Any]


def by_construct(hand: Hand, connection: Any, **options: Any) -> None:
    """Make a table that says that the other tenant's invoice is the caller's."""
    made = invoices(hand, "TEMPORARY")
    made.create(connection, checkfirst=False)
    connection.execute(insert(made).values({"id": 401, hand.key: hand.mine}))


def by_element(hand: Hand, connection: Any) -> None:
    made = invoices(hand, "temporary")
    connection.execute(CreateTable(made, if_not_exists=True))
    connection.execute(insert(made).values({"id": 401, hand.key: hand.mine}))


def by_schema(hand: Hand, connection: Any) -> None:
    made = invoices(hand, schema="temp" if hand.database == "sqlite" else "pg_temp")
    made.create(connection, checkfirst=False)
    connection.execute(insert(made).values({"id": 401, hand.key: hand.mine}))


def by_translation(hand: Hand, connection: Any) -> None:
    there = "temp" if hand.database == "sqlite" else "pg_temp"
    made = invoices(hand)
    moved = CreateTable(made).execution_options(schema_translate_map={None: there})
    connection.execute(moved)
    connection.execute(insert(made).values({"id": 401, hand.key: hand.mine}))


def by_query(hand: Hand, connection: Any, construct: str = "CreateTableAs") -> None:
    source = select(literal(401).label("id"), literal(hand.mine).label(hand.key))
    made: Any = getattr(sqlalchemy, construct)
    connection.execute(made(source, "acct_invoice", temporary=True))


def by_text(hand: Hand, connection: Any) -> None:
    connection.execute(text(hand.named(TEMPORARY)))


def by_driver_sql(hand: Hand, connection: Any) -> None:
    connection.exec_driver_sql(hand.named(TEMPORARY))


def by_view(hand: Hand, connection: Any) -> None:
    connection.execute(text(hand.named(VIEW)))


def by_view_construct(hand: Hand, connection: Any) -> None:
    by_query(hand, connection, "CreateView")


NEWER = {
    "why_not": (
        {"mariadb": "no temporary views"}
        if hasattr(sqlalchemy, "CreateView")
        else dict.fromkeys(["sqlite", "postgresql", "mariadb"], "SQLAlchemy 2.1 has it")
    )
}
NEW: Final[dict[str, Any]] = (
    {}
    if hasattr(sqlalchemy, "CreateTableAs")
    else {"why_not": dict.fromkeys(["sqlite", "postgresql", "mariadb"], "SQLAlchemy 2.1 has it")}
)
SCHEMA: Final[dict[str, Any]] = {"why_not": {"mariadb": "no schema of temporary tables"}}
MAKERS: Final[dict[str, tuple[Maker, dict[str, Any]]]] = {
    "a Table with a prefix": (by_construct, {}),
    "CreateTable() of it": (by_element, {}),
    "a Table in the schema of temporary ones": (by_schema, SCHEMA),
    "a Table translated into that schema": (by_translation, SCHEMA),
    "CreateTableAs()": (by_query, NEW),
    "text()": (by_text, {}),
    "driver SQL": (by_driver_sql, {}),
    "text(), a view": (by_view, {"why_not": {"mariadb": "no temporary views"}}),
    "CreateView()": (by_view_construct, NEWER),
}


def enter(name: str, make: Maker, options: dict[str, Any]) -> None:
    def read(hand: Hand, m: Models) -> Any:
        with own_connection(hand) as connection:
            make(hand, connection)
            return [*connection.execute(select(m.InvoiceLine.__table__.c.text)).all(), "own end"]

    def write(hand: Hand, m: Models) -> None:
        with own_connection(hand) as connection:
            make(hand, connection)
            line = m.InvoiceLine.__table__
            connection.execute(insert(line).values(text="own", quantity=1, invoice_id=401))
            connection.commit()

    path(f"stand-in: by {name}, for a tied table to be read", **TIES, **options)(read)
    path(f"stand-in: by {name}, for a tie to be written", "write", **TIES, **options)(write)


for each, (maker, given) in MAKERS.items():
    enter(each, maker, given)


# One that somebody else left on a pooled connection.


def left(name: str, act: Callable[[Any, Models], Any], kind: Any = "read", **options: Any) -> None:
    """Enter a way for which a system scope left a temporary table behind."""

    def run(hand: Hand, m: Models) -> Any:
        with own_connection(hand) as connection:
            with hand.system():
                by_construct(hand, connection)
                connection.commit()
            with hand.scope(hand.mine):
                found = act(connection, m)
                connection.commit()
            return [*found, "own end"] if kind == "read" else None

    run.__module__ = __name__
    needs = "ties ambient system"
    path(f"stand-in: left by a system scope, {name}", kind, tenant="own", needs=needs, **options)(
        run
    )


left("a tied table", lambda c, m: c.execute(select(m.InvoiceLine.__table__.c.text)).all())
left(
    "a tied table, joined to it",
    lambda c, m: c.execute(
        select(m.InvoiceLine.__table__.c.text).select_from(
            m.InvoiceLine.__table__.join(
                m.Invoice.__table__,
                m.Invoice.__table__.c.id == m.InvoiceLine.__table__.c.invoice_id,
            )
        )
    ).all(),
)
left(
    "a tie",
    lambda c, m: c.execute(
        insert(m.InvoiceLine.__table__).values(text="own", quantity=1, invoice_id=401)
    ),
    "write",
)
left(
    "an UPDATE of a tied table",
    lambda c, m: c.execute(update_of(m.InvoiceLine.__table__).values(text="own")),
    "write",
)
left(
    "a count of a tied table's rows",
    lambda c, m: c.execute(select(func.max(m.InvoiceLine.__table__.c.quantity))).all(),
)
