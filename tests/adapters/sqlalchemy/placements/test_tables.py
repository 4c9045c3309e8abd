"""A tenant's table is found in the tenant's schema and nowhere else, or nothing is executed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Column, Engine, Integer, MetaData, String, Table, select

from tenantshield_mw import ConfigurationError, TenantContext, tenant_scope
from tenantshield_mw.adapters.sqlalchemy import tenant_aware
from tenantshield_mw.adapters.sqlalchemy.placements import Placements, Schemas
from tests.databases import Database, database

METADATA = MetaData()


def table(name: str, schema: str | None = None) -> Table:
    made = Table(
        name,
        METADATA,
        Column("id", Integer, primary_key=True),
        Column("tenant_id", String(50)),
        schema=schema,
    )
    tenant_aware(made)
    return made


PLAIN = table("placed_plain")
NAMED = table("placed_named", "elsewhere")

GLOBEX = TenantContext("globex", {"schema": "globex"})
ACME = TenantContext("acme", {"schema": None})


@pytest.fixture
def here() -> Iterator[Database]:
    with database("postgresql") as here:
        here.run(*(f"CREATE SCHEMA {each}" for each in ("globex", "common", "elsewhere")))
        here.run(
            *(
                f"CREATE TABLE {each}.placed_plain (id integer, tenant_id varchar(50))"
                for each in ("public", "globex")
            )
        )
        yield here


@pytest.fixture
def engine(here: Database) -> Iterator[Engine]:
    engine = here.engine()
    Placements(engine, schemas=Schemas(common=("common",)))
    yield engine
    engine.dispose()


def read(engine: Engine, tenant: TenantContext) -> None:
    with tenant_scope(tenant), engine.connect() as connection:
        connection.execute(select(PLAIN))


def test_a_table_of_tenants_in_a_common_schema_is_refused(here: Database, engine: Engine) -> None:
    here.run("CREATE TABLE common.placed_plain (id integer, tenant_id varchar(50))")
    with pytest.raises(ConfigurationError, match=r"'common.placed_plain' has the name of one"):
        read(engine, GLOBEX)
    here.run("DROP TABLE common.placed_plain")
    read(engine, GLOBEX)


def test_a_model_that_names_its_schema_is_refused_where_that_exists(
    here: Database, engine: Engine
) -> None:
    read(engine, GLOBEX)
    here.run("CREATE TABLE elsewhere.placed_named (id integer, tenant_id varchar(50))")
    other = here.engine()
    Placements(other, schemas=Schemas(common=("common",)))
    with pytest.raises(ConfigurationError, match=r"'elsewhere.placed_named'.*leave the schema out"):
        read(other, GLOBEX)
    # Tenants in shared tables are not concerned.
    read(other, ACME)
    other.dispose()


def test_a_new_declaration_is_checked_again(here: Database, engine: Engine) -> None:
    read(engine, GLOBEX)
    here.run("CREATE TABLE common.placed_late (id integer, tenant_id varchar(50))")
    read(engine, GLOBEX)
    table("placed_late")
    with pytest.raises(ConfigurationError, match=r"'common.placed_late'"):
        read(engine, GLOBEX)
