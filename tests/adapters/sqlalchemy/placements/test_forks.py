"""A forked process leaves its parent's connections to databases of tenants alone."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, text

from tenantshield_mw import TenantContext, tenant_scope
from tenantshield_mw.adapters.sqlalchemy.placements import Databases, Placements
from tests.databases import Database, database
from tests.forks import in_child, needs_fork

ACME = TenantContext("acme", {"database": "away"})
NUMBERS = {"postgresql": "SELECT pg_backend_pid()", "mariadb": "SELECT connection_id()"}


@pytest.fixture(params=NUMBERS)
def both(request: pytest.FixtureRequest) -> Iterator[tuple[Database, Database]]:
    with database(request.param) as here, database(request.param) as there:
        yield here, there


@pytest.fixture
def engine(both: tuple[Database, Database]) -> Iterator[Engine]:
    engine: Any = both[0].engine()
    engine.opened = []
    engine.placements = Placements(
        engine, databases=Databases(url=lambda name: both[1].url, configure=engine.opened.append)
    )
    yield engine
    engine.placements.dispose()
    engine.dispose()


def connection_of(engine: Engine) -> Any:
    """Return the number of the connection to the tenant's database."""
    with tenant_scope(ACME), engine.connect() as connection:
        return connection.scalar(text(NUMBERS[engine.dialect.name]))


@needs_fork
def test_a_child_has_connections_of_its_own(engine: Any) -> None:
    number = connection_of(engine)

    def used() -> tuple[Any, ...]:
        before = engine.placements.open_databases()
        # As SQLAlchemy asks for of the application's engine.
        engine.dispose(close=False)
        return before, connection_of(engine) == number, len(engine.opened)

    assert in_child(used) == "((), False, 2)"
    assert connection_of(engine) == number


@needs_fork
def test_a_child_that_disposes_of_them_closes_none_of_its_parents(engine: Any) -> None:
    number = connection_of(engine)
    assert in_child(engine.placements.dispose) == "None"
    assert connection_of(engine) == number


@needs_fork
def test_an_engine_that_the_application_has_kept_is_not_its_parents_either(engine: Any) -> None:
    connection_of(engine)
    kept = engine.opened[0]
    assert in_child(lambda: kept.pool.checkedin()) == "0"
    assert kept.pool.checkedin() == 1


@pytest.mark.parametrize("dispose", [Placements.dispose, Placements.adispose])
def test_frameworks_may_call_it_at_the_end_without_anything(dispose: Any) -> None:
    assert list(inspect.signature(dispose).parameters) == ["self"]
