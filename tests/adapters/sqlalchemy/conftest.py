"""An engine with the letters of two tenants, unless a room or a module has others."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine

from tests.databases import memory_engine

from .letters import seed


@pytest.fixture
def engine() -> Engine:
    return seed(memory_engine())
