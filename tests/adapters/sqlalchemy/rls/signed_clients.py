"""A database whose tenants are signed, and applications that sign them."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any, Final

import pytest
from sqlalchemy.orm import Session

from tests.adapters.sqlalchemy.shared_rows.models import SEED
from tests.adapters.sqlalchemy.shared_rows.models import Base as Shared

from .conftest import SIGNING, Client, RlsDatabase, by_cursor, signed_database
from .models import Base, mark

__all__ = ["KEY", "REFUSED", "app", "base", "client", "names"]

KEY: Final = secrets.token_bytes(32)
REFUSED: Final = "does not accept the signature"


@pytest.fixture(scope="module")
def base() -> Iterator[RlsDatabase]:
    mark()
    with signed_database() as made:
        made.create_signed(Base.metadata, Shared.metadata, keys=[KEY])
        for number, tenant in enumerate(("acme", "globex"), 1):
            made.here.run(
                f"""INSERT INTO "floor Cellar" VALUES ({number}, '{tenant}', '{tenant}', NULL)""",
                f"INSERT INTO floor_bottle VALUES ({number}, {number}, '{tenant}')",
                f"INSERT INTO floor_tasting VALUES ({number}, {number}, '{tenant}')",
            )
        made.here.run(*SEED)
        yield made


@pytest.fixture(params=SIGNING)
def client(base: RlsDatabase, request: pytest.FixtureRequest) -> Iterator[Client]:
    made = Client(base, request.param, key=KEY, pool_size=1, max_overflow=0)
    yield made
    made.close()


@pytest.fixture
def app(base: RlsDatabase) -> Iterator[Client]:
    made = Client(base, "psycopg", key=KEY, pool_size=1, max_overflow=0)
    yield made
    made.close()


def names(session: Session) -> list[Any]:
    return sorted(name for (name,) in by_cursor(session, 'SELECT name FROM "floor Cellar"'))
