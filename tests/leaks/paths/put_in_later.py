"""What comes into a statement after it was compiled."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Integer, MetaData, String, Table, bindparam, column, select, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import Column
from sqlalchemy.sql import quoted_name
from sqlalchemy.types import UserDefinedType

from tests.leaks.catalogue import path, reads
from tests.leaks.hand import Hand
from tests.leaks.schema import Models


class Unquoted(UserDefinedType[str]):
    """A type of the application's that writes its values as they are."""

    cache_ok = True

    def get_col_spec(self, **kw: Any) -> str:
        return "VARCHAR(80)"

    def literal_processor(self, dialect: Any) -> Any:
        return str


def put(value: str) -> Any:
    return bindparam("later", value, Unquoted(), literal_execute=True)


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


@path("put in later: a value of a SET with another column behind it", "write")
def _(hand: Hand, m: Models) -> Any:
    value = put(f"'own', {hand.key} = '{hand.theirs}'")
    # The caller's own rows become the other tenant's.
    return hand.session.execute(update(m.Invoice).values(note=value)).rowcount


@path("put in later: the name of a schema that is more than a name")
def _(hand: Hand, m: Models) -> Any:
    schemas = {"sqlite": "main", "postgresql": "public"}
    schema = schemas.get(hand.database) or str(hand.engine.url.database)
    name = quoted_name(f"{schema}.acct_invoice, {schema}", quote=False)
    connection = hand.connection.execution_options(schema_translate_map={"there": name})
    columns = Column("code", String), Column("id", Integer)
    currency = Table("acct_currency", MetaData(), *columns, schema="there")
    return connection.execute(select(column("note")).select_from(currency)).all()
