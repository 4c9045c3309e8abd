"""The keys with which tenants are signed."""

from __future__ import annotations

import secrets
from typing import Any

import pytest
from sqlalchemy import create_engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from tenantshield_mw import ConfigurationError, system_scope, tenant_scope
from tenantshield_mw.adapters.sqlalchemy import rls
from tenantshield_mw.adapters.sqlalchemy.rls.signing import Backend, Signer

from . import signed_clients
from .conftest import SIGNING, Client, Driver, RlsDatabase, by_cursor, rls_database
from .models import Base, Cellar
from .signed_clients import KEY, REFUSED, names

base, client, app = signed_clients.base, signed_clients.client, signed_clients.app


# -- keys --------------------------------------------------------------------------


def test_without_a_key_a_tenant_is_nobody(base: RlsDatabase) -> None:
    client = Client(base, "psycopg")
    with tenant_scope("acme"):
        assert client.session(names) == []
    assert client.session(names) == []
    client.close()


@pytest.mark.parametrize("driver", SIGNING)
def test_another_key_is_refused(base: RlsDatabase, driver: Driver) -> None:
    client = Client(base, driver, key=secrets.token_bytes(32))
    for scope in (tenant_scope("acme"), system_scope("a report")):
        with scope, pytest.raises(ConfigurationError, match=REFUSED):
            client.session(names)
    client.close()


def test_a_key_is_replaced_while_both_are_in_use(base: RlsDatabase) -> None:
    current, new = [KEY], secrets.token_bytes(64)
    client = Client(base, "psycopg", key=lambda: current[0])
    owner = base.engine(base.owner)

    def read() -> Any:
        with tenant_scope("acme"):
            return client.session(names)

    try:
        with owner.begin() as connection:
            rls.store_keys(connection, [new, KEY])
        assert read() == ["acme"]
        current[0] = new
        assert read() == ["acme"]
        with owner.begin() as connection:
            rls.store_keys(connection, [new])
        assert read() == ["acme"]
        current[0] = KEY
        # It is noticed when the connection is asked again, and at once on a new one.
        assert read() == []
        client.engine.dispose()
        with pytest.raises(ConfigurationError, match=REFUSED):
            read()
    finally:
        with owner.begin() as connection:
            rls.store_keys(connection, [KEY])
        client.close()


@pytest.mark.parametrize("size", [32, 63, 64, 65, 200])
def test_a_key_may_be_of_any_length(base: RlsDatabase, size: int) -> None:
    key = secrets.token_bytes(size)
    owner = base.engine(base.owner)
    client = Client(base, "psycopg", key=key)
    try:
        with owner.begin() as connection:
            rls.store_keys(connection, [key])
        with tenant_scope("acme"):
            assert client.session(names) == ["acme"]
    finally:
        with owner.begin() as connection:
            rls.store_keys(connection, [KEY])
        client.close()


@pytest.mark.parametrize("key", [b"short", "a" * 40, b"", lambda: b"short", lambda: None])
def test_a_bad_key_is_refused(base: RlsDatabase, key: Any) -> None:
    engine = create_engine(base.url(base.app))
    with pytest.raises(ConfigurationError, match="32 random bytes"):
        rls.enforce(engine, key=key)
    engine.dispose()


def test_stored_keys_are_checked(base: RlsDatabase) -> None:
    with base.engine(base.owner).connect() as connection:
        with pytest.raises(ConfigurationError, match="32 random bytes"):
            rls.store_keys(connection, [b"short"])
        with pytest.raises(ConfigurationError, match="a list of keys"):
            rls.store_keys(connection, KEY)  # type: ignore[arg-type]


def test_policies_are_created_again_and_the_keys_stay(base: RlsDatabase, app: Client) -> None:
    rls.configure(Base.metadata, roles=[base.app], signed=True, system_role=base.system)
    try:
        with base.engine(base.owner).begin() as connection:
            rls.create_policies(connection, Base.metadata)
            assert rls.find_differences(connection, rls.specs_of(Base.metadata)) == []
    finally:
        Base.metadata.info.clear()
    with tenant_scope("acme"):
        assert app.session(names) == ["acme"]


def test_a_tenants_name_may_contain_anything_that_a_column_holds(
    base: RlsDatabase, app: Client
) -> None:
    for number, tenant in enumerate(("a b", "ä€𝄞", "'; DROP", "%s $1", "none"), 100):
        with tenant_scope(tenant):

            def add(session: Session, number: int = number, tenant: str = tenant) -> list[Any]:
                session.add(Cellar(id=number, name=tenant))
                session.commit()
                return names(session)

            assert app.session(add) == [tenant]
    base.here.run("""DELETE FROM "floor Cellar" WHERE id >= 100""")


def test_a_zero_byte_is_refused() -> None:
    backend = Backend(1, "db", "app", "none")
    with pytest.raises(ConfigurationError, match="zero byte"):
        Signer(KEY).sign(backend, 1, ("a\0b", "", ""))


def test_a_database_that_was_not_prepared_is_noticed() -> None:
    with rls_database() as plain:
        client = Client(plain, "psycopg", key=KEY)
        with tenant_scope("acme"), pytest.raises(DBAPIError, match="tenantshield"):
            client.session(lambda s: by_cursor(s, "SELECT 1"))
        client.close()


@pytest.mark.parametrize("driver", ["psycopg2", "pg8000"])
def test_another_driver_is_refused(base: RlsDatabase, driver: str) -> None:
    engine = create_engine(base.url(base.app).set(drivername=f"postgresql+{driver}"))
    with pytest.raises(ConfigurationError, match="signed tenants require asyncpg, psycopg"):
        rls.enforce(engine, key=KEY)
    engine.dispose()


def test_citus_takes_no_key(base: RlsDatabase) -> None:
    engine = create_engine(base.url(base.app))
    with pytest.raises(ConfigurationError, match="Citus has no system_role and no key"):
        rls.enforce(engine, key=KEY, citus=True)
    engine.dispose()
