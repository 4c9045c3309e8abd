"""A type of which each schema has one of its own is refused where statements are prepared."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import (
    ARRAY,
    Column,
    Engine,
    Enum,
    Integer,
    MetaData,
    String,
    Table,
    TypeDecorator,
    create_engine,
    insert,
    select,
)
from sqlalchemy.dialects import mysql
from sqlalchemy.dialects.postgresql import DOMAIN
from sqlalchemy.ext.asyncio import create_async_engine

from tenantshield_mw import ConfigurationError, TenantContext, tenant_scope
from tenantshield_mw.adapters.sqlalchemy import shared_across_tenants, tenant_aware
from tenantshield_mw.adapters.sqlalchemy.placements import Placements, Schemas
from tenantshield_mw.adapters.sqlalchemy.placements.types import columns_by_type
from tests.databases import Database, database
from tests.drivers import with_driver

OTHER = Table("placed_other", MetaData(), Column("id", Integer))
shared_across_tenants(OTHER)

GLOBEX = TenantContext("globex", {"schema": "globex"})
ACME = TenantContext("acme", {"schema": None})


@pytest.fixture
def here() -> Iterator[Database]:
    with database("postgresql") as here:
        here.run(*(f"CREATE SCHEMA {each}" for each in ("globex", "common")))
        here.run(
            *(f"CREATE TABLE {each}.placed_other (id integer)" for each in ("public", "globex"))
        )
        yield here


@pytest.fixture
def engine(here: Database) -> Iterator[Engine]:
    engine = here.engine()
    Placements(engine, schemas=Schemas(common=("common",)))
    yield engine
    engine.dispose()


class Coloured(TypeDecorator[str]):
    impl = Enum("red", "blue", name="placed_colour")
    cache_ok = True


class Shaded(TypeDecorator[str]):
    impl = Coloured
    cache_ok = True


COLOURS: dict[str, Any] = {
    "an enumerated type": Enum("red", "blue", name="placed_colour"),
    "an array of one": ARRAY(Enum("red", "blue", name="placed_colour")),
    "a type of the application's own": Coloured(),
    "a type of the application's own, of another one": Shaded(),
    "a domain": DOMAIN("placed_colour", String(20)),
}


def coloured(colour: Any) -> Table:
    made = Table(
        "placed_coloured",
        MetaData(),
        Column("id", Integer, primary_key=True),
        Column("tenant_id", String(50)),
        Column("colour", colour),
    )
    tenant_aware(made)
    return made


def read(engine: Engine, tenant: TenantContext) -> None:
    with tenant_scope(tenant), engine.connect() as connection:
        connection.execute(select(OTHER))


def create_types(here: Database, *schemas: str) -> None:
    for schema in schemas:
        here.run(f"CREATE TYPE {schema}.placed_colour AS ENUM ('red', 'blue')")


@pytest.mark.usefixtures("declared_for_a_test")
@pytest.mark.parametrize("colour", COLOURS.values(), ids=list(COLOURS))
def test_a_type_that_each_schema_has_of_its_own_is_refused_where_statements_are_prepared(
    here: Database, engine: Engine, colour: Any
) -> None:
    coloured(colour)
    # No table with the type is here.
    read(engine, GLOBEX)
    create_types(here, "public")
    other = here.engine()
    Placements(other, schemas=Schemas())
    message = r"'placed_coloured.colour' has the type 'placed_colour'.*schema=\"common\""
    with pytest.raises(ConfigurationError, match=message):
        read(other, GLOBEX)
    # Tenants in shared tables are not concerned.
    read(other, ACME)
    other.dispose()


@pytest.mark.usefixtures("declared_for_a_test")
def test_a_table_of_that_name_is_no_such_type(here: Database, engine: Engine) -> None:
    # PostgreSQL has a type for the rows of each table.
    coloured(COLOURS["an enumerated type"])
    here.run("CREATE TABLE globex.placed_colour (id integer)")
    read(engine, GLOBEX)


@pytest.mark.usefixtures("declared_for_a_test")
@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
async def test_it_is_refused_with_async_drivers_too(here: Database, driver: str) -> None:
    coloured(COLOURS["an enumerated type"])
    create_types(here, "globex")
    engine = create_async_engine(with_driver(here.url, driver))
    Placements(engine, schemas=Schemas())
    with tenant_scope(GLOBEX), pytest.raises(ConfigurationError, match="'placed_colour'"):
        async with engine.connect() as connection:
            await connection.execute(select(OTHER))
    await engine.dispose()


@pytest.mark.usefixtures("declared_for_a_test")
@pytest.mark.parametrize(
    ("colour", "driver", "options"),
    [
        (Enum("red", "blue", name="placed_colour", schema="common"), "psycopg", {}),
        (Enum("red", "blue", name="placed_colour", native_enum=False), "psycopg", {}),
        (COLOURS["an enumerated type"], "psycopg", {"prepare_threshold": None}),
        (COLOURS["an enumerated type"], "psycopg2", {}),
    ],
    ids=["in a common schema", "as text", "nothing is prepared", "psycopg2 prepares nothing"],
)
def test_types_that_work_in_each_schema_are_accepted(
    here: Database, colour: Any, driver: str, options: dict[str, object]
) -> None:
    create_types(here, "public", "globex", "common")
    kind = {"common": "common.placed_colour"}.get(getattr(colour, "schema", None) or "")
    if not getattr(colour, "native_enum", True):
        kind = "varchar(4)"
    for schema in ("public", "globex"):
        here.run(
            f"CREATE TABLE {schema}.placed_coloured (id serial, tenant_id varchar(50), "
            f"colour {kind or f'{schema}.placed_colour'})"
        )
    made = coloured(colour)
    engine = create_engine(
        with_driver(here.url, driver), pool_size=1, max_overflow=0, connect_args=options
    )
    Placements(engine, schemas=Schemas(common=("common",)))
    # psycopg prepares a statement when it is executed for the sixth time.
    for tenant in [ACME] * 8 + [GLOBEX] * 8:
        with tenant_scope(tenant), engine.begin() as connection:
            connection.execute(insert(made).values(colour="red"))
    engine.dispose()
    for schema in ("public", "globex"):
        assert here.read(f"SELECT count(*) FROM {schema}.placed_coloured") == [(8,)]


def test_a_type_of_another_database_is_none_of_them(engine: Engine) -> None:
    table = Table("placed_elsewhere", MetaData(), Column("kind", mysql.ENUM("a", "b")))
    assert columns_by_type([table], engine.dialect) == {}
