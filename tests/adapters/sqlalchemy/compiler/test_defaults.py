"""Foreign keys that a default sets, of the program or of the database."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import (
    Column,
    Computed,
    FetchedValue,
    ForeignKeyConstraint,
    Integer,
    MetaData,
    String,
    Table,
    insert,
    literal,
    literal_column,
    null,
    select,
    text,
    update,
)
from sqlalchemy.dialects import sqlite

from tenantshield_mw import TenantShieldError, UnguardedStatementError, tenant_scope
from tenantshield_mw.adapters.sqlalchemy import tenant_aware
from tests.databases import memory_engine

from ..firms import FIRM, run, seed, with_default
from ..schemas import tenant_table
from ..watching import engine_in_memory, rows

engine = engine_in_memory(seed)


@pytest.mark.parametrize(
    ("name", "default"),
    [("scalar", 2), ("callable", lambda: 2), ("expression", literal_column("2"))],
)
def test_a_default_that_points_at_another_tenants_row_is_refused(name: str, default: Any) -> None:
    engine, table = with_default(f"refs_default_{name}", default=default)
    for statement, parameters in (
        (insert(table).values(id=1), None),
        (insert(table), {"id": 1}),
        (insert(table), [{"id": 1}, {"id": 2}]),
        (insert(table).values([{"id": 1}, {"id": 2}]), None),
    ):
        with pytest.raises(TenantShieldError, match=f"refs_default_{name}"):
            run(engine, statement, parameters)
    assert rows(engine, f"SELECT * FROM refs_default_{name}") == []


def test_a_default_that_points_at_ones_own_row_is_accepted() -> None:
    engine, table = with_default("refs_default_own", default=1)
    run(engine, insert(table).values(id=1))
    run(engine, insert(table), [{"id": 2}, {"id": 3}])
    assert rows(engine, "SELECT DISTINCT tenant_id, firm_id FROM refs_default_own") == [("acme", 1)]


@pytest.mark.parametrize("default", ["2", literal_column("1 + 1"), FetchedValue()], ids=type)
def test_a_default_of_the_databases_is_refused_where_it_would_be_used(default: Any) -> None:
    name = f"refs_server_default_{type(default).__name__}".lower()
    engine, table = with_default(name, server_default=default)
    bare = Table(name, MetaData(), Column("id", Integer), Column("tenant_id", String(50)))
    for statement, parameters in (
        (insert(table).values(id=1), None),
        (insert(table), [{"id": 1}, {"id": 2}]),
        (insert(table).values([{"id": 1}, {"id": 2}]), None),
        (insert(table).from_select(["id"], select(literal(1))), None),
        (insert(bare).values(id=1), None),
        (sqlite.insert(table).values(id=1).on_conflict_do_nothing(), None),
    ):
        with pytest.raises(UnguardedStatementError, match=rf"{name}.* refs_firm: give it a value"):
            run(engine, statement, parameters)
    assert rows(engine, f"SELECT * FROM {name}") == []
    run(engine, insert(table).values(id=1, firm_id=1))
    run(engine, insert(table).values(id=2, firm_id=None))
    run(engine, insert(table).from_select(["id", "firm_id"], select(literal(3), null())))
    run(engine, update(table).values(tenant_id="acme"))
    assert rows(engine, f"SELECT firm_id FROM {name} ORDER BY id") == [(1,), (None,), (None,)]


def test_a_default_of_null_in_the_database_may_be_used() -> None:
    engine, table = with_default("refs_server_null", server_default=text("NULL"))
    run(engine, insert(table).values(id=1))
    assert rows(engine, "SELECT firm_id FROM refs_server_null") == [(None,)]


def test_a_key_that_the_database_computes_is_refused() -> None:
    metadata = MetaData()
    table = tenant_aware(
        tenant_table(
            "refs_computed",
            metadata,
            Column("base", Integer),
            Column("firm_id", Integer, Computed("base + 1")),
            ForeignKeyConstraint(["firm_id"], [FIRM.c.id]),
        )
    )
    engine = seed(memory_engine())
    metadata.create_all(engine)
    with tenant_scope("acme"), engine.begin() as connection:
        assert connection.execute(select(table)).all() == []
    for statement in (
        insert(table).values(id=1, base=1),
        insert(table).from_select(["id", "base"], select(literal(1), literal(1))),
        update(table).values(base=1),
    ):
        with pytest.raises(UnguardedStatementError, match=r"refs_computed.*tenant_foreign_key\(\)"):
            run(engine, statement)


def test_an_onupdate_that_points_at_another_tenants_row_is_refused() -> None:
    engine, table = with_default("refs_onupdate", onupdate=2)
    run(engine, insert(table).values(id=1, firm_id=1))
    with pytest.raises(TenantShieldError):
        run(engine, update(table).values(id=1))
    assert rows(engine, "SELECT firm_id FROM refs_onupdate") == [(1,)]
