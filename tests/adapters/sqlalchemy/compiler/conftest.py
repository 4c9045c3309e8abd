"""Databases that hold the shops of two tenants."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from tests.databases import NAMES, DatabaseName, database, memory_engine, require

from .shop import seed


@pytest.fixture
def engine() -> Engine:
    return seed(memory_engine())


@pytest.fixture(params=NAMES)
def any_engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    name: DatabaseName = request.param
    require(name)
    with database(name) as here:
        engine = seed(here.engine())
        yield engine
        engine.dispose()
