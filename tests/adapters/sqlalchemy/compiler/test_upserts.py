"""An upsert changes and returns this tenant's rows only."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Column, Engine, MetaData, String, Table, insert, literal, select
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.orm import Session, registry

from tenantshield_mw import CrossTenantAccessError, UnguardedStatementError, tenant_scope
from tenantshield_mw.adapters.sqlalchemy import tenant_aware
from tests.databases import database, require

from ..watching import fill, rows, sent
from .shop import ITEM, SHOP, refused, seed


def upsert(engine: Engine, **given: Any) -> Any:
    if engine.dialect.name == "mariadb":
        return mysql.insert(SHOP).values(**given).on_duplicate_key_update(name=given["name"])
    dialect: Any = sqlite if engine.dialect.name == "sqlite" else postgresql
    return (
        dialect.insert(SHOP)
        .values(**given)
        .on_conflict_do_update(index_elements=["id"], set_={"name": given["name"]})
    )


def test_an_upsert_changes_a_row_of_the_tenant_only(any_engine: Engine) -> None:
    with tenant_scope("acme"), any_engine.begin() as connection:
        for number in (1, 3, 5):
            connection.execute(upsert(any_engine, id=number, name="upserted"))
    expected = [(1, "acme"), (5, "acme")]
    sql = "SELECT id, tenant_id FROM comp_shop WHERE name = 'upserted' ORDER BY id"
    assert rows(any_engine, sql) == expected


def test_an_upsert_that_sets_the_tenant_is_refused(engine: Engine) -> None:
    statement = (
        sqlite.insert(SHOP)
        .values(id=3)
        .on_conflict_do_update(index_elements=["id"], set_={"tenant_id": "globex"})
    )
    refused(engine, statement, CrossTenantAccessError)


def test_an_upsert_may_set_every_column_to_what_was_to_be_inserted(engine: Engine) -> None:
    made = sqlite.insert(SHOP).values(id=1, name="whole")
    statement = made.on_conflict_do_update(
        index_elements=["id"], set_={each.name: made.excluded[each.name] for each in SHOP.c}
    )
    with tenant_scope("acme"), engine.begin() as connection:
        connection.execute(statement)
    found = rows(engine, "SELECT tenant_id, name FROM comp_shop WHERE id = 1")
    assert found == [("acme", "whole")]


class Shop:
    """A row of comp_shop, for a session."""


registry().map_imperatively(Shop, SHOP)


def duplicate(target: Any, **given: Any) -> Any:
    return mysql.insert(target).values(**given).on_duplicate_key_update(id=given.get("id"))


@pytest.mark.parametrize("own", [1, 3, 5])
@pytest.mark.parametrize(
    "form", ["core", "orm", "executemany", "executemany of the orm", "defaults", "tied"]
)
def test_an_upsert_does_not_return_the_existing_row(form: str, own: int) -> None:
    require("mariadb")
    statement, many = {
        "core": (duplicate(SHOP, id=own, name="x").returning(SHOP.c.name), None),
        "orm": (duplicate(Shop, id=own, name="x").returning(Shop), None),
        "executemany": (
            mysql.insert(SHOP).on_duplicate_key_update(name="x").returning(SHOP.c.name),
            [{"id": own}, {"id": 6}],
        ),
        "executemany of the orm": (
            mysql.insert(Shop).on_duplicate_key_update(name="x").returning(Shop),
            [{"id": own}, {"id": 6}],
        ),
        "defaults": (duplicate(SHOP, id=own, name="x").return_defaults(), None),
        "tied": (duplicate(ITEM, id=113, sale_id=11).returning(ITEM.c.sale_id), None),
    }[form]
    with database("mariadb") as here:
        engine = seed(here.engine())
        with tenant_scope("acme"), Session(engine) as session:
            session.connection()
            with (
                sent(engine) as statements,
                pytest.raises(UnguardedStatementError, match="leave RETURNING out"),
            ):
                session.execute(statement, many)
            assert statements == []
        engine.dispose()


def test_an_upsert_does_not_request_the_key_of_the_existing_row() -> None:
    require("mariadb")
    metadata = MetaData()
    table = tenant_aware(
        Table(
            "comp_keyed",
            metadata,
            Column("id", String(20), primary_key=True, server_default="new"),
            Column("tenant_id", String(20), nullable=False),
            Column("slug", String(20), unique=True),
        )
    )
    with database("mariadb") as here:
        engine = here.engine()
        metadata.create_all(engine)
        fill(engine, "INSERT INTO comp_keyed VALUES ('secret', 'globex', 'taken')")
        with tenant_scope("acme"), engine.begin() as connection:
            made = connection.execute(duplicate(table, slug="taken"))
            assert made.inserted_primary_key == (None,)
            plain = connection.execute(insert(table).values(slug="free"))
            assert plain.inserted_primary_key == ("new",)
        assert rows(engine, "SELECT id, tenant_id FROM comp_keyed ORDER BY id") == [
            ("new", "acme"),
            ("secret", "globex"),
        ]
        engine.dispose()


def test_an_upsert_from_select_is_understood(any_engine: Engine) -> None:
    name = any_engine.dialect.name
    if name == "mariadb":
        statement: Any = mysql.insert(SHOP).from_select(
            ["id", "name"], select(SHOP.c.id, literal("z")).where(SHOP.c.id == 1)
        )
        statement = statement.on_duplicate_key_update(name=statement.inserted.name)
    else:
        # SQLite needs a WHERE; otherwise it reads ON as that of a join.
        made: Any = sqlite if name == "sqlite" else postgresql
        statement = made.insert(SHOP).from_select(
            ["id", "name"], select(SHOP.c.id, literal("z")).where(SHOP.c.id == 1)
        )
        statement = statement.on_conflict_do_update(
            index_elements=["id"], set_={"name": statement.excluded.name}
        )
    with tenant_scope("acme"), any_engine.begin() as connection:
        connection.execute(statement)
    assert rows(any_engine, "SELECT name FROM comp_shop WHERE id = 1") == [("z",)]
