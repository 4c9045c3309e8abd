"""Tables tied to bills, with rows of two tenants: conditions raise on the other tenant's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Engine,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    cast,
    func,
)
from sqlalchemy.dialects.mysql import INTEGER

from tenantshield_mw import system_scope, tenant_scope
from tenantshield_mw.adapters.sqlalchemy import tenant_aware
from tests.databases import NAMES, database, require

metadata = MetaData()
bill = Table(
    "ev_bill",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("tenant_id", String(20), nullable=False),
    Column("name", String(20)),
)
line = Table(
    "ev_line",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("bill_id", ForeignKey("ev_bill.id"), nullable=False),
    Column("price", String(20)),
    Column("divisor", Integer),
)
note = Table(
    "ev_note",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("line_id", ForeignKey("ev_line.id"), nullable=False),
    Column("body", String(20)),
)
tenant_aware(bill)

SEED = (
    (
        "INSERT INTO ev_bill VALUES (1, 'acme', '{name}'), (2, 'acme', '{name}'),"
        " (401, 'globex', '{other}')"
    ),
    "INSERT INTO ev_line VALUES (1, 1, '7', 2), (2, 1, '3', 1), (401, 401, '{other}', 0)",
    "INSERT INTO ev_note VALUES (1, 1, '9'), (401, 401, '{other}')",
)


@pytest.fixture(scope="module", params=NAMES)
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    require(request.param)
    with database(request.param) as here:
        made = here.engine()
        with system_scope("make the tables"):
            metadata.create_all(made)
        # The name of a table, where cheap() looks for one.
        name = "ev_bill" if request.param == "postgresql" else "7"
        other = str(2**64 - 1) if request.param == "mariadb" else "globex says"
        here.run(*(each.format(name=name, other=other) for each in SEED))
        yield made
        made.dispose()


def number(c: Connection, column: Any) -> Any:
    """Return the number that ``column`` holds; it raises, with the value, on globex's rows."""
    if c.dialect.name == "postgresql":
        return cast(column, Integer)
    if c.dialect.name == "sqlite":
        # Malformed JSON is an error; a number is well-formed.
        return func.json_extract(column, "$")
    # Beyond the largest number is an error.
    return cast(column, INTEGER(unsigned=True)) * 2 / 2


def risky(c: Connection, table: Any = line) -> Any:
    """Return a condition that is true for '7' and raises if it is evaluated on globex's row."""
    return number(c, table.c.price) > 5


def cheap(c: Connection, table: Any = bill) -> Any:
    """Return a condition that PostgreSQL evaluates before others; it raises on globex's bills."""
    if c.dialect.name == "postgresql":
        return func.has_table_privilege(table.c.name, "select", type_=Boolean)
    return number(c, table.c.name) > 0


Query = Callable[[Connection], Any]


class Queries(dict[str, tuple[Query, list[Any]]]):
    """Statements by their names, with what acme sees."""

    def query(self, name: str, *expected: Any) -> Callable[[Query], Query]:
        """Return a decorator that enters a function that makes a statement."""

        def enter(make: Query) -> Query:
            self[name] = (make, list(expected))
            return make

        return enter


def seen(engine: Engine, make: Query) -> list[Any]:
    """Return what acme's statement returns, sorted; single values without their tuple."""
    with tenant_scope("acme"), engine.connect() as connection:
        found = connection.execute(make(connection)).all()
    return sorted((row[0] if len(row) == 1 else tuple(row) for row in found), key=repr)
