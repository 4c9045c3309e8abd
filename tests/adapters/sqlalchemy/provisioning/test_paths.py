"""An engine at a place finds its tables there, and nowhere if the place does not exist."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import create_engine, event, text

from tenantshield_mw import ConfigurationError
from tenantshield_mw.adapters.sqlalchemy.placements import SHARED, Placement, Schemas
from tenantshield_mw.adapters.sqlalchemy.provisioning.paths import engine_at, path_of, take_path
from tests.databases import Database, database


@pytest.fixture(scope="module")
def here() -> Iterator[Database]:
    with database("postgresql") as made:
        made.run("CREATE SCHEMA acme", "CREATE SCHEMA common")
        yield made


def test_the_path_has_the_place_before_what_is_common() -> None:
    schemas = Schemas(common=("common",))
    assert path_of(Placement(schema="acme"), schemas) == ("acme", "common")
    assert path_of(SHARED, schemas) == ("public", "common")
    assert path_of(SHARED, None) == ()


def test_tables_are_created_at_the_place(here: Database) -> None:
    engine = engine_at(here.url, ("acme", "common"))
    with engine.connect() as connection:
        connection.rollback()
        assert connection.dialect.default_schema_name == "acme"
        connection.execute(text("CREATE TABLE thing (id integer)"))
        connection.commit()
    engine.dispose()
    where = "SELECT schemaname FROM pg_tables WHERE tablename = 'thing'"
    assert here.read(where) == [("acme",)]


def test_a_schema_that_does_not_exist_is_not_replaced_by_the_next_one(here: Database) -> None:
    engine = engine_at(here.url, ("nobody", "common"))
    with pytest.raises(ConfigurationError, match="'nobody' does not exist"):
        engine.connect()


@pytest.mark.parametrize("driver", ["psycopg", "psycopg2"])
def test_a_rollback_does_not_undo_it(here: Database, driver: str) -> None:
    engine = create_engine(here.url.set(drivername=f"postgresql+{driver}"))
    event.listen(engine, "connect", lambda dbapi, record: take_path(dbapi, ("acme",)))
    for _ in range(2):
        with engine.connect() as connection:
            assert connection.scalar(text("SELECT current_schema()")) == "acme"
    engine.dispose()
