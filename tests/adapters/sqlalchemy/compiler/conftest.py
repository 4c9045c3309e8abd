"""Databases that hold the shops of two tenants, or their parents."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from tests.databases import NAMES, Database

from ..watching import engine_in_memory, engine_on_each
from .parents import LOOSE, filled
from .shop import seed

engine = engine_in_memory(seed)
any_engine = engine_on_each(seed)


@pytest.fixture(scope="module", params=NAMES)
def strict(request: pytest.FixtureRequest) -> Iterator[tuple[Database, Engine]]:
    with filled(request.param) as found:
        yield found


@pytest.fixture(scope="module")
def loose() -> Iterator[tuple[Database, Engine]]:
    with filled("mariadb", **LOOSE) as found:
        yield found
