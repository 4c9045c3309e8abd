"""Texts of another tenant's rows that a conversion, a pattern or a function would tell.

Of the databases, MariaDB quotes a text that it converts, and PostgreSQL refuses some patterns only
if they come so far as to match a row.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import (
    String,
    bindparam,
    case,
    func,
    insert,
    literal,
    select,
    tuple_,
    union_all,
    update,
)
from sqlalchemy.exc import DBAPIError

from tests.leaks.catalogue import path
from tests.leaks.hand import Hand
from tests.leaks.schema import SCHEMA, Models

MARIADB: Final[dict[str, Any]] = {
    "only": "mariadb",
    "why": "its errors do not quote what it converts",
}
POSTGRESQL: Final[dict[str, Any]] = {
    "only": "postgresql",
    "why": "it takes such a pattern, or has no functions in schemas",
}


def told(hand: Hand, statement: Any, *, by_failing: str = "") -> list[Any]:
    """Return what the database says of a failure, and that the statement came to its end if not.

    Args:
        by_failing: what is said of the other tenant's row if it alone makes the statement fail.
    """
    try:
        with hand.session.begin_nested():
            hand.session.execute(statement)
    except DBAPIError as error:
        return [by_failing, "own", f"own end: {error.orig}"]
    finally:
        hand.session.rollback()
    return ["own end"]


# -- conversions of MariaDB -----------------------------------------------------------

UNLIKE: Final[dict[str, Callable[[Any], Any]]] = {
    "a number": lambda rows: rows.c.note == 5,
    "a list of numbers": lambda rows: rows.c.note.in_([5, 6]),
    "a range of numbers": lambda rows: rows.c.note.between(1, 2),
    "a decimal": lambda rows: rows.c.note == Decimal("1.5"),
    "another column": lambda rows: rows.c.note == rows.c.amount,
    "a truth value": lambda rows: rows.c.note,
    "a function": lambda rows: func.coalesce(rows.c.note, "x") == 5,
    "CASE": lambda rows: case((rows.c.amount > 0, rows.c.note), else_="x") == 5,
    "a tuple": lambda rows: tuple_(rows.c.note, rows.c.amount).in_([(5, 77010)]),
    "a parameter of another type": lambda rows: rows.c.note == bindparam("given", 5, String()),
}
SOURCES: Final[dict[str, Callable[[Models], Any]]] = {
    "a subquery": lambda m: select(m.Invoice.__table__).subquery(),
    "a CTE": lambda m: select(m.Invoice.__table__).cte("rows"),
    "a UNION": lambda m: union_all(
        select(m.Invoice.__table__), select(m.Invoice.__table__)
    ).subquery(),
}


def converted(name: str, source: str, unlike: Callable[[Any], Any]) -> None:
    def copied(hand: Hand, m: Models) -> Any:
        rows = SOURCES[source](m)
        # One's own texts fail, too, and come first.
        found = select(literal("XXX"), rows.c.note).where(rows.c.id > 400, unlike(rows))
        statement = insert(m.Currency.__table__).from_select(["code", "name"], found)
        return told(hand, statement)

    copied.__module__ = __name__
    path(f"converted: {name}, in INSERT ... SELECT of {source}", **MARIADB)(copied)


for _name, _unlike in UNLIKE.items():
    converted(_name, "a subquery", _unlike)
for _source in ("a CTE", "a UNION"):
    converted("a number", _source, UNLIKE["a number"])


@path("converted: a number, in UPDATE of a shared table", **MARIADB)
def _(hand: Hand, m: Models) -> Any:
    currency, rows = m.Currency.__table__, select(m.Invoice.__table__).subquery()
    statement = update(currency).where(
        currency.c.name != rows.c.note, rows.c.id > 400, rows.c.note == 5
    )
    return told(hand, statement.values(name="own"))


@path("converted: a number, in UPDATE of a shared table, of a tied one", needs="ties", **MARIADB)
def _(hand: Hand, m: Models) -> Any:
    currency, line = m.Currency.__table__, m.InvoiceLine.__table__
    statement = update(currency).where(
        currency.c.name != line.c.text, line.c.id > 400, line.c.text == 5
    )
    return told(hand, statement.values(name="own"))


# -- malformed patterns of PostgreSQL ---------------------------------------------------

PATTERNS: Final[dict[str, Callable[[Any, str], Any]]] = {
    "LIKE": lambda text, given: text.like(given),
    "NOT LIKE": lambda text, given: text.not_like(given),
    "ILIKE": lambda text, given: text.ilike(given),
    "NOT ILIKE": lambda text, given: text.not_ilike(given),
    "concatenated LIKE": lambda text, given: text.like(literal("") + given),
    "LIKE with an ESCAPE of one's own": lambda text, given: text.like(
        given.replace("\\", "/"), escape="/"
    ),
}


def matched(name: str, pattern: Callable[[Any, str], Any]) -> None:
    def run(hand: Hand, m: Models) -> Any:
        line = m.InvoiceLine.__table__
        statement = select(line.c.id).where(pattern(line.c.text, "bravo\\"))
        return told(hand, statement, by_failing="bravo's row made it fail")

    run.__module__ = __name__
    path(f"malformed pattern: {name}", needs="ties", **POSTGRESQL)(run)


for _name, _pattern in PATTERNS.items():
    matched(_name, _pattern)


@path("malformed pattern: of a tenant's own table", **POSTGRESQL)
def _(hand: Hand, m: Models) -> Any:
    statement = select(m.Invoice.id).where(m.Invoice.note.not_like("bravo\\"))
    return told(hand, statement, by_failing="bravo's row made it fail")


# -- functions of a schema that have the names of the database's ---------------------------


@contextmanager
def function(hand: Hand, name: str, takes: str, body: str) -> Generator[Any]:
    """Yield a function of a schema of the application's, which is dropped at the end."""
    full = f"{SCHEMA}.{name}({takes})"
    hand.make(
        f"CREATE FUNCTION {full} RETURNS {takes} LANGUAGE plpgsql COST 1 AS $$ BEGIN {body} END $$"
    )
    try:
        yield getattr(getattr(func, SCHEMA), name)
    finally:
        hand.session.rollback()
        hand.drop(full, "FUNCTION")


