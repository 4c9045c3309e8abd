"""Each transaction sends its tenant to the database, and leaves nothing behind."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import create_engine, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from tenantshield_mw import ConfigurationError, system_scope, tenant_scope
from tenantshield_mw.adapters.sqlalchemy import rls
from tests.databases import memory_engine

from .conftest import DRIVERS, Client, Driver, RlsDatabase, by_cursor
from .models import Base, Cellar, mark

SETTINGS = (
    "SELECT current_setting('tenantshield.text', true), "
    "current_setting('tenantshield.integer', true), current_setting('tenantshield.uuid', true)"
)
NAMES = 'SELECT name FROM "floor Cellar"'

Read = Callable[[str], list[tuple[Any, ...]]]


@pytest.fixture(scope="module", autouse=True)
def tables(base: RlsDatabase) -> None:
    mark()
    base.create(Base.metadata)
    base.here.run(
        """INSERT INTO "floor Cellar" VALUES (1, 'acme', 'acme', NULL), """
        "(2, 'globex', 'globex', NULL)",
        "SELECT setval(pg_get_serial_sequence('\"floor Cellar\"', 'id'), 100)",
    )


def names(session: Session) -> list[str]:
    return sorted(name for (name,) in by_cursor(session, NAMES))


def test_each_transaction_of_a_session_shows_its_tenants_rows(client: Client) -> None:
    def run(session: Session) -> list[list[str]]:
        found = [names(session)]
        session.commit()
        found.append(names(session))
        session.rollback()
        found.append(names(session))
        with session.begin_nested():
            found.append(names(session))
        with session.begin_nested() as savepoint:
            savepoint.rollback()
        found.append(names(session))
        session.close()
        found.append(names(session))
        return found

    with tenant_scope("acme"):
        assert client.session(run) == [["acme"]] * 6


def test_the_next_user_of_a_connection_inherits_nothing(client: Client) -> None:
    # The pool has one connection.
    with tenant_scope("acme"):
        assert client.session(names) == ["acme"]
    assert client.session(names) == []
    with tenant_scope("globex"):
        assert client.session(names) == ["globex"]
    assert client.session(names) == []


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_ping_at_checkout_changes_nothing(base: RlsDatabase, driver: Driver) -> None:
    # With pg8000, the ping has begun the transaction.
    client = Client(base, driver, pool_size=1, max_overflow=0, pool_pre_ping=True)
    try:
        for tenant in ("acme", "globex"):
            with tenant_scope(tenant):
                assert client.session(names) == [tenant]
        assert client.session(names) == []
    finally:
        client.close()


def test_a_leftover_session_setting_has_no_effect(client: Client) -> None:
    def forge(session: Session) -> None:
        by_cursor(session, "SET tenantshield.text = 'globex'")
        session.commit()

    with tenant_scope("acme"):
        client.session(forge)
        assert client.session(names) == ["acme"]
    assert client.session(names) == []
    with tenant_scope(7):
        assert client.session(names) == []


def test_the_setting_is_of_the_tenants_type_and_ends_with_the_transaction(
    client: Client,
) -> None:
    with tenant_scope(7):
        assert client.session(lambda s: by_cursor(s, SETTINGS)) == [("", "7", "")]
    with tenant_scope("7"):
        assert client.session(lambda s: by_cursor(s, SETTINGS)) == [("7", "", "")]
    assert client.session(lambda s: by_cursor(s, SETTINGS)) == [("", "", "")]


def test_an_error_in_the_application_leaves_nothing_behind(client: Client) -> None:
    def fail(session: Session) -> None:
        names(session)
        raise RuntimeError("something of the application's")

    def fail_in_the_database(session: Session) -> None:
        session.execute(text("SELECT 1 / 0"))

    with tenant_scope("acme"):
        with pytest.raises(RuntimeError):
            client.session(fail)
        with pytest.raises(DBAPIError):
            client.session(fail_in_the_database)
    assert client.session(names) == []


def test_a_system_scope_takes_the_role_on_for_its_transaction_alone(client: Client) -> None:
    with system_scope("to see all"):
        assert sorted(client.session(names)) == ["acme", "globex"]
    with tenant_scope("acme"):
        assert client.session(names) == ["acme"]
    assert client.session(lambda s: by_cursor(s, "SELECT current_user = session_user")) == [(True,)]


def test_a_system_scope_without_a_role_for_it_is_refused(base: RlsDatabase) -> None:
    client = Client(base, "psycopg", system_role=None)
    try:
        with system_scope("to see all"), pytest.raises(ConfigurationError, match="system_role"):
            client.session(names)
        with tenant_scope("acme"):
            assert client.session(names) == ["acme"]
    finally:
        client.close()


def test_the_database_is_told_a_new_scope_before_the_next_statement(
    client: Client, base: RlsDatabase
) -> None:
    def change(session: Session) -> None:
        with tenant_scope("acme"):
            assert names(session) == ["acme"]
            begun = session.get_transaction()
            with tenant_scope("globex"):
                assert names(session) == ["globex"]
                with system_scope("to see all"):
                    assert names(session) == ["acme", "globex"]
                    assert session.scalar(text("SELECT current_user")) == base.system
                assert names(session) == ["globex"]
            assert names(session) == ["acme"]
            assert session.scalar(text("SELECT current_user")) == base.app
            assert session.get_transaction() is begun
        assert names(session) == []
        with tenant_scope("acme"):
            session.commit()
        with tenant_scope("globex"):
            assert names(session) == ["globex"]

    client.session(change)


def test_a_savepoint_that_is_undone_undoes_no_scope(client: Client) -> None:
    def change(session: Session) -> None:
        with tenant_scope("acme"):
            savepoint = session.begin_nested()
            with tenant_scope("globex"):
                assert names(session) == ["globex"]
                savepoint.rollback()
                assert names(session) == ["globex"]
            savepoint = session.begin_nested()
            with system_scope("to see all"):
                assert names(session) == ["acme", "globex"]
                savepoint.rollback()
            assert names(session) == ["acme"]

    client.session(change)


def test_a_savepoint_that_failed_is_undone_in_another_scope(client: Client) -> None:
    def change(session: Session) -> None:
        with tenant_scope("acme"):
            savepoint = session.begin_nested()
            with tenant_scope("globex"), pytest.raises(DBAPIError):
                session.execute(text("SELECT 1 / 0"))
            savepoint.rollback()
            assert names(session) == ["acme"]

    client.session(change)


def test_a_failed_transaction_says_so_in_another_scope(client: Client) -> None:
    def change(session: Session) -> None:
        with tenant_scope("acme"):
            with pytest.raises(DBAPIError):
                session.execute(text("SELECT 1 / 0"))
            with tenant_scope("globex"), pytest.raises(DBAPIError, match=r"(?i)transaction"):
                session.execute(text("SELECT 1"))
            session.rollback()
            assert names(session) == ["acme"]

    client.session(change)


def test_a_transaction_without_a_tenant_goes_on_under_one(client: Client) -> None:
    def change(session: Session) -> None:
        session.execute(text("SELECT 1"))
        with tenant_scope("acme"):
            assert names(session) == ["acme"]

    client.session(change)


def test_autocommit_is_refused_under_a_tenant(client: Client) -> None:
    options = {"isolation_level": "AUTOCOMMIT"}

    def run(session: Session) -> None:
        session.connection(execution_options=options).execute(text("SELECT 1"))

    with tenant_scope("acme"):
        with pytest.raises(ConfigurationError, match="AUTOCOMMIT"):
            client.session(run)
        assert client.session(names) == ["acme"]


def test_autocommit_without_a_tenant_shows_nothing(client: Client) -> None:
    options = {"isolation_level": "AUTOCOMMIT"}

    def forge(session: Session) -> None:
        session.connection(execution_options=options)
        by_cursor(session, "SET tenantshield.text = 'globex'")

    def run(session: Session) -> list[str]:
        session.connection(execution_options=options)
        return names(session)

    client.session(forge)
    assert client.session(run) == []


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_role_to_which_no_policy_applies_is_refused(base: RlsDatabase, driver: Driver) -> None:
    base.here.run(f"ALTER ROLE {base.system} LOGIN")
    for role in ("postgres", base.system):
        client = Client(base, driver, role=role)
        try:
            with tenant_scope("acme"), pytest.raises(ConfigurationError, match="BYPASSRLS"):
                client.session(names)
        finally:
            client.close()


@pytest.mark.parametrize("driver", ["psycopg", "psycopg2", "pg8000"])
def test_a_two_phase_transaction_shows_the_tenants_rows(base: RlsDatabase, driver: Driver) -> None:
    client = Client(base, driver)
    try:
        with tenant_scope("acme"), client.engine.connect() as connection:
            transaction = connection.begin_twophase()
            cursor = connection.connection.cursor()
            cursor.execute(NAMES)
            assert [tuple(row) for row in cursor.fetchall()] == [("acme",)]
            transaction.rollback()
    finally:
        client.close()


async def test_a_cancelled_task_leaves_nothing_behind(base: RlsDatabase) -> None:
    client = Client(base, "asyncpg", pool_size=1, max_overflow=0)
    engine = client.async_engine
    assert engine is not None
    begun = asyncio.Event()

    async def wait() -> None:
        with tenant_scope("acme"):
            async with engine.connect() as connection:
                await connection.execute(text("SELECT 1"))
                begun.set()
                await connection.execute(text("SELECT pg_sleep(60)"))

    task = asyncio.create_task(wait())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with engine.begin() as connection:
        found = (await connection.exec_driver_sql(SETTINGS)).one()
    await engine.dispose()
    assert set(found) <= {"", None}


def test_a_connection_that_the_server_ended_is_replaced(client: Client, base: RlsDatabase) -> None:
    def own(session: Session) -> int:
        return int(by_cursor(session, "SELECT pg_backend_pid()")[0][0])

    with tenant_scope("acme"):
        # Wait until the process has ended.
        base.here.read("SELECT pg_terminate_backend(%s, 60000)", [client.session(own)])
        with pytest.raises(DBAPIError):
            client.session(names)
        assert client.session(names) == ["acme"]


def test_what_is_written_is_the_tenants(client: Client, base: RlsDatabase) -> None:
    def write(session: Session) -> None:
        session.add(Cellar(name=f"by {client.driver}"))
        session.commit()

    with tenant_scope("globex"):
        client.session(write)
    found = base.here.read(
        'SELECT "Tenant Id" FROM "floor Cellar" WHERE name = %s', [f"by {client.driver}"]
    )
    base.here.run('DELETE FROM "floor Cellar" WHERE id > 2')
    assert found == [("globex",)]


def test_only_postgresql_with_known_drivers_and_only_once(base: RlsDatabase) -> None:
    other = memory_engine()
    with pytest.raises(ConfigurationError, match="sqlite"):
        rls.enforce(other)
    other.dispose()
    engine = create_engine(base.url(base.app))
    rls.enforce(engine)
    with pytest.raises(ConfigurationError, match="before"):
        rls.enforce(engine)


@pytest.mark.parametrize("driver", ["psycopg", "psycopg2", "pg8000"])
def test_options_of_an_engine_do_not_lead_around_it(base: RlsDatabase, driver: Driver) -> None:
    client = Client(base, driver)
    try:
        with tenant_scope("acme"), client.engine.execution_options(x=1).begin() as connection:
            cursor = connection.connection.cursor()
            cursor.execute(NAMES)
            assert [tuple(row) for row in cursor.fetchall()] == [("acme",)]
            assert connection.execute(select(Cellar.name)).all() == [("acme",)]
    finally:
        client.close()
