"""PostgreSQL cuts the name of a column, which may then be the tenant column's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import (
    Column,
    Engine,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    column,
    insert,
    table,
    update,
)
from sqlalchemy.dialects import postgresql

from tenantshield_mw import UnguardedStatementError, tenant_scope
from tenantshield_mw.adapters.sqlalchemy import tenant_aware
from tests.databases import Database, database, require
from tests.places import engine_here

TENANT = "t" * 63
LONG = "u" * 63
DECLARED = "long_" * 14
metadata = MetaData()
ROW = tenant_aware(
    Table(
        "cut_row",
        metadata,
        Column("id", Integer, primary_key=True, autoincrement=False),
        Column(TENANT, String(20), nullable=False),
        Column(LONG, Integer, ForeignKey("cut_row.id")),
        Column(DECLARED, Integer, ForeignKey("cut_row.id")),
        Column("note" * 20, String(20)),
    ),
    column=TENANT,
)


@pytest.fixture(scope="module")
def here() -> Iterator[Database]:
    require("postgresql")
    with database("postgresql") as here:
        engine = here.engine()
        metadata.create_all(engine)
        engine.dispose()
        here.run("INSERT INTO cut_row VALUES (1, 'acme'), (401, 'globex')")
        yield here


engine = engine_here


def bare(*names: str) -> Any:
    return table("cut_row", column("id"), column(TENANT), *map(column, names))


@pytest.mark.parametrize(
    ("name", "value"),
    [(f"{TENANT}x", "globex"), (f"{LONG}x", 401), (DECLARED[:63], 401), (f"{LONG}é", 401)],
)
def test_a_longer_name_is_refused(engine: Engine, name: str, value: Any) -> None:
    there = bare(name)
    upsert = postgresql.insert(there).values(id=1)
    statements: list[Any] = [
        update(there).values({name: value}),
        insert(there).values({"id": 9, name: value}),
        upsert.on_conflict_do_update(index_elements=["id"], set_={name: value}),
    ]
    for statement in statements:
        with (
            pytest.raises(UnguardedStatementError, match="cuts names"),
            engine.connect() as connection,
            tenant_scope("acme"),
        ):
            connection.execute(statement)


def test_a_declared_long_name_is_let_through(engine: Engine) -> None:
    with engine.connect() as connection, tenant_scope("acme"):
        connection.execute(update(ROW).values({DECLARED: 1, "note" * 20: "x"}))
