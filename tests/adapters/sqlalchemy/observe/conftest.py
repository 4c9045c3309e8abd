"""A shop whose code was written without the guard."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from tests.databases import NAMES, Database, database

from ..watching import with_tables
from .shop import ROWS, Base


@pytest.fixture(params=NAMES, scope="module")
def here(request: pytest.FixtureRequest) -> Iterator[Database]:
    with database(request.param) as found:
        yield found


@pytest.fixture
def engine(here: Database) -> Iterator[Engine]:
    with with_tables(here, Base.metadata, *ROWS) as engine:
        yield engine
