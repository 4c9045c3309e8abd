"""What is written is judged by the names that are rendered."""

from __future__ import annotations

from collections.abc import Callable, Iterator
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
    func,
    insert,
    literal_column,
    update,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.sql.elements import quoted_name
from sqlalchemy.sql.expression import column, table

from tenantshield_mw import TenantShieldError, tenant_scope
from tenantshield_mw.adapters.sqlalchemy import shared_across_tenants, tenant_aware
from tests.databases import database, memory_engine, require

from ..watching import fill, rows
from .shop import SALE

METADATA = MetaData()
SETTING = tenant_aware(
    Table(
        "rowid_setting",
        METADATA,
        Column("tenant_id", Integer, primary_key=True),
        Column("value", String(20)),
    )
)
DOCUMENT = tenant_aware(
    Table(
        "rowid_document",
        METADATA,
        Column("id", Integer, primary_key=True),
        Column("tenant_id", Integer),
    )
)
REPORT = Table(
    "rowid_report",
    METADATA,
    Column("id", ForeignKey("rowid_document.id"), primary_key=True),
    Column("title", String(20)),
)
KIND = shared_across_tenants(Table("rowid_kind", METADATA, Column("id", Integer, primary_key=True)))
PRICE = tenant_aware(
    Table(
        "rowid_price",
        METADATA,
        Column("id", Integer, primary_key=True),
        Column("tenant_id", Integer),
        Column("kind_id", ForeignKey("rowid_kind.id", onupdate="CASCADE")),
    )
)
SEED = (
    "INSERT INTO rowid_setting VALUES (1, 'ours')",
    "INSERT INTO rowid_document VALUES (1, 1), (2, 2)",
    "INSERT INTO rowid_report VALUES (1, 'ours')",
    "INSERT INTO rowid_kind VALUES (1)",
    "INSERT INTO rowid_price VALUES (1, 2, 1)",
)
NAMES = ("rowid", "_rowid_", "oid", "ROWID", "OId")


def contents(engine: Engine) -> list[Any]:
    return [rows(engine, f"SELECT * FROM {each.name}") for each in METADATA.sorted_tables]


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = memory_engine()
    METADATA.create_all(engine)
    fill(engine, *SEED)
    before = contents(engine)
    yield engine
    assert contents(engine) == before
    engine.dispose()


def refused(engine: Engine, statement: Any, match: str | None = "another name of") -> None:
    with (
        tenant_scope(1),
        engine.begin() as connection,
        pytest.raises(TenantShieldError, match=match),
    ):
        connection.execute(statement)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("target", [SETTING, REPORT, KIND], ids=lambda each: each.name)
def test_another_name_of_the_key_is_refused(engine: Engine, target: Table, name: str) -> None:
    bare = table(target.name, column(name))
    system = Table(target.name, MetaData(), Column(name, Integer, system=True))
    for written in (bare, system):
        refused(engine, update(written).values({name: 2}))
        refused(engine, update(written).ordered_values((written.c[name], 2)))
        # It lacks the column that makes the row somebody's as well.
        refused(engine, insert(written).values({name: 3}), match=None)
    key = next(iter(target.primary_key)).name
    upsert = sqlite.insert(target).values({key: 1})
    refused(engine, upsert.on_conflict_do_update(index_elements=[key], set_={name: 2}))


def test_a_column_that_is_called_so_is_written() -> None:
    metadata = MetaData()
    real = tenant_aware(
        Table(
            "rowid_real",
            metadata,
            Column("id", Integer, primary_key=True),
            Column("tenant_id", Integer),
            Column("oid", String(20)),
        )
    )
    engine = memory_engine()
    metadata.create_all(engine)
    with tenant_scope(1), engine.begin() as connection:
        connection.execute(insert(real).values(id=1, oid="2.5.4"))
        connection.execute(update(real).values(oid="2.5.29"))
    assert rows(engine, "SELECT * FROM rowid_real") == [(1, 1, "2.5.29")]


def test_neither_is_mariadbs_name_of_it() -> None:
    require("mariadb")
    with database("mariadb") as here:
        engine = here.engine()
        METADATA.create_all(engine)
        fill(engine, *SEED)
        refused(engine, update(table("rowid_setting", column("_rowid"))).values(_rowid=2))
        assert here.read("SELECT * FROM rowid_setting") == [(1, "ours")]
        engine.dispose()


# Others are in tests/leaks/paths/set_keys.py.
KEYS: dict[str, Callable[[str], Any]] = {
    "a label": lambda name: column(name).label("other"),
    "raw SQL": literal_column,
    "raw SQL with two assignments": lambda name: literal_column(f"id = 3, {name}"),
    "a quoted name": lambda name: quoted_name(name, True),
    "a name that is never quoted": lambda name: quoted_name(name.upper(), False),
}


@pytest.mark.parametrize("key", KEYS)
def test_a_column_is_written_under_its_name_alone(any_engine: Engine, key: str) -> None:
    before = rows(any_engine, "SELECT id, tenant_id, shop_id FROM comp_sale ORDER BY id")
    for name, value in (("tenant_id", "globex"), ("shop_id", 3)):
        statement = update(SALE).where(SALE.c.id == 11)
        for each in (
            statement.values({KEYS[key](name): value}),
            statement.values({KEYS[key](name): func.coalesce(value)}),
            statement.ordered_values((KEYS[key](name), value)),
        ):
            with (
                tenant_scope("acme"),
                any_engine.begin() as connection,
                pytest.raises((TenantShieldError, SQLAlchemyError)),
            ):
                connection.execute(each)
    assert rows(any_engine, "SELECT id, tenant_id, shop_id FROM comp_sale ORDER BY id") == before
