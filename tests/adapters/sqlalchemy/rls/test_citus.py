"""The policies for Citus: one permissive policy a table, and the tenant by ``SET LOCAL``.

A PostgreSQL without Citus shows what they let a tenant read and write, not that Citus hands the
setting on to its nodes.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import CHAR, Column, Integer, MetaData, String, Table, Uuid, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from tenantshield_mw import ConfigurationError, system_scope, tenant_scope
from tenantshield_mw.adapters.sqlalchemy import rls, shared_across_tenants, tenant_aware
from tenantshield_mw.adapters.sqlalchemy.citus import citus_policy_statements

from .conftest import DRIVERS, Client, RlsDatabase, by_cursor

METADATA = MetaData()
ONE, TWO = uuid.UUID(int=1), uuid.UUID(int=2)


def noted(name: str, column: Column[Any]) -> Table:
    key = Column("id", Integer, primary_key=True, autoincrement=False)
    table = Table(name, METADATA, column, key, Column("note", String(40)))
    tenant_aware(table, column=column.name)
    return table


NOTE = noted("shard_note", Column("Tenant Id", String(40), primary_key=True))
noted("shard_number", Column("tenant_id", Integer, primary_key=True, autoincrement=False))
noted("shard_uuid", Column("tenant_id", Uuid, primary_key=True))
noted("shard_text_uuid", Column("tenant_id", Uuid(as_uuid=False), primary_key=True))
shared_across_tenants(Table("shard_zone", METADATA, Column("name", String(9), primary_key=True)))

KINDS: dict[str, tuple[Any, Any]] = {
    "shard_number": (7, 8),
    "shard_uuid": (ONE, TWO),
    "shard_text_uuid": (str(ONE), str(TWO)),
}
NOTES = "SELECT note FROM shard_note"


def execute(base: RlsDatabase) -> None:
    # Altering the role takes more rights than its owner has.
    with base.engine("postgres").begin() as connection, system_scope("policies"):
        for statement in citus_policy_statements(METADATA, role=base.app):
            connection.exec_driver_sql(statement)


@pytest.fixture(scope="module", autouse=True)
def policies(base: RlsDatabase) -> None:
    with base.engine(base.owner).begin() as connection:
        METADATA.create_all(connection)
        rls.create_policies(connection, METADATA)
    base.grant()
    # Those of create_policies() are dropped, and these are made again.
    execute(base)
    execute(base)
    base.here.run("INSERT INTO shard_note VALUES ('acme', 1, 'acme'), ('globex', 2, 'globex')")
    for name, tenants in KINDS.items():
        for tenant in tenants:
            base.here.run(f"INSERT INTO {name} VALUES ('{tenant}', 1, '{tenant}')")


@pytest.fixture(params=DRIVERS)
def sharded(base: RlsDatabase, request: pytest.FixtureRequest) -> Iterator[Client]:
    client = Client(base, request.param, citus=True, pool_size=1, max_overflow=0)
    yield client
    client.close()


def notes(session: Session) -> list[str]:
    return sorted(note for (note,) in by_cursor(session, NOTES))


def test_a_cursor_reads_the_tenants_rows_alone(sharded: Client) -> None:
    def change(session: Session) -> None:
        with tenant_scope("acme"):
            assert notes(session) == ["acme"]
            savepoint = session.begin_nested()
            with tenant_scope("globex"):
                assert notes(session) == ["globex"]
                savepoint.rollback()
                assert notes(session) == ["globex"]
            assert notes(session) == ["acme"]
            session.commit()
            assert notes(session) == ["acme"]
        assert notes(session) == []

    sharded.session(change)
    assert sharded.session(notes) == []
    with tenant_scope("acme"):
        assert sharded.session(lambda s: s.scalars(select(NOTE.c.note)).all()) == ["acme"]


def test_a_cursor_writes_the_tenants_rows_alone(sharded: Client, base: RlsDatabase) -> None:
    def steal(session: Session) -> None:
        by_cursor(session, "INSERT INTO shard_note VALUES ('globex', 9, 'x')")

    def write(session: Session) -> None:
        by_cursor(session, "UPDATE shard_note SET note = note")
        by_cursor(session, "DELETE FROM shard_note WHERE id > 1")
        session.commit()

    with tenant_scope("acme"):
        with pytest.raises(Exception, match="row-level security policy"):
            sharded.session(steal)
        sharded.session(write)
    assert base.here.read(f"{NOTES} ORDER BY id") == [("acme",), ("globex",)]


@pytest.mark.parametrize("name", ["'; SELECT 1; --", "\\' || 'x", "%s", "$1", "ümläut"])
def test_a_name_is_told_as_it_is(sharded: Client, name: str) -> None:
    with tenant_scope(name):
        told = sharded.session(lambda s: by_cursor(s, "SHOW tenantshield.text"))
    assert told == [(name,)]


@pytest.mark.parametrize("table", KINDS)
def test_tenants_of_every_type_are_compared(sharded: Client, table: str) -> None:
    for tenant in KINDS[table]:
        with tenant_scope(tenant):
            found = sharded.session(lambda s: by_cursor(s, f"SELECT note FROM {table}"))
        assert found == [(str(tenant),)]


def test_the_setting_ends_with_the_transaction(sharded: Client) -> None:
    def forge(session: Session) -> None:
        by_cursor(session, "SET tenantshield.text = 'globex'")
        session.commit()

    with tenant_scope("acme"):
        sharded.session(forge)
        assert sharded.session(notes) == ["acme"]
    assert sharded.session(notes) == []


def test_the_role_has_its_settings_handed_on(sharded: Client) -> None:
    shown = sharded.session(lambda s: by_cursor(s, "SHOW citus.propagate_set_commands"))
    assert shown == [("local",)]


def test_each_table_has_one_permissive_policy_without_a_subquery(base: RlsDatabase) -> None:
    found = base.here.read(
        "SELECT tablename, policyname, permissive, roles::text, cmd, qual, with_check "
        "FROM pg_policies ORDER BY tablename"
    )
    assert [each[0] for each in found] == [
        "shard_note",
        "shard_number",
        "shard_text_uuid",
        "shard_uuid",
    ]
    for _, name, kind, roles, command, using, check in found:
        assert (name, kind, command) == ("tenantshield_citus", "PERMISSIVE", "ALL")
        assert roles == f"{{{base.app}}}"
        assert "SELECT" not in using
        assert using == check
    assert base.here.read(
        "SELECT count(*) FROM pg_class WHERE relrowsecurity AND relforcerowsecurity"
    ) == [(len(found),)]


def test_the_tenant_is_sent_by_the_statement_that_citus_hands_on() -> None:
    (function,) = (
        each for each in citus_policy_statements(METADATA, role="app") if "FUNCTION" in each
    )
    assert function.count("EXECUTE 'SET LOCAL tenantshield.") == 3
    assert "set_config" not in function
    # A setting of the function's own would be undone at its end.
    assert " SET " not in function.partition("AS $")[0]


def test_without_these_policies_the_function_is_missed(base: RlsDatabase) -> None:
    base.here.run("ALTER FUNCTION tenantshield_set_local RENAME TO elsewhere")
    client = Client(base, "psycopg", citus=True)
    try:
        with tenant_scope("acme"), pytest.raises(DBAPIError, match="does not exist"):
            client.session(lambda s: s.execute(text("SELECT 1")))
    finally:
        base.here.run("ALTER FUNCTION elsewhere RENAME TO tenantshield_set_local")
        client.close()


def test_system_scopes_need_another_engine(base: RlsDatabase) -> None:
    with pytest.raises(ConfigurationError, match="separate engine"):
        Client(base, "psycopg", citus=True, system_role=base.system)
    client = Client(base, "psycopg", citus=True)
    try:
        with system_scope("to see all"), pytest.raises(ConfigurationError, match="separate engine"):
            client.session(notes)
    finally:
        client.close()


def test_a_column_of_another_type_is_refused() -> None:
    metadata = MetaData()
    odd = Table(
        "shard_char",
        metadata,
        Column("tenant_id", CHAR(8), primary_key=True),
        Column("id", Integer, primary_key=True),
    )
    tenant_aware(odd)
    with pytest.raises(ConfigurationError, match=r"shard_char\.tenant_id .* use a String"):
        citus_policy_statements(metadata, role="app")
