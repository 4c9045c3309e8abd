"""PostgreSQL's policies let a tenant read the shared rows and write none, without the guard."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from sqlalchemy import (
    CHAR,
    Column,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    Uuid,
    create_engine,
    null,
)

from tenantshield_mw import system_scope
from tenantshield_mw.adapters.sqlalchemy import rls, tenant_aware
from tests.policy_database import PolicyDatabase, policy_database

from .models import SEED, Base

NAMES = ("provider", "template", "offer", "price", "match", "score")


@pytest.fixture(scope="module")
def made() -> Iterator[PolicyDatabase]:
    with policy_database() as here:
        assert isinstance(here, PolicyDatabase)
        engine = create_engine(here.url)
        with system_scope("the schema"), engine.begin() as connection:
            connection.exec_driver_sql(f"SET ROLE {here.owner}")
            Base.metadata.create_all(connection)
            rls.create_policies(connection, Base.metadata)
        engine.dispose()
        here.grant()
        yield here


@pytest.fixture
def here(made: PolicyDatabase) -> PolicyDatabase:
    made.run(*(f"DELETE FROM {each.name}" for each in reversed(Base.metadata.sorted_tables)), *SEED)
    return made


def run(here: PolicyDatabase, sql: str, tenant: str = "acme") -> Any:
    with here.app_dbapi() as connection:
        connection.execute("SELECT set_config('tenantshield.text', %s, false)", [tenant])
        cursor = connection.execute(sql)
        return cursor.fetchall() if cursor.description else cursor.rowcount


@pytest.mark.parametrize("name", NAMES)
def test_a_cursor_reads_the_own_rows_and_the_shared_ones(here: PolicyDatabase, name: str) -> None:
    assert run(here, f"SELECT name FROM sr_{name} ORDER BY 1") == [("acme",), ("shared",)]


@pytest.mark.parametrize("name", NAMES)
def test_a_cursor_changes_no_shared_row(here: PolicyDatabase, name: str) -> None:
    before = here.read(f"SELECT * FROM sr_{name} WHERE name <> 'acme' ORDER BY 1")
    assert run(here, f"UPDATE sr_{name} SET name = 'acme'") == 1
    run(here, "DELETE FROM sr_score")
    run(here, "DELETE FROM sr_match")
    run(here, "DELETE FROM sr_price")
    run(here, "DELETE FROM sr_used")
    run(here, "DELETE FROM sr_chat")
    run(here, "DELETE FROM sr_offer")
    assert run(here, f"DELETE FROM sr_{name}") in {0, 1}
    assert here.read(f"SELECT * FROM sr_{name} WHERE name <> 'acme' ORDER BY 1") == before


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO sr_provider VALUES (9, NULL, 'new')",
        "INSERT INTO sr_template VALUES (9, 'everybody', 'new')",
        "UPDATE sr_provider SET tenant_id = NULL",
        "UPDATE sr_template SET tenant_id = 'everybody'",
        "INSERT INTO sr_offer VALUES (9, 1, 'new')",
        "UPDATE sr_offer SET provider_id = 1",
        "INSERT INTO sr_price VALUES (9, 1, 'new')",
        "INSERT INTO sr_score VALUES (3, 'new')",
        "INSERT INTO sr_provider VALUES (1, 'acme', '') ON CONFLICT (id) DO UPDATE SET name = ''",
        "INSERT INTO sr_chat VALUES (9, 'acme', 'new', 3, NULL)",
    ],
)
def test_a_cursor_makes_no_row_shared(here: PolicyDatabase, sql: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        run(here, sql)


def test_a_cursor_takes_over_no_shared_row(here: PolicyDatabase) -> None:
    for sql in (
        "UPDATE sr_provider SET tenant_id = 'acme'",
        "UPDATE sr_template SET tenant_id = 'acme'",
        "UPDATE sr_offer SET provider_id = 2",
    ):
        assert run(here, sql) == 1
    assert here.read("SELECT count(*) FROM sr_provider WHERE tenant_id IS NULL") == [(1,)]
    assert here.read("SELECT provider_id FROM sr_offer WHERE id = 1") == [(1,)]


def test_the_value_of_the_shared_rows_is_no_tenant(here: PolicyDatabase) -> None:
    assert run(here, "UPDATE sr_template SET name = 'new'", "everybody") == 0
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        run(here, "INSERT INTO sr_template VALUES (9, 'everybody', 'new')", "everybody")


def test_a_cursor_refers_to_a_shared_row(here: PolicyDatabase) -> None:
    assert run(here, "INSERT INTO sr_chat VALUES (9, 'acme', 'new', 1, 1)") == 1
    assert run(here, "INSERT INTO sr_offer VALUES (9, 2, 'new')") == 1


def test_without_a_tenant_only_shared_rows_are_seen(here: PolicyDatabase) -> None:
    assert run(here, "SELECT name FROM sr_provider", "") == [("shared",)]
    assert run(here, "UPDATE sr_provider SET name = 'new'", "") == 0


def test_what_is_altered_is_found(here: PolicyDatabase) -> None:
    specs = rls.specs_of(Base.metadata)
    engine = create_engine(here.url)
    with system_scope("look"), engine.connect() as connection:
        assert list(rls.find_differences(connection, specs)) == []
        connection.exec_driver_sql("DROP POLICY tenantshield_update ON sr_provider")
        connection.exec_driver_sql("ALTER POLICY tenantshield_delete ON sr_offer USING (true)")
        connection.exec_driver_sql("DROP POLICY tenantshield_delete ON sr_template")
        connection.exec_driver_sql(
            "CREATE POLICY tenantshield_delete ON sr_template AS RESTRICTIVE FOR ALL USING (true)"
        )
        found = {(each.table, each.kind) for each in rls.find_differences(connection, specs)}
    engine.dispose()
    assert found == {
        ("sr_provider", "policy missing"),
        ("sr_offer", "policy outdated"),
        ("sr_template", "policy outdated"),
    }


@pytest.mark.parametrize(
    ("name", "type_", "value"),
    [
        ("sr_number", Integer, -7),
        ("sr_text", String(20), "it's"),
        ("sr_char", CHAR(20), "it's"),
        ("sr_none", String(20), None),
        ("sr_uuid", Uuid, uuid.UUID(int=7)),
        ("sr_hex", Uuid(native_uuid=False), uuid.UUID(int=7)),
    ],
)
def test_any_value_is_recognized_in_the_catalog(
    here: PolicyDatabase, name: str, type_: Any, value: Any
) -> None:
    metadata = MetaData()
    odd = Table(name, metadata, Column("id", Integer, primary_key=True))
    odd.append_column(Column("tenant_id", type_, nullable=value is None, index=True))
    tenant_aware(odd, shared_rows=null() if value is None else value)
    tied = Table(f"{name}_tied", metadata, Column("id", Integer, primary_key=True))
    tied.append_column(Column("odd_id", ForeignKey(f"{name}.id"), nullable=False))
    engine = create_engine(here.url)
    with system_scope("look"), engine.connect() as connection:
        metadata.create_all(connection)
        rls.create_policies(connection, metadata)
        assert list(rls.find_differences(connection, rls.specs_of(metadata))) == []
    engine.dispose()


def test_a_table_without_shared_rows_has_no_policies_for_them() -> None:
    text = "\n".join(rls.policy_statements(Base.metadata))
    assert "CREATE POLICY tenantshield_update ON sr_provider" in text
    assert "CREATE POLICY tenantshield_update ON sr_chat" not in text
    assert "CREATE POLICY tenantshield_update ON sr_used" not in text
