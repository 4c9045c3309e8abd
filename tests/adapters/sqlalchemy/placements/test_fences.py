"""A tenant's transactions are kept from a place that its rows leave; other tenants' are not."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.orm import Session

from tenantshield_mw import (
    ConfigurationError,
    PlacementUnavailableError,
    TenantContext,
    TenantDirectory,
    system_scope,
    tenant_scope,
)
from tenantshield_mw.adapters.sqlalchemy.placements import SHARED, Placements, Schemas
from tenantshield_mw.adapters.sqlalchemy.placements.fences import SCHEMA, lock_of, mark_of
from tests.databases import Database, database

DRIVERS = ("psycopg", "psycopg2", "pg8000")
ACME = TenantContext("acme", {"schema": None})
ids = st.one_of(st.text(), st.integers(), st.uuids())


@pytest.fixture(scope="module")
def here() -> Iterator[Database]:
    with database("postgresql") as made:
        made.run(f"CREATE SCHEMA {SCHEMA}", f"GRANT USAGE ON SCHEMA {SCHEMA} TO PUBLIC")
        yield made


@pytest.fixture(params=DRIVERS)
def engine(here: Database, request: pytest.FixtureRequest) -> Iterator[Engine]:
    url = here.url.set(drivername=f"postgresql+{request.param}")
    if request.param == "pg8000":
        socket = f"{url.query['host']}/.s.PGSQL.5432"
        url = url.set(query={"unix_sock": socket})
    engine = create_engine(url)
    yield engine
    engine.dispose()


def answer(engine: Engine, tenant: TenantContext) -> Any:
    with tenant_scope(tenant), Session(engine) as session:
        return session.scalar(text("SELECT 1"))


def test_a_mark_keeps_its_tenant_away_for_as_long_as_it_is_there(
    here: Database, engine: Engine
) -> None:
    Placements(engine, schemas=Schemas())
    other = TenantContext("initech", {"schema": None})
    mark = mark_of("public", "acme")
    assert [answer(engine, each) for each in (ACME, other)] == [1, 1]
    here.run(f"CREATE TABLE {mark} ()")
    try:
        with pytest.raises(PlacementUnavailableError, match="have left it"):
            answer(engine, ACME)
        assert answer(engine, other) == 1
    finally:
        here.run(f"DROP TABLE {mark}")
    assert answer(engine, ACME) == 1


def test_a_lock_keeps_its_tenant_away_and_the_directory_forgets_it(
    here: Database, engine: Engine
) -> None:
    found: list[object] = []

    def find(tenant: object) -> TenantContext:
        found.append(tenant)
        return ACME

    directory = TenantDirectory(find)
    Placements(engine, schemas=Schemas(), directory=directory)
    for _ in range(2):
        directory.find("acme", blocking=True)
    assert found == ["acme"]
    with here.dbapi() as mover:
        mover.execute(f"SELECT pg_advisory_lock({lock_of('acme')})")
        with pytest.raises(PlacementUnavailableError):
            answer(engine, ACME)
        mover.execute("SELECT pg_advisory_unlock_all()")
    directory.find("acme", blocking=True)
    assert found == ["acme", "acme"]
    assert answer(engine, ACME) == 1


def test_a_transaction_holds_the_lock_until_its_end(here: Database, engine: Engine) -> None:
    Placements(engine, schemas=Schemas())
    free = f"SELECT pg_try_advisory_lock({lock_of('acme')})"
    with tenant_scope(ACME), Session(engine) as session:
        session.scalar(text("SELECT 1"))
        assert here.read(free) == [(False,)]
        session.commit()
        assert here.read(free) == [(True,)]


def test_a_system_scope_waits_and_is_then_refused_if_the_mover_has_died(
    here: Database, engine: Engine
) -> None:
    Placements(engine, schemas=Schemas())

    def count() -> Any:
        with system_scope("a report", at=SHARED), engine.connect() as connection:
            return connection.scalar(text("SELECT 1"))

    assert count() == 1
    mark = mark_of("public", None)
    here.run(f"CREATE TABLE {mark} ()")
    try:
        with pytest.raises(PlacementUnavailableError):
            count()
    finally:
        here.run(f"DROP TABLE {mark}")


def test_a_tenant_without_transactions_is_refused(engine: Engine) -> None:
    Placements(engine, schemas=Schemas())
    bare = engine.execution_options(isolation_level="AUTOCOMMIT")
    with (
        tenant_scope(ACME),
        bare.connect() as connection,
        pytest.raises(ConfigurationError, match="AUTOCOMMIT"),
    ):
        connection.scalar(text("SELECT 1"))


@given(ids, ids, st.sampled_from(["public", "a", "b"]))
def test_each_tenant_has_a_mark_and_a_lock_of_its_own(one: Any, other: Any, schema: str) -> None:
    same = type(one) is type(other) and one == other
    assert (mark_of(schema, one) == mark_of(schema, other)) is same
    assert (lock_of(one) == lock_of(other)) is same
    assert mark_of("c", one) != mark_of(schema, one)
    assert mark_of(schema, one) != mark_of(schema, None)
    assert -(2**63) <= lock_of(one) < 2**63
    assert len(mark_of(schema, one).rpartition(".")[2]) - 2 <= 63


def test_a_drivers_subclass_of_uuid_is_the_same_tenant() -> None:
    class Other(uuid.UUID):
        pass

    value = uuid.uuid4()
    assert mark_of("public", Other(value.hex)) == mark_of("public", value)