RAISES: Final = "IF $1 LIKE 'bravo%' THEN RAISE EXCEPTION 'saw %', $1; END IF; RETURN $1;"
CALLED: Final[dict[str, Callable[[Models, Any], Any]]] = {
    "WHERE": lambda m, f: select(m.InvoiceLine.id).where(f(m.InvoiceLine.text) == "own"),
    "WHERE of a subquery": lambda m, f: (
        lambda rows: select(rows.c.id).where(f(rows.c.text) == "own")
    )(select(m.InvoiceLine.__table__).subquery()),
    "ON of an outer join": lambda m, f: select(m.InvoiceLine.id).join(
        m.Currency, f(m.InvoiceLine.text) == "own", isouter=True
    ),
    "UPDATE": lambda m, f: (
        update(m.InvoiceLine.__table__)
        .where(f(m.InvoiceLine.__table__.c.text) == "own")
        .values(quantity=1)
    ),
}


def called(name: str, statement: Callable[[Models, Any], Any]) -> None:
    def run(hand: Hand, m: Models) -> Any:
        with function(hand, "lower", "text", RAISES) as lower:
            return told(hand, statement(m, lower))

    run.__module__ = __name__
    path(f"function of a schema: lower() in {name}", needs="ties", **POSTGRESQL)(run)


for _name, _statement in CALLED.items():
    called(_name, _statement)


def proving(name: str, given: Callable[[Any], tuple[Any, ...]], takes: str = "integer") -> None:
    def run(hand: Hand, m: Models) -> Any:
        own = select(func.max(m.Invoice.id)).where(m.Invoice.id == 1).scalar_subquery()
        with function(hand, name, takes, "RETURN 401;") as other:
            line = m.InvoiceLine.__table__
            key = other(*given(own))
            hand.session.execute(update(line).where(line.c.id == 1).values(invoice_id=key))
            hand.session.commit()

    run.__module__ = __name__
    path(f"function of a schema: {name}() as a tie", "write", needs="ties", **POSTGRESQL)(run)


for _name in ("max", "min", "coalesce", "abs"):
    proving(_name, lambda own: (own,))
