"""An engine with the common tables of the ownership tests."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine

from ..schemas import seeded_engine


@pytest.fixture
def engine() -> Engine:
    return seeded_engine()
