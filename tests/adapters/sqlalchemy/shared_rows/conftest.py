"""The databases with these tables: each kind, and PostgreSQL with policies."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pytest
from sqlalchemy import Engine, create_engine

from tenantshield_mw import system_scope
from tenantshield_mw.adapters.sqlalchemy import rls
from tests.databases import NAMES, Database, database
from tests.policy_database import PolicyDatabase, policy_database

from .models import SEED, Base

PLACES: Final = (*NAMES, "policies")


@pytest.fixture(scope="module", params=PLACES)
def made(request: pytest.FixtureRequest) -> Iterator[Database]:
    with policy_database() if request.param == "policies" else database(request.param) as here:
        if isinstance(here, PolicyDatabase):
            engine = create_engine(here.url)
            with system_scope("the schema"), engine.begin() as connection:
                connection.exec_driver_sql(f"SET ROLE {here.owner}")
                Base.metadata.create_all(connection)
                rls.create_policies(connection, Base.metadata)
            here.grant()
        else:
            engine = here.engine()
            Base.metadata.create_all(engine)
        engine.dispose()
        yield here


@pytest.fixture
def here(made: Database) -> Database:
    """Return a database with the rows of the seed."""
    made.run(*(f"DELETE FROM {each.name}" for each in reversed(Base.metadata.sorted_tables)), *SEED)
    return made


@pytest.fixture
def engine(here: Database) -> Iterator[Engine]:
    engine = here.engine()
    yield engine
    engine.dispose()
