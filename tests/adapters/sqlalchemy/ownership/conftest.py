"""An engine with the tables that the tests of ownership have in common."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine

from ..schemas import seeded_engine


@pytest.fixture
def engine() -> Engine:
    return seeded_engine()
