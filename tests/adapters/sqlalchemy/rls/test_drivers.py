"""The transaction that is begun here has the options that the application set."""

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

from .conftest import DRIVERS, Client, Driver, RlsDatabase, by_cursor

INVALID_PARAMETER_VALUE = "22023"
"""https://www.postgresql.org/docs/current/errcodes-appendix.html"""
READY_FOR_QUERY = b"Z"
"""https://www.postgresql.org/docs/current/protocol-message-formats.html"""

KIND = (
    "SELECT current_setting('transaction_isolation'), current_setting('transaction_read_only'), "
    "current_setting('transaction_deferrable'), current_setting('tenantshield.text')"
)


@pytest.mark.parametrize("level", ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"])
@pytest.mark.parametrize("is_read_only", [True, False])
@pytest.mark.parametrize("is_deferrable", [True, False])
def test_a_transaction_is_of_the_kind_that_was_asked_for(
    client: Client, level: str, *, is_read_only: bool, is_deferrable: bool
) -> None:
    options: dict[str, Any] = {
        "isolation_level": level,
        "postgresql_readonly": is_read_only,
        "postgresql_deferrable": is_deferrable,
    }

    def run(session: Session) -> list[tuple[Any, ...]]:
        session.connection(execution_options=options)
        return by_cursor(session, KIND)

    with tenant_scope("acme"):
        assert client.session(run) == [
            (
                level.lower(),
                "on" if is_read_only else "off",
                "on" if is_deferrable else "off",
                "acme",
            )
        ]
        # And the next transaction on the same connection has the defaults.
        assert client.session(lambda s: by_cursor(s, KIND)) == [
            ("read committed", "off", "off", "acme")
        ]


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


@pytest.mark.parametrize("tenant", ["%s", "'; SELECT 1; --", "\\'", "$1", "{}", "ümläut"])
def test_a_name_is_told_as_it_is(client: Client, tenant: str) -> None:
    with tenant_scope(tenant):
        ((*_, told),) = client.session(lambda s: by_cursor(s, KIND))
    assert told == tenant


@pytest.mark.parametrize("tenant", ["\\'", "a\\", "\\' || current_user || '"])
def test_a_name_is_told_as_it_is_where_backslashes_escape(client: Client, tenant: str) -> None:
    def escape(session: Session) -> None:
        by_cursor(session, "SET standard_conforming_strings = off")
        session.commit()

    client.session(escape)
    with tenant_scope(tenant):
        ((*_, told),) = client.session(lambda s: by_cursor(s, KIND))
    assert told == tenant


@pytest.mark.parametrize("driver", ["psycopg", "psycopg2", "pg8000"])
def test_a_name_is_told_in_the_encoding_of_the_connection(
    base: RlsDatabase, driver: Driver
) -> None:
    client = Client(base, driver, client_encoding="latin1", pool_size=1, max_overflow=0)
    try:
        with tenant_scope("ümläut"):
            ((*_, told),) = client.session(lambda s: by_cursor(s, KIND))
        assert told == "ümläut"
        with tenant_scope("日本"), pytest.raises(UnicodeEncodeError):
            client.session(lambda s: by_cursor(s, KIND))
        # Nothing of what was not sent precedes the next transaction, or begins one.
        client.session(lambda s: check_autocommit(s, base))
        with tenant_scope("acme"):
            ((*_, told),) = client.session(lambda s: by_cursor(s, KIND))
        assert told == "acme"
    finally:
        client.close()


def check_autocommit(session: Session, base: RlsDatabase) -> None:
    session.connection(execution_options={"isolation_level": "AUTOCOMMIT"})
    ((own,),) = by_cursor(session, "SELECT pg_backend_pid()")
    state = base.here.read("SELECT state FROM pg_stat_activity WHERE pid = %s", [own])
    assert state == [("idle",)]


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


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_name_is_not_told_in_part(base: RlsDatabase, driver: Driver) -> None:
    client = Client(base, driver, system_role=f"{base.system}\0x")
    try:
        with (
            system_scope("to see all"),
            # The other drivers send the value with its length, and the server refuses it.
            pytest.raises((ConfigurationError, DBAPIError), match=r"zero byte|: 0x00"),
        ):
            client.session(lambda s: s.execute(text("SELECT 1")))
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
