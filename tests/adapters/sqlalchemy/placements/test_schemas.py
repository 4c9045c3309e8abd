"""Each transaction is told its schema, and nothing is found anywhere else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.exc import DBAPIError

from tenantshield_mw import (
    ConfigurationError,
    PlacementError,
    PlacementUnavailableError,
    system_scope,
)
from tenantshield_mw.adapters.sqlalchemy.placements import (
    SHARED,
    UNFINISHED,
    Placement,
    Placements,
    Schemas,
)
from tests.databases import Database, database
from tests.drivers import with_driver


@pytest.fixture(scope="module")
def here() -> Iterator[Database]:
    with database("postgresql") as here:
        here.run(
            "CREATE SCHEMA acme",
            'CREATE SCHEMA "Globex-1"',
            "CREATE SCHEMA common",
            "CREATE TABLE public.thing AS SELECT 'public' AS place",
            "CREATE TABLE acme.thing AS SELECT 'acme' AS place",
            "CREATE TABLE \"Globex-1\".thing AS SELECT 'globex' AS place",
            "CREATE TABLE public.extra AS SELECT 'public' AS place",
            "CREATE TABLE common.colour AS SELECT 'red' AS place",
        )
        yield here


@pytest.fixture(params=["psycopg", "psycopg2", "pg8000"])
def engine(here: Database, request: pytest.FixtureRequest) -> Iterator[Engine]:
    engine = create_engine(with_driver(here.url, request.param))
    Placements(engine, schemas=Schemas(common=("common",)))
    yield engine
    engine.dispose()


def read(connection: Connection, table: str = "thing") -> str:
    found: str = connection.execute(text(f"SELECT place FROM {table}")).scalar_one()
    return found


@pytest.mark.parametrize(
    ("place", "found"),
    [
        (SHARED, "public"),
        (Placement(schema="acme"), "acme"),
        (Placement(schema="Globex-1"), "globex"),
    ],
)
def test_a_transaction_finds_the_tables_of_its_schema(
    engine: Engine, place: Placement, found: str
) -> None:
    with system_scope("a look", at=place), engine.connect() as connection:
        assert read(connection) == found
        assert read(connection, "colour") == "red"
        connection.rollback()
        assert read(connection) == found


def test_a_table_that_a_schema_lacks_is_not_found_in_another(engine: Engine) -> None:
    with (
        system_scope("a look", at=Placement(schema="acme")),
        engine.connect() as connection,
        pytest.raises(DBAPIError, match="extra"),
    ):
        read(connection, "extra")


def test_a_connection_carries_nothing_to_the_next_transaction(
    here: Database, engine: Engine
) -> None:
    with system_scope("a look", at=Placement(schema="acme")), engine.connect() as connection:
        read(connection)
        path = "SELECT current_setting('search_path')"
        connection.commit()
        cursor = connection.connection.cursor()
        cursor.execute(path)
        assert tuple(cursor.fetchone() or ()) == ('"$user", public',)


def test_a_transaction_that_changes_its_scope_is_told_again(engine: Engine) -> None:
    with engine.connect() as connection:
        for place, found in ((Placement(schema="acme"), "acme"), (SHARED, "public")) * 2:
            with system_scope("a look", at=place):
                assert read(connection) == found


def test_a_savepoint_that_is_undone_does_not_undo_the_place(engine: Engine) -> None:
    with engine.connect() as connection:
        with system_scope("first", at=SHARED):
            assert read(connection) == "public"
        with system_scope("second", at=Placement(schema="acme")):
            savepoint = connection.begin_nested()
            assert read(connection) == "acme"
            savepoint.rollback()
            assert read(connection) == "acme"
            savepoint = connection.begin_nested()
            assert read(connection) == "acme"
        savepoint.commit()
        with system_scope("third", at=SHARED):
            assert read(connection) == "public"


def test_prepared_statements_are_of_the_schema_in_which_they_are_executed(here: Database) -> None:
    engine = create_engine(here.url, connect_args={"prepare_threshold": 0}, pool_size=1)
    Placements(engine, schemas=Schemas(common=("common",)))
    for _ in range(4):
        for place, found in ((Placement(schema="acme"), "acme"), (SHARED, "public")):
            with system_scope("a look", at=place), engine.connect() as connection:
                assert [read(connection) for _ in range(3)] == [found] * 3
    engine.dispose()


async def test_prepared_statements_of_asyncpg_are_so_too(here: Database) -> None:
    engine = here.async_engine(pool_size=1)
    Placements(engine, schemas=Schemas(common=("common",)))
    for _ in range(4):
        for place, found in ((Placement(schema="acme"), "acme"), (SHARED, "public")):
            with system_scope("a look", at=place):
                async with engine.connect() as connection:
                    for _ in range(3):
                        assert await connection.run_sync(read) == found
    await engine.dispose()


def test_a_schema_that_does_not_exist_is_an_error(engine: Engine) -> None:
    place = Placement(schema="nowhere")
    with (
        system_scope("a look", at=place),
        engine.connect() as connection,
        pytest.raises(PlacementError, match="the schema 'nowhere' does not exist"),
    ):
        read(connection, "colour")


def test_a_schema_that_the_role_may_not_use_is_an_error(here: Database) -> None:
    with here.roles(app="LOGIN") as (app,):
        here.run(
            f"GRANT USAGE ON SCHEMA common TO {app}", f"GRANT SELECT ON common.colour TO {app}"
        )
        engine = create_engine(here.url.set(username=app))
        Placements(engine, schemas=Schemas(common=("common",)))
        with (
            system_scope("a look", at=Placement(schema="acme")),
            engine.connect() as connection,
            pytest.raises(PlacementError, match="GRANT USAGE ON SCHEMA"),
        ):
            read(connection, "colour")
        engine.dispose()


def test_a_schema_that_is_unfinished_is_unavailable_to_all_but_its_maker(
    here: Database, engine: Engine
) -> None:
    here.run(f"CREATE TABLE acme.{UNFINISHED} ()")
    try:
        place = Placement(schema="acme")
        with (
            system_scope("a look", at=place),
            engine.connect() as connection,
            pytest.raises(PlacementUnavailableError, match="being made or emptied"),
        ):
            read(connection)
        place = Placement(schema="acme", unfinished=True)
        with system_scope("to make it", at=place), engine.connect() as connection:
            assert read(connection) == "acme"
    finally:
        here.run(f"DROP TABLE acme.{UNFINISHED}")


@pytest.mark.parametrize("name", ["public", "common"])
def test_no_tenant_has_the_schema_of_all(engine: Engine, name: str) -> None:
    place = Placement(schema=name)
    with (
        system_scope("a look", at=place),
        engine.connect() as connection,
        pytest.raises(PlacementError, match="not a tenant's own"),
    ):
        read(connection)


def test_the_shared_tables_are_not_common() -> None:
    with pytest.raises(ConfigurationError, match="names a schema twice"):
        Schemas(shared="app", common=("app",))
    with pytest.raises(PlacementError, match="invalid"):
        Schemas(common=("a b",))


def test_a_role_whose_own_path_is_empty_finds_all_the_same(here: Database) -> None:
    # So that nothing is found outside of a transaction that was told its place.
    with here.roles(app="LOGIN") as (app,):
        here.run(
            f"GRANT USAGE ON SCHEMA acme TO {app}",
            f"GRANT SELECT ON acme.thing, public.thing TO {app}",
            f"ALTER ROLE {app} SET search_path = ''",
        )
        engine = create_engine(here.url.set(username=app))
        Placements(engine, schemas=Schemas())
        for place, found in ((Placement(schema="acme"), "acme"), (SHARED, "public")):
            with system_scope("a look", at=place), engine.connect() as connection:
                assert read(connection) == found
                # Raw SQL that ends the transaction past SQLAlchemy.
                connection.execute(text("COMMIT"))
                assert read(connection) == found
                cursor = connection.connection.cursor()
                cursor.execute("COMMIT")
                with pytest.raises(Exception, match="thing"):
                    cursor.execute("SELECT place FROM thing")
        engine.dispose()
