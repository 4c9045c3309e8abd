"""The databases on which a test runs: each kind, and PostgreSQL with policies."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any, Final, Literal

import pytest
from sqlalchemy import Engine, MetaData, create_engine

from tenantshield_mw import system_scope
from tenantshield_mw.adapters.sqlalchemy import rls
from tests.databases import NAMES, Database, DatabaseName, database
from tests.policy_database import PolicyDatabase, policy_database

__all__ = ["PLACES", "Place", "engine_here", "on_each_place", "place"]

Place = DatabaseName | Literal["policies"]

PLACES: Final[tuple[Place, ...]] = (*NAMES, "policies")
"""Each kind of database, and PostgreSQL with policies."""


@contextmanager
def place(name: Place, metadata: MetaData) -> Generator[Database, None, None]:
    """Yield a database that has these tables."""
    with policy_database() if name == "policies" else database(name) as here:
        if isinstance(here, PolicyDatabase):
            engine = create_engine(here.url)
            with system_scope("the schema"), engine.begin() as connection:
                connection.exec_driver_sql(f"SET ROLE {here.owner}")
                metadata.create_all(connection)
                rls.create_policies(connection, metadata)
            here.grant()
        else:
            engine = here.engine()
            metadata.create_all(engine)
        engine.dispose()
        yield here


def on_each_place(metadata: MetaData, *statements: str) -> tuple[Any, Any, Any]:
    """Return fixtures for a room: of a place with these tables, of it with only the rows that
    ``statements`` write, and of an engine on it. A room names them ``made``, ``here`` and
    ``engine``.
    """

    @pytest.fixture(scope="module", params=PLACES)
    def made(request: pytest.FixtureRequest) -> Iterator[Database]:
        with place(request.param, metadata) as here:
            yield here

    @pytest.fixture
    def here(made: Database) -> Database:
        tables = reversed(metadata.sorted_tables)
        made.run(*(f"DELETE FROM {each.name}" for each in tables), *statements)
        return made

    return made, here, engine_here


@pytest.fixture
def engine_here(here: Database) -> Iterator[Engine]:
    """Return an engine on the database of a module's or room's own fixture ``here``, which takes
    it by ``engine = engine_here``.
    """
    engine = here.engine()
    yield engine
    engine.dispose()
