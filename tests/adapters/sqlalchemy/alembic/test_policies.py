"""The operations for policies, on a real database."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Column, Connection, Integer, MetaData, String, Table, create_engine

from tenantshield_mw import ConfigurationError, system_scope, tenant_scope
from tenantshield_mw.adapters.sqlalchemy import tenant_aware
from tenantshield_mw.adapters.sqlalchemy.alembic import DropTenantPoliciesOp, PutTenantPoliciesOp
from tenantshield_mw.adapters.sqlalchemy.rls import (
    ParentLink,
    TablePolicySpec,
    TenantColumn,
    enforce,
    find_differences,
)
from tests.adapters.sqlalchemy.alembic.project import operations, written_out
from tests.databases import Database, database, memory_engine

PERSON = TablePolicySpec("migrated_person", column=TenantColumn("tenant_id"))
NODE = TablePolicySpec(
    "Node's",
    "Of Trees",
    column=TenantColumn("tenant_id"),
    references=(ParentLink(("up",), "Node's", ("id",), "Of Trees"),),
)
LEAF = TablePolicySpec(
    "migrated_leaf", ties=(ParentLink(("person_id",), "migrated_person", ("id",)),)
)
SPECS = [PERSON, NODE, LEAF]

# The operations work under the guard, also where the text names a guarded table.
tenant_aware(
    Table(
        "migrated_person",
        MetaData(),
        Column("id", Integer, primary_key=True),
        Column("tenant_id", String(10)),
        Column("name", String(10)),
    )
)


@pytest.fixture
def db() -> Iterator[Database]:
    with database("postgresql") as here:
        here.run(
            'CREATE SCHEMA "Of Trees"',
            "CREATE TABLE migrated_person (id int PRIMARY KEY, tenant_id varchar(10), "
            "name varchar(10))",
            'CREATE TABLE "Of Trees"."Node\'s" (id int PRIMARY KEY, tenant_id text, up int)',
            "CREATE TABLE migrated_leaf (id int PRIMARY KEY, person_id int)",
            "INSERT INTO migrated_person VALUES (1, 'acme'), (2, 'other')",
        )
        yield here


def put(op: Any) -> None:
    for each in SPECS:
        op.put_tenant_policies(each)


def drop(op: Any) -> None:
    for each in reversed(SPECS):
        op.drop_tenant_policies(each)


def state(db: Database) -> tuple[int, int, int]:
    """Return the numbers of policies, functions and tables with row-level security."""
    [row] = db.read(
        "SELECT (SELECT count(*) FROM pg_policy), (SELECT count(*) FROM pg_proc WHERE proname "
        "LIKE 'tenantshield%'), (SELECT count(*) FROM pg_class WHERE relrowsecurity "
        "AND relforcerowsecurity)"
    )
    return row


def is_in_place(db: Database, specs: list[TablePolicySpec] = SPECS) -> bool:
    engine = db.engine()
    with engine.connect() as connection:
        found = find_differences(connection, specs)
    engine.dispose()
    return not found


@pytest.mark.parametrize("scope", ["none", "system", "tenant"])
def test_policies_are_created_and_dropped_in_any_scope(db: Database, scope: str) -> None:
    engine = db.engine()

    def run(act: Any) -> None:
        with engine.connect() as connection, operations(connection) as op:
            act(op)

    def run_in_scope(act: Any) -> None:
        if scope == "none":
            return run(act)
        with system_scope("a migration") if scope == "system" else tenant_scope("acme"):
            return run(act)

    run_in_scope(put)
    assert state(db) == (7, 3, 3)
    assert is_in_place(db)
    run_in_scope(put)
    assert state(db) == (7, 3, 3)
    run_in_scope(drop)
    assert state(db) == (0, 0, 0)
    engine.dispose()


def test_what_was_put_in_place_confines_the_application(db: Database) -> None:
    engine = db.engine()
    with engine.connect() as connection, operations(connection) as op:
        put(op)
    db.run(
        "CREATE ROLE tenantshield_migrated LOGIN",
        "GRANT ALL ON migrated_person TO tenantshield_migrated",
    )
    held = create_engine(db.url.set(username="tenantshield_migrated"))
    enforce(held)
    with tenant_scope("acme"), held.begin() as connection:
        cursor = connection.connection.cursor()
        cursor.execute("SELECT id FROM migrated_person")
        assert cursor.fetchall() == [(1,)]
    held.dispose()
    engine.dispose()
    db.run("DROP OWNED BY tenantshield_migrated", "DROP ROLE tenantshield_migrated")


def test_all_of_a_migration_is_undone_when_it_fails(db: Database) -> None:
    engine = db.engine()

    def fail(op: Any) -> None:
        put(op)
        assert db.read("SELECT count(*) FROM pg_policy") == [(0,)]
        raise ZeroDivisionError

    with engine.connect() as connection, pytest.raises(ZeroDivisionError):
        run(connection, fail)
    assert state(db) == (0, 0, 0)
    engine.dispose()


def run(connection: Connection, act: Any) -> None:
    with operations(connection) as op:
        act(op)


def test_what_is_written_out_does_the_same(db: Database) -> None:
    db.run(written_out(put))
    assert is_in_place(db)
    db.run(written_out(drop))
    assert state(db) == (0, 0, 0)


def test_a_change_drops_functions_that_are_no_longer_called(db: Database) -> None:
    plain = TablePolicySpec("Node's", "Of Trees", column=TenantColumn("tenant_id"))
    change = PutTenantPoliciesOp(plain, before=NODE)
    engine = db.engine()

    def invoke(operation: Any) -> None:
        with engine.connect() as connection, operations(connection) as op:
            op.invoke(operation)

    invoke(PutTenantPoliciesOp(NODE))
    assert state(db) == (3, 2, 1)
    invoke(change)
    assert state(db) == (2, 1, 1)
    assert is_in_place(db, [plain])
    invoke(change.reverse())
    assert state(db) == (3, 2, 1)
    assert is_in_place(db, [NODE])
    engine.dispose()


@pytest.mark.parametrize(
    "operation",
    [
        PutTenantPoliciesOp(PERSON, among=SPECS, leave_enabled=True),
        DropTenantPoliciesOp(PERSON, among=SPECS, leave_enabled=True),
        PutTenantPoliciesOp(PERSON, before=NODE),
    ],
)
def test_reversing_an_operation_twice_gives_the_operation(operation: Any) -> None:
    again = operation.reverse().reverse()
    assert type(again) is type(operation)
    assert vars(again) == vars(operation)


def test_left_enabled_a_table_without_policies_shows_nothing(db: Database) -> None:
    engine = db.engine()
    with engine.connect() as connection, operations(connection) as op:
        op.put_tenant_policies(PERSON)
        op.drop_tenant_policies(PERSON, leave_enabled=True)
    assert state(db) == (0, 0, 1)
    engine.dispose()


def test_an_invalid_table_or_column_of_tenants_is_refused(db: Database) -> None:
    engine = db.engine()
    with (
        engine.connect() as connection,
        operations(connection) as op,
        pytest.raises(ConfigurationError, match="column= or ties="),
    ):
        op.put_tenant_policies(TablePolicySpec("migrated_person"))
    engine.dispose()


@pytest.mark.parametrize("act", [put, drop])
@pytest.mark.parametrize("dialect", ["sqlite", "mysql", "mariadb"])
def test_on_another_database_it_is_an_error(act: Any, dialect: str) -> None:
    with pytest.raises(ConfigurationError, match="this operation requires PostgreSQL"):
        written_out(act, dialect)


def test_on_another_database_it_is_an_error_online_too() -> None:
    with (
        memory_engine().connect() as connection,
        operations(connection) as op,
        pytest.raises(ConfigurationError, match="runs on 'sqlite'"),
    ):
        put(op)
