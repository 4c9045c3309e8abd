"""Raw SQL changes neither the role nor the setting that tells the database the tenant."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import (
    Column,
    Engine,
    Integer,
    MetaData,
    String,
    Table,
    func,
    literal_column,
    select,
    text,
    update,
)
from sqlalchemy.dialects import sqlite

from tenantshield_mw import UnguardedStatementError, tenant_scope
from tenantshield_mw.adapters.sqlalchemy import tenant_aware
from tenantshield_mw.adapters.sqlalchemy.raw_sql.patterns import CHANGES_TENANT
from tests.databases import memory_engine

from ..watching import sent
from .ledgers import RATES


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT set_config('x', 'y', true)",
        "SELECT pg_catalog.SET_CONFIG ('x', 'y', true)",
        "SELECT \"set_config\" ('x', 'y', true)",
        "SET tenantshield.text = 'globex'",
        "SET LOCAL tenantshield.uuid TO 'x'",
        "SET ROLE postgres",
        "set  local\nrole x",
        "RESET ROLE",
        "SET SESSION AUTHORIZATION x",
        "SET LOCAL SESSION AUTHORIZATION x",
        "SET session_authorization = x",
        'SET "role" TO x',
        "RESET ALL",
        "SET/**/tenantshield.text = 'globex'",
        "SET LOCAL -- x\n ROLE x",
        "SELECT set_config/* x */('x', 'y', true)",
        "ALTER ROLE x SET tenantshield.text = 'globex'",
        "UPDATE pg_settings SET setting = 'globex' WHERE name = 'tenantshield.text'",
        'UPDATE ONLY "pg_catalog" . "pg_settings" SET setting = 1',
    ],
)
def test_sql_that_changes_the_role_or_the_setting_is_refused(engine: Engine, sql: str) -> None:
    with (
        tenant_scope("acme"),
        engine.connect() as connection,
        sent(engine) as statements,
    ):
        with pytest.raises(UnguardedStatementError, match="knows the tenant"):
            connection.execute(text(sql))
        with pytest.raises(UnguardedStatementError, match="knows the tenant"):
            connection.exec_driver_sql(sql)
    assert statements == []


def test_so_is_the_function_for_it(engine: Engine) -> None:
    with (
        tenant_scope("acme"),
        engine.connect() as connection,
        pytest.raises(UnguardedStatementError, match="knows the tenant"),
    ):
        connection.execute(select(func.set_config("x", "y", True)))


@pytest.mark.parametrize("name", ["role", "authorization", "session_authorization"])
def test_a_column_may_have_the_name_of_such_a_setting(name: str) -> None:
    members = tenant_aware(
        Table(
            f"raw_members_{name}",
            MetaData(),
            Column("id", Integer, primary_key=True),
            Column("tenant_id", String(50), primary_key=True),
            Column(name, String(50)),
        )
    )
    here = memory_engine()
    members.create(here)
    with tenant_scope("acme"), here.begin() as connection:
        connection.execute(members.insert().values({"id": 1, name: "a"}))
        connection.execute(update(members).values({name: "b"}))
        aliased: Any = members.alias("m")
        connection.execute(update(aliased).values({name: aliased.c[name] + "c"}))
        upsert = sqlite.insert(members).values({"id": 1, name: "d"})
        connection.execute(
            upsert.on_conflict_do_update(
                index_elements=["id", "tenant_id"],
                set_={name: members.c[name] + upsert.excluded[name]},
            )
        )
        assert connection.scalar(select(members.c[name])) == "bcd"


def test_raw_sql_next_to_an_assignment_is_refused_all_the_same(engine: Engine) -> None:
    assigning = update(RATES).values(id=literal_column("1; SET ROLE x"))
    with (
        tenant_scope("acme"),
        engine.connect() as connection,
        pytest.raises(UnguardedStatementError, match="knows the tenant"),
    ):
        connection.execute(assigning)


@pytest.mark.parametrize(
    "sql",
    [
        "SET LOCAL statement_timeout = 5",
        "SELECT role FROM t",
        "SELECT current_setting('tenantshield.text')",
    ],
)
def test_other_settings_are_left_alone(sql: str) -> None:
    assert CHANGES_TENANT.search(sql) is None
