"""The transaction that is begun for psycopg has the options that the application set."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from tenantshield_mw import ConfigurationError, system_scope, tenant_scope
from tenantshield_mw.adapters.sqlalchemy import rls

from .conftest import Client, Driver, RlsDatabase, by_cursor

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


@pytest.mark.parametrize("driver", ["psycopg", "psycopg_async"])
def test_a_role_that_is_not_there_is_the_servers_error(base: RlsDatabase, driver: Driver) -> None:
    client = Client(base, driver, system_role="nobody at all")
    try:
        with system_scope("to see all"), pytest.raises(DBAPIError) as caught:
            client.session(lambda s: s.execute(text("SELECT 1")))
        assert isinstance(caught.value.orig, psycopg.errors.InvalidParameterValue)
        # The connection can be used afterwards.
        with tenant_scope("acme"):
            assert client.session(lambda s: by_cursor(s, "SELECT 1")) == [(1,)]
    finally:
        client.close()


@pytest.mark.parametrize("driver", ["psycopg", "psycopg_async"])
def test_a_name_is_not_told_in_part(base: RlsDatabase, driver: Driver) -> None:
    client = Client(base, driver, system_role=f"{base.system}\0x")
    try:
        with system_scope("to see all"), pytest.raises(ConfigurationError, match="zero byte"):
            client.session(lambda s: s.execute(text("SELECT 1")))
    finally:
        client.close()


def test_a_psycopg_that_has_changed_is_refused(
    base: RlsDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = create_engine(base.url(base.app))
    monkeypatch.delattr("psycopg.generators.execute")
    with pytest.raises(ConfigurationError, match="execute changed"):
        rls.enforce(engine)
