"""A database with a table that is to become tenant-aware."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from tenantshield_mw.adapters.sqlalchemy.alembic import execution
from tests.databases import Database, database

from .stepping import ROWS


@pytest.fixture
def db() -> Iterator[Database]:
    with database("postgresql") as here:
        here.run(
            "CREATE TABLE step_shop (id int PRIMARY KEY, tenant_id varchar(20) NOT NULL)",
            "INSERT INTO step_shop VALUES (1, 'acme'), (2, 'other')",
            "CREATE TABLE step_sale (id int PRIMARY KEY, shop_id int)",
            f"INSERT INTO step_sale SELECT n, 1 + n % 2 FROM generate_series(1, {ROWS}) n",
        )
        yield here


@pytest.fixture
def engine(db: Database) -> Iterator[Engine]:
    engine = db.engine()
    yield engine
    engine.dispose()


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execution, "PAUSE", 0.0)
