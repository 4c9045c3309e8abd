"""What a transaction may not be used for: another place, AUTOCOMMIT, SQL that leaves the place."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, select, text
from sqlalchemy.orm import Session

from tenantshield_mw import (
    ConfigurationError,
    ScopeMismatchError,
    UnguardedStatementError,
    system_scope,
    tenant_scope,
)
from tenantshield_mw.adapters.sqlalchemy import rls
from tenantshield_mw.adapters.sqlalchemy.placements import (
    SHARED,
    Databases,
    Placement,
    Placements,
    Schemas,
)
from tests.databases import memory_engine
from tests.policy_database import PolicyDatabase

from .homes import Homes, Shelf, engine_of_homes, homes_on


@pytest.fixture(scope="module", params=["postgresql", "policies"])
def homes(request: pytest.FixtureRequest) -> Iterator[Homes]:
    with homes_on(request.param) as homes:
        yield homes


engine = engine_of_homes()


def test_the_place_is_told_in_the_message_that_begins_the_transaction(
    homes: Homes, engine: Engine
) -> None:
    with tenant_scope(homes.tenant("globex")), engine.connect() as connection:
        driver: Any = connection.connection.driver_connection
        # The first one also asks what is asked once.
        connection.begin().rollback()
        connection.begin()
        sql = "SELECT query FROM pg_stat_activity WHERE pid = %s"
        [(query,)] = homes.here.read(sql, [driver.info.backend_pid])
    assert query.startswith("BEGIN; SELECT pg_catalog.set_config(")
    assert query.count("'search_path'") == 1
    assert ("'tenantshield.text'" in query) is isinstance(homes.here, PolicyDatabase)


@pytest.mark.parametrize(("begun", "other"), [("umbrella", "globex"), ("acme", "umbrella")])
def test_a_connection_is_not_used_for_a_tenant_in_another_database(
    homes: Homes, engine: Engine, begun: str, other: str
) -> None:
    with tenant_scope(homes.tenant(begun)):
        connection = engine.connect()
    with connection:
        for _ in range(2):
            with tenant_scope(homes.tenant(begun)):
                assert connection.execute(select(Shelf.id)).all() == []
            with tenant_scope(homes.tenant(other)), pytest.raises(ScopeMismatchError):
                connection.execute(select(Shelf.id))
            connection.rollback()
            with tenant_scope(homes.tenant(other)), pytest.raises(ScopeMismatchError):
                connection.execute(select(Shelf.id))


def test_a_savepoint_ends_in_whatever_scope(homes: Homes, engine: Engine) -> None:
    with tenant_scope(homes.tenant("umbrella")):
        connection = engine.connect()
        connection.begin()
        released, undone = connection.begin_nested(), connection.begin_nested()
    with connection:
        with tenant_scope(homes.tenant("acme")):
            undone.rollback()
            released.commit()
        with tenant_scope(homes.tenant("umbrella")):
            assert connection.execute(select(Shelf.id)).all() == []


def test_autocommit_has_no_transaction_that_could_hold_a_schema(
    homes: Homes, engine: Engine
) -> None:
    auto = engine.execution_options(isolation_level="AUTOCOMMIT")
    with (
        tenant_scope(homes.tenant("globex")),
        pytest.raises(ConfigurationError, match="AUTOCOMM"),
        auto.connect() as connection,
    ):
        connection.execute(select(Shelf.id))


@pytest.mark.parametrize(
    "sql",
    [
        "SET search_path = public",
        "SET LOCAL search_path TO public",
        'SET SESSION "search_path" = public',
        "RESET search_path",
        "SET SCHEMA 'public'",
    ],
)
def test_raw_sql_does_not_change_the_search_path(homes: Homes, engine: Engine, sql: str) -> None:
    with tenant_scope(homes.tenant("globex")), Session(engine) as session:
        with pytest.raises(UnguardedStatementError, match=r"search path|setting"):
            session.execute(text(sql))
        with pytest.raises(UnguardedStatementError):
            session.connection().exec_driver_sql(sql)


@pytest.mark.parametrize(
    "sql", ["SHOW search_path", "SAVEPOINT a", "SELECT 'SET search_path'", "SELECT 1 AS ended"]
)
def test_other_raw_sql_is_as_before(homes: Homes, engine: Engine, sql: str) -> None:
    with tenant_scope(homes.tenant("globex")), Session(engine) as session:
        session.execute(text(sql))


@pytest.mark.parametrize("sql", ["COMMIT", "ROLLBACK", "COMMIT AND CHAIN", "END", "ABORT"])
def test_raw_sql_that_ends_the_transaction_does_not_leave_the_place(
    homes: Homes, engine: Engine, sql: str
) -> None:
    with tenant_scope(homes.tenant("globex")), engine.connect() as connection:
        connection.execute(text(sql))
        path = connection.execute(text("SHOW search_path")).scalar_one()
        assert path.startswith('"globex"')


def test_the_schema_of_the_shared_tables_is_the_engines_own(homes: Homes) -> None:
    engine = homes.here.engine()
    Placements(engine, schemas=Schemas(shared="app"))
    with (
        system_scope("a look", at=SHARED),
        pytest.raises(ConfigurationError, match="shared='pub"),
        engine.connect() as connection,
    ):
        connection.execute(text("SELECT 1"))
    engine.dispose()


def test_schemas_require_a_database_that_has_a_search_path() -> None:
    with pytest.raises(ConfigurationError, match=r"require PostgreSQL.*databases=..."):
        Placements(memory_engine(), schemas=Schemas())


def test_policies_are_enforced_before_databases_are_used(homes: Homes) -> None:
    engine = create_engine(homes.here.url)
    placements = Placements(engine, databases=Databases(url=homes.url))
    with system_scope("a look", at=Placement(database="umbrella")), engine.connect():
        pass
    with pytest.raises(ConfigurationError, match="call enforce"):
        rls.enforce(engine)
    placements.dispose()
    rls.enforce(engine)
    engine.dispose()


@pytest.mark.parametrize("end", ["commit", "rollback"])
def test_the_place_is_told_again_after_the_driver_has_ended_the_transaction(
    homes: Homes, engine: Engine, end: str
) -> None:
    with tenant_scope(homes.tenant("globex")), Session(engine) as session:
        before = session.scalars(select(Shelf.name)).all()
        path = session.scalar(text("SELECT current_setting('search_path')"))
        raw: Any = session.connection().connection.driver_connection
        getattr(raw, end)()
        assert session.scalar(text("SELECT current_setting('search_path')")) == path
        assert session.scalars(select(Shelf.name)).all() == before
        session.rollback()
