"""Parts of a statement that are taken as they are, and could take it apart."""

from __future__ import annotations

from typing import Any

import sqlalchemy
from sqlalchemy import (
    ColumnElement,
    Integer,
    cast,
    column,
    delete,
    event,
    extract,
    func,
    insert,
    literal,
    literal_column,
    select,
    text,
    update,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import quoted_name
from sqlalchemy.types import UserDefinedType

from tests.leaks.catalogue import path, reads, writes
from tests.leaks.hand import Hand
from tests.leaks.schema import Models
from tests.tstrings import Interpolated, tstring

WIDE = "1 = 1) OR (1 = 1"
"""Closes the parenthesis that it is put into, and opens another."""


CLOSES: dict[str, Any] = {
    "harmless": "where nothing is put in, there is no parenthesis to close",
    "errors": (DBAPIError,),
}


class Widening(ColumnElement[bool]):
    """An element of the application's, compiled by the application."""

    inherit_cache = True
    type = sqlalchemy.Boolean()


@compiles(Widening)
def _widening(element: Any, compiler: Any, **kw: Any) -> str:
    return WIDE


class WideningType(UserDefinedType[Any]):
    """A type whose name is more than a name."""

    cache_ok = True

    def get_col_spec(self, **kw: Any) -> str:
        return "integer) = 1 OR (1 = 1"


reads(
    "fragment: text in WHERE that closes it",
    lambda m: select(m.Invoice.note).where(text(WIDE)),
    **CLOSES,
)
reads(
    "fragment: text in WHERE, beside another criterion",
    lambda m: select(m.Invoice.note).where(m.Invoice.amount > 0, text(WIDE)),
    **CLOSES,
)
reads(
    "fragment: text in WHERE with a comment that hides the rest",
    lambda m: select(m.Invoice.note).where(text("1 = 1) /*"), literal_column("*/ (1 = 1")),
    harmless="the parts stand in parentheses of their own",
    errors=(DBAPIError,),
)
reads(
    "fragment: literal_column in WHERE that closes it",
    lambda m: select(m.Invoice.note).where(literal_column(WIDE, sqlalchemy.Boolean)),
    **CLOSES,
)
reads(
    "fragment: text in the ON of a join that closes it",
    lambda m: select(m.Customer.name, m.Invoice.note).outerjoin(m.Invoice, text(WIDE)),
    **CLOSES,
)
reads(
    "fragment: an operator that closes its parenthesis",
    lambda m: select(m.Invoice.note).where(literal_column("1").op("= 1) OR (1 =")(1)),
    **CLOSES,
)
reads(
    "fragment: an operator with OR",
    lambda m: select(m.Invoice.note).where(m.Invoice.id.op("> 0 OR 1 =")(1)),
)
reads(
    "fragment: an operator that is a comment",
    lambda m: select(m.Invoice.note).where(m.Invoice.id.op("> 0 -- ")(literal_column("\n0"))),
    harmless="the comment ends at the line",
    errors=(DBAPIError,),
)
reads(
    "fragment: a boolean operator that takes the place of AND",
    lambda m: select(m.Invoice.note).where(m.Invoice.id.bool_op("IS NOT NULL OR 1 =")(1)),
)
reads(
    "fragment: suffix_with",
    lambda m: select(m.Invoice.note).where(m.Invoice.id > 0).suffix_with("OR 1 = 1"),
)
reads(
    "fragment: with_statement_hint",
    lambda m: select(m.Invoice.note).where(m.Invoice.id > 0).with_statement_hint("OR 1 = 1"),
)
reads(
    "fragment: prefix_with",
    lambda m: select(m.Invoice.note).prefix_with("ALL"),
)
reads(
    "fragment: text in GROUP BY",
    lambda m: select(m.Invoice.note).group_by(m.Invoice.note, text("note HAVING 1 = 1 OR 1 = 1")),
)
reads(
    "fragment: text in ORDER BY with a UNION",
    lambda m: select(m.Invoice.note).order_by(text("1 LIMIT 9")),
)
reads(
    "fragment: text as LIMIT",
    lambda m: select(m.Invoice.note).order_by(m.Invoice.id).limit(literal_column("9")),
)
reads(
    "fragment: an element of the application's that closes its parenthesis",
    lambda m: select(m.Invoice.note).where(Widening()),
    **CLOSES,
)
reads(
    "fragment: a type whose name closes its parenthesis",
    lambda m: select(m.Invoice.note).where(cast(literal_column("1"), WideningType())),
    why_not={"mariadb": "SQLAlchemy leaves out a CAST to a type that it does not know"},
)
reads(
    "fragment: the field of EXTRACT",
    lambda m: select(m.Invoice.note).where(
        extract("year FROM current_date) > 0 OR (0 <> 1) OR extract(year", func.current_date()) > 0
    ),
    why_not={"sqlite": "SQLAlchemy takes the fields that it knows"},
)
reads(
    "fragment: the name of a collation",
    lambda m: select(m.Invoice.note).where(
        m.Invoice.note.collate(quoted_name("x OR 1 = 1 OR note COLLATE x", quote=False)) == ""
    ),
    errors=(DBAPIError,),
    harmless="no database has such a collation",
)
reads(
    "fragment: a column whose name is told not to be quoted",
    lambda m: select(m.Invoice.note).where(
        column(quoted_name("1 = 1 OR 1", quote=False), Integer) == 1
    ),
)
reads(
    "fragment: a function's package that is more than a name",
    lambda m: select(m.Invoice.note).where(
        getattr(func, quoted_name("coalesce(1, 1) = 1 OR abs", quote=False))(1) == 1
    ),
)
reads(
    "fragment: text in a subquery's WHERE",
    lambda m: (lambda s: select(s.c.note))(select(m.Invoice.note).where(text(WIDE)).subquery()),
    **CLOSES,
)
reads(
    "fragment: text in EXISTS",
    lambda m: select(m.Currency.code, literal("own")).where(
        select(m.Invoice.id).where(m.Invoice.id == 401, text(WIDE)).exists()
    ),
    **CLOSES,
)
writes(
    "fragment: text in the WHERE of an UPDATE",
    lambda m: update(m.Invoice).where(text(WIDE)).values(amount=1),
    **CLOSES,
)
writes(
    "fragment: text in the WHERE of a DELETE",
    lambda m: delete(m.Posting).where(text(WIDE)),
    **CLOSES,
)
writes(
    "fragment: text in a SET that goes on",
    lambda m: (
        update(m.Posting)
        .where(m.Posting.id > literal_column("0"))
        .values(text=text("'x' WHERE 1 = 1 OR 1 = 1 -- "))
        .execution_options(synchronize_session=False)
    ),
)
writes(
    "fragment: text in a SET with another column behind it",
    lambda m: (
        update(m.Member)
        .where(m.Member.id == 1)
        .values(name=text("'own', org_id = 'bravo'"))
        .execution_options(synchronize_session=False)
    ),
    errors=(DBAPIError,),
    needs="columns",
)
writes(
    "fragment: text among the VALUES, with a second row behind it",
    lambda m: insert(m.Member.__table__).values(org_id="alfa", name=text("'own'), ('bravo', 'x'")),
    needs="columns",
)
writes(
    "fragment: a comment among the VALUES",
    lambda m: insert(m.Member.__table__).values(name="own", org_id=text("'bravo'")),
    needs="columns",
)
writes(
    "fragment: suffix of an UPDATE by its RETURNING",
    lambda m: (
        update(m.Posting.__table__)
        .where(m.Posting.__table__.c.id > 0)
        .values(text="x")
        .returning(literal_column("1"))
    ),
    why_not={"mariadb": "no UPDATE ... RETURNING"},
)

WITHOUT: dict[str, str] = (
    {}
    if hasattr(sqlalchemy, "tstring")
    else dict.fromkeys(("sqlite", "postgresql", "mariadb"), "template strings came with 2.1")
)


reads(
    "template string: SELECT", lambda m: tstring("SELECT note FROM acct_invoice"), why_not=WITHOUT
)
reads(
    "template string: in WHERE, closing it",
    lambda m: select(m.Invoice.note).where(tstring(WIDE)),
    why_not=WITHOUT,
    **CLOSES,
)
reads(
    "template string: a Table as its value",
    lambda m: tstring("SELECT note FROM ", Interpolated(m.Invoice.__table__)),
    why_not=WITHOUT,
)


@path(
    "open: a listener of the application's that rewrites the SQL behind the compiler",
    open="before_cursor_execute(retval=True) has the last word on what is sent",
)
def _(hand: Hand, m: Models) -> Any:
    def rewrite(
        connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool
    ) -> tuple[str, Any]:
        if "acct_currency" not in statement:
            return statement, parameters
        return "SELECT note FROM acct_invoice", ()

    event.listen(hand.engine, "before_cursor_execute", rewrite, retval=True)
    try:
        return hand.session.execute(select(m.Currency.name)).all()
    finally:
        event.remove(hand.engine, "before_cursor_execute", rewrite)
