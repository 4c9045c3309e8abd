"""Who logs in, and what is left behind in a pool; with pytest, see tests/adapters/testing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine

from tenantshield_mw import ConfigurationError, tenant_scope
from tenantshield_mw.adapters.sqlalchemy.testing import ConnectionWatch, check_role
from tests.databases import database
from tests.drivers import with_driver
from tests.policy_database import PolicyDatabase, policy_database

each_driver = pytest.mark.parametrize("driver", ["psycopg", "psycopg2", "pg8000"])


def engine_of(policies: PolicyDatabase, role: str | None, driver: str) -> Engine:
    return create_engine(with_driver(policies.url.set(username=role), driver))


@pytest.fixture
def policies() -> Iterator[PolicyDatabase]:
    with policy_database() as here:
        assert isinstance(here, PolicyDatabase)
        yield here


@pytest.fixture
def watch() -> Iterator[ConnectionWatch]:
    watching = ConnectionWatch()
    watching.start()
    yield watching
    watching.stop()


def test_the_role_must_be_productions(policies: PolicyDatabase) -> None:
    engine = create_engine(policies.url.set(username=policies.app))
    with engine.connect() as connection:
        check_role(connection)
        check_role(connection, policies.app)
        with pytest.raises(ConfigurationError, match="and production's is another"):
            check_role(connection, "another")
    engine.dispose()
    engine = create_engine(policies.url)
    with engine.connect() as connection, pytest.raises(ConfigurationError, match="superuser"):
        check_role(connection)
    engine.dispose()


def test_other_databases_have_no_roles(watch: ConnectionWatch) -> None:
    with database("sqlite") as db:
        engine = db.engine()
        with tenant_scope("acme"), engine.connect() as connection:
            check_role(connection, "shop")
        engine.dispose()
    assert watch.found == []


@each_driver
def test_a_superuser_is_found_once(
    policies: PolicyDatabase, watch: ConnectionWatch, driver: str
) -> None:
    engine = engine_of(policies, policies.url.username, driver)
    for _ in range(2):
        with tenant_scope("acme"), engine.connect():
            pass
    assert len(watch.found) == 1
    assert "in a tenant's scope" in watch.found[0]
    engine.dispose()


@each_driver
def test_a_tenant_that_is_left_is_found_and_cleared(
    policies: PolicyDatabase, watch: ConnectionWatch, driver: str
) -> None:
    engine = engine_of(policies, policies.app, driver)
    for _ in range(2):
        raw: Any = engine.raw_connection()
        cursor = raw.cursor()
        cursor.execute("SELECT current_setting('tenantshield.text', true)")
        assert cursor.fetchone()[0] in (None, "")
        cursor.execute("SET tenantshield.text = 'acme'")
        raw.commit()
        raw.close()
    assert len(watch.found) == 2
    engine.dispose()


@each_driver
def test_a_connection_that_was_closed_is_left_alone(
    policies: PolicyDatabase, watch: ConnectionWatch, driver: str
) -> None:
    engine = engine_of(policies, policies.url.username, driver)
    raw: Any = engine.raw_connection()
    raw.driver_connection.close()
    raw.close()
    assert watch.found == []
    engine.dispose()
