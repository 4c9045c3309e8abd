"""The tenant is told with each driver, at the beginning of the application's transaction."""

from __future__ import annotations

from typing import Any

import pytest
from psycopg2.extras import RealDictCursor
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from tenantshield_mw import ConfigurationError, system_scope, tenant_scope
from tenantshield_mw.adapters.sqlalchemy import rls
from tenantshield_mw.adapters.sqlalchemy.databases import sqlstate

from .conftest import DRIVERS, Client, Driver, RlsDatabase, by_cursor, detached

INVALID_PARAMETER_VALUE = "22023"
"""https://www.postgresql.org/docs/current/errcodes-appendix.html"""
READY_FOR_QUERY = b"Z"
"""https://www.postgresql.org/docs/current/protocol-message-formats.html"""


def test_what_is_committed_stays_and_what_is_rolled_back_does_not(
    client: Client, base: RlsDatabase
) -> None:
    base.here.run("DROP TABLE IF EXISTS told", "CREATE TABLE told (number int)")
    base.grant()

    def write(session: Session) -> None:
        by_cursor(session, "INSERT INTO told VALUES (1)")
        session.commit()
        by_cursor(session, "INSERT INTO told VALUES (2)")
        session.rollback()
        by_cursor(session, "INSERT INTO told VALUES (3)")

    with tenant_scope("acme"):
        client.session(write)
    assert base.here.read("SELECT number FROM told") == [(1,)]
    base.here.run("DROP TABLE told")


@pytest.mark.parametrize("begins", [True, False])
def test_a_connection_that_is_detached_from_its_pool_is_told(
    client: Client, base: RlsDatabase, *, begins: bool
) -> None:
    told = text("SELECT current_setting('tenantshield.text'), current_user::text")

    def detach(_: Session) -> list[tuple[Any, ...]]:
        with detached(client.engine, begins=begins) as connection:
            found = []
            for scope in (tenant_scope("acme"), tenant_scope("globex"), system_scope("a test")):
                with scope:
                    found.append(tuple(connection.execute(told).one()))
            connection.rollback()
            return [*found, tuple(connection.execute(told).one())]

    assert client.session(detach) == [
        ("acme", base.app),
        ("globex", base.app),
        ("", base.system),
        ("", base.app),
    ]


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_role_that_is_not_there_is_the_servers_error(base: RlsDatabase, driver: Driver) -> None:
    client = Client(base, driver, system_role="nobody at all", pool_size=1, max_overflow=0)
    try:
        with system_scope("to see all"), pytest.raises(DBAPIError, match="nobody at all") as caught:
            client.session(lambda s: s.execute(text("SELECT 1")))
        assert sqlstate(caught.value.orig) == INVALID_PARAMETER_VALUE
        # The connection can be used afterwards.
        with tenant_scope("acme"):
            assert client.session(lambda s: by_cursor(s, "SELECT 1")) == [(1,)]
    finally:
        client.close()


def test_rows_of_another_kind_do_not_matter(base: RlsDatabase) -> None:
    client = Client(base, "psycopg2", pool_size=1, max_overflow=0)

    def choose(session: Session) -> None:
        connection: Any = session.connection().connection.driver_connection
        connection.cursor_factory = RealDictCursor

    try:
        client.session(choose)
        with tenant_scope("acme"):
            assert client.session(lambda s: by_cursor(s, "SELECT 1 AS one")) == [("one",)]
    finally:
        client.close()


def test_pg8000_waits_once_to_begin_a_transaction(base: RlsDatabase) -> None:
    client = Client(base, "pg8000", pool_size=1, max_overflow=0)
    answers: list[bytes] = []

    def begin(session: Session) -> int:
        connection: Any = session.connection().connection.driver_connection
        handle = connection.message_types[READY_FOR_QUERY]

        def count(data: bytes, context: Any) -> None:
            answers.append(data)
            handle(data, context)

        session.rollback()
        connection.message_types[READY_FOR_QUERY] = count
        session.connection()
        return len(answers)

    try:
        with tenant_scope("acme"):
            assert client.session(begin) == 1
        assert answers[0] == b"T"
    finally:
        client.close()


def test_pg8000_does_not_begin_within_a_transaction(base: RlsDatabase) -> None:
    client = Client(base, "pg8000")

    def change(session: Session) -> list[Any]:
        session.execute(text("SELECT 1"))
        with tenant_scope("globex"):
            session.execute(text("SELECT 1"))
        connection: Any = session.connection().connection.driver_connection
        # The server would warn.
        return list(connection.notices)

    try:
        with tenant_scope("acme"):
            assert client.session(change) == []
    finally:
        client.close()


@pytest.mark.parametrize(
    ("driver", "name"),
    [
        ("psycopg", "psycopg.generators.execute"),
        ("pg8000", "pg8000.core.CoreConnection.execute_named"),
    ],
)
def test_a_driver_that_has_changed_is_refused(
    base: RlsDatabase, monkeypatch: pytest.MonkeyPatch, driver: Driver, name: str
) -> None:
    engine = create_engine(base.url(base.app, driver))
    monkeypatch.delattr(name)
    with pytest.raises(ConfigurationError, match=f"{name.rpartition('.')[2]} changed"):
        rls.enforce(engine)
