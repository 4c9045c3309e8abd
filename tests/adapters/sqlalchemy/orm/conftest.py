"""An engine with the owners of two tenants, unless a module has others, and a session on it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from ..watching import engine_on_each
from .owners import seed

# In a file, so that what a session has not committed is not seen by another connection.
engine = engine_on_each(seed, ["sqlite"])
any_engine = engine_on_each(seed)


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    with Session(engine) as session:
        yield session
