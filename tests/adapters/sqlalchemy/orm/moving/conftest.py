"""The databases with these tables: each kind, and PostgreSQL with policies."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from tests.databases import Database
from tests.places import PLACES, empty_and_fill, place

from .models import SEED, Base


@pytest.fixture(scope="module", params=PLACES)
def made(request: pytest.FixtureRequest) -> Iterator[Database]:
    with place(request.param, Base.metadata) as here:
        yield here


@pytest.fixture
def here(made: Database) -> Database:
    """Return a database with the rows of the seed."""
    empty_and_fill(made, Base.metadata, *SEED)
    return made


@pytest.fixture
def engine(here: Database) -> Iterator[Engine]:
    engine = here.engine()
    yield engine
    engine.dispose()
