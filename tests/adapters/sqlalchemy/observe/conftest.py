"""A shop whose code was written without the guard."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from tests.databases import Database

from ..watching import database_on_each, with_tables
from .shop import ROWS, Base

here = database_on_each("module")


@pytest.fixture
def engine(here: Database) -> Iterator[Engine]:
    with with_tables(here, Base.metadata, *ROWS) as engine:
        yield engine
