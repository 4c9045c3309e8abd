"""On MariaDB, a tenant column may have any character set."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import (
    Column,
    Engine,
    Integer,
    MetaData,
    String,
    Table,
    delete,
    insert,
    select,
    update,
)
from sqlalchemy.dialects import mysql

from tenantshield_mw import tenant_scope
from tenantshield_mw.adapters.sqlalchemy import tenant_aware
from tests.databases import Database, database, require
from tests.places import engine_here

TENANTS = ("Zoë", "zoë", "zoe", "ZOË")
CHARACTER_SETS = ("utf8mb4", "utf8mb3", "latin1", "latin2", "cp1250", "ucs2", "utf16", "utf32")

metadata = MetaData()
TABLES = {
    name: tenant_aware(
        Table(
            f"charset_{name}",
            metadata,
            Column("id", Integer, primary_key=True, autoincrement=False),
            Column(
                "tenant_id",
                String(20).with_variant(mysql.VARCHAR(20, charset=name), "mysql", "mariadb"),
                nullable=False,
            ),
            Column("text", String(20)),
        )
    )
    for name in CHARACTER_SETS
}


@pytest.fixture(scope="module")
def here() -> Iterator[Database]:
    require("mariadb")
    with database("mariadb") as here:
        engine = here.engine()
        metadata.create_all(engine)
        engine.dispose()
        yield here


engine = engine_here


@pytest.mark.parametrize("name", CHARACTER_SETS)
def test_each_tenant_reads_and_writes_its_rows_alone(
    here: Database, engine: Engine, name: str
) -> None:
    table = TABLES[name]
    for number, tenant in enumerate(TENANTS):
        with tenant_scope(tenant), engine.begin() as connection:
            connection.execute(insert(table).values(id=number))
            assert connection.scalars(select(table.c.id)).all() == [number]
            assert connection.execute(update(table).values(text="mine")).rowcount == 1
            upsert = mysql.insert(table).values(id=number, text="new")
            connection.execute(upsert.on_duplicate_key_update(text=upsert.inserted.text))
    assert {text for (text,) in here.read(f"SELECT text FROM charset_{name}")} == {"new"}
    with tenant_scope(TENANTS[0]), engine.begin() as connection:
        upsert = mysql.insert(table).values(id=1, text="stolen")
        connection.execute(upsert.on_duplicate_key_update(text=upsert.inserted.text))
        assert connection.execute(delete(table)).rowcount == 1
    left = here.read(f"SELECT id, text FROM charset_{name} ORDER BY id")
    assert left == [(1, "new"), (2, "new"), (3, "new")]
