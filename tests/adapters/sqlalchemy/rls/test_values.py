"""The names of tenants and roles are told as they are, or not at all."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from tenantshield_mw import ConfigurationError, system_scope, tenant_scope

from .conftest import DRIVERS, Client, Driver, RlsDatabase, by_cursor

TOLD = "SELECT current_setting('tenantshield.text')"


@pytest.mark.parametrize("tenant", ["%s", "'; SELECT 1; --", "\\'", "$1", "{}", "ümläut"])
def test_a_name_is_told_as_it_is(client: Client, tenant: str) -> None:
    with tenant_scope(tenant):
        ((told,),) = client.session(lambda s: by_cursor(s, TOLD))
    assert told == tenant


@pytest.mark.parametrize("tenant", ["\\'", "a\\", "\\' || current_user || '"])
def test_a_name_is_told_as_it_is_where_backslashes_escape(client: Client, tenant: str) -> None:
    def escape(session: Session) -> None:
        by_cursor(session, "SET standard_conforming_strings = off")
        session.commit()

    client.session(escape)
    with tenant_scope(tenant):
        ((told,),) = client.session(lambda s: by_cursor(s, TOLD))
    assert told == tenant


@pytest.mark.parametrize("driver", ["psycopg", "psycopg2", "pg8000"])
def test_a_name_is_told_in_the_encoding_of_the_connection(
    base: RlsDatabase, driver: Driver
) -> None:
    client = Client(base, driver, client_encoding="latin1", pool_size=1, max_overflow=0)
    try:
        with tenant_scope("ümläut"):
            ((told,),) = client.session(lambda s: by_cursor(s, TOLD))
        assert told == "ümläut"
        with tenant_scope("日本"), pytest.raises(ConfigurationError, match="client_encoding"):
            client.session(lambda s: by_cursor(s, TOLD))
        # Nothing of what was not sent precedes the next transaction, or begins one.
        client.session(lambda s: check_autocommit(s, base))
        with tenant_scope("acme"):
            ((told,),) = client.session(lambda s: by_cursor(s, TOLD))
        assert told == "acme"
    finally:
        client.close()


@pytest.mark.parametrize("driver", ["psycopg", "psycopg2", "pg8000"])
def test_a_name_that_the_encoding_would_change_is_refused(
    base: RlsDatabase, driver: Driver
) -> None:
    client = Client(base, driver, client_encoding="SJIS", pool_size=1, max_overflow=0)
    try:
        # Python writes a backslash for it, which is another tenant.
        refused = pytest.raises(ConfigurationError, match="client_encoding")
        with tenant_scope("a\u00a5"), refused:
            client.session(lambda s: by_cursor(s, TOLD))
        with tenant_scope("a\\"):
            ((told,),) = client.session(lambda s: by_cursor(s, TOLD))
        assert told == "a\\"
    finally:
        client.close()


def check_autocommit(session: Session, base: RlsDatabase) -> None:
    session.connection(execution_options={"isolation_level": "AUTOCOMMIT"})
    ((own,),) = by_cursor(session, "SELECT pg_backend_pid()")
    state = base.here.read("SELECT state FROM pg_stat_activity WHERE pid = %s", [own])
    assert state == [("idle",)]


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
