"""What comes into a statement after it was compiled."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    Integer,
    MetaData,
    String,
    Table,
    bindparam,
    column,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import Column
from sqlalchemy.sql import quoted_name
from sqlalchemy.types import TypeDecorator, UserDefinedType

from tests.leaks.catalogue import path, reads, writes
from tests.leaks.hand import Hand
from tests.leaks.schema import Models


class Unquoted(UserDefinedType[str]):
    """A type of the application's that writes its values as they are."""

    cache_ok = True

    def get_col_spec(self, **kw: Any) -> str:
        return "VARCHAR(80)"

    def literal_processor(self, dialect: Any) -> Any:
        return str


class Decorated(TypeDecorator[Any]):
    """The same, as a decorator."""

    impl = String(80)
    cache_ok = True

    def literal_processor(self, dialect: Any) -> Any:
        return str


class Plain(String):
    """The same, as a subclass of a type of SQLAlchemy's."""

    def literal_processor(self, dialect: Any) -> Any:
        return str


def put(value: Any, type_: Any = None) -> Any:
    return bindparam("later", value, type_ or Unquoted(), literal_execute=True)


reads(
    "put in later: a value that is a subquery",
    lambda m: select(
        m.Currency.code, put("(SELECT note FROM acct_invoice WHERE id = 401)").label("v")
    ),
)
reads(
    "put in later: a value that closes its parenthesis",
    lambda m: select(m.Invoice.note).where(m.Invoice.id == put("1) OR (1 = 1")),
    harmless="where nothing is put in, there is no parenthesis to close",
    errors=(DBAPIError,),
)


reads(
    "put in later: a value of a decorated type that is a subquery",
    lambda m: select(
        m.Currency.code,
        put("(SELECT note FROM acct_invoice WHERE id = 401)", Decorated()).label("v"),
    ),
)
reads(
    "put in later: a value of a subclass of String that is a subquery",
    lambda m: select(
        m.Currency.code, put("(SELECT note FROM acct_invoice WHERE id = 401)", Plain(80)).label("v")
    ),
    why_not={"postgresql": "SQLAlchemy puts a type of its own in the place of this one"},
)
reads(
    "put in later: a value that begins another SELECT",
    lambda m: select(m.Currency.name).where(
        m.Currency.code == put("'none' UNION SELECT note FROM acct_invoice")
    ),
)
reads(
    "put in later: a value that makes a comment of what comes behind it",
    lambda m: select(m.Invoice.note).where(m.Invoice.id == put("1 OR 1 = 1 -- ")),
)
writes(
    "put in later: the tenant in INSERT",
    lambda m: insert(m.Tag.__table__).values(
        {m.key: put(m.theirs, String()), "slug": "own", "label": "own"}
    ),
)
writes(
    "put in later: the tenant in UPDATE",
    lambda m: update(m.Tag.__table__).values({m.key: put(m.theirs, String())}),
)
writes(
    "put in later: a foreign key in UPDATE",
    lambda m: (
        update(m.Payment.__table__)
        .where(m.Payment.__table__.c.id == 1)
        .values(invoice_id=put(401, Integer()))
    ),
)
writes(
    "put in later: a foreign key in an expression",
    lambda m: (
        update(m.Payment.__table__)
        .where(m.Payment.__table__.c.id == 1)
        .values(invoice_id=func.coalesce(put(401, Integer()), 1))
    ),
)
writes(
    "put in later: a tie in INSERT",
    lambda m: insert(m.InvoiceLine.__table__).values(
        invoice_id=put(401, Integer()), text="own", quantity=1
    ),
    needs="ties",
)


@path("put in later: a value of a SET with another column behind it", "write")
def _(hand: Hand, m: Models) -> Any:
    value = put(f"'own', {hand.key} = '{hand.theirs}'")
    # The caller's own rows become the other tenant's.
    return hand.session.execute(update(m.Invoice).values(note=value)).rowcount


def moved(hand: Hand, form: str) -> tuple[Any, Table]:
    """Return a connection on which the schema of the returned table is more than a name."""
    schemas = {"sqlite": "main", "postgresql": "public"}
    schema = schemas.get(hand.database) or str(hand.engine.url.database)
    name = quoted_name(form.format(schema), quote=False)
    connection = hand.connection.execution_options(schema_translate_map={"there": name})
    columns = Column("code", String(3)), Column("name", String(40))
    return connection, Table("acct_currency", MetaData(), *columns, schema="there")


@path("put in later: the name of a schema that is more than a name")
def _(hand: Hand, m: Models) -> Any:
    connection, currency = moved(hand, "{0}.acct_invoice, {0}")
    return connection.execute(select(column("note")).select_from(currency)).all()


@path("put in later: the name of a schema that begins with a subquery")
def _(hand: Hand, m: Models) -> Any:
    connection, currency = moved(hand, "(SELECT note FROM acct_invoice) AS x, {0}")
    return connection.execute(select(column("note")).select_from(currency)).all()


@path("put in later: the name of a schema that joins another table")
def _(hand: Hand, m: Models) -> Any:
    connection, currency = moved(hand, "{0}.acct_invoice CROSS JOIN {0}")
    return connection.execute(select(column("note")).select_from(currency)).all()


@path("put in later: the name of a schema that is another table to delete from", "write")
def _(hand: Hand, m: Models) -> Any:
    connection, currency = moved(hand, "{0}.acct_member -- ")
    connection.execute(currency.delete())
    hand.session.commit()
