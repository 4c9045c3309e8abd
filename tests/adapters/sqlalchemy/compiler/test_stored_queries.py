"""Queries that become tables or views."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy
from sqlalchemy import Engine, select, text

from tenantshield_mw import system_scope, tenant_scope
from tests.versions import needs_21

from ..watching import rows
from .shop import REGION, SHOP, refused


@needs_21
@pytest.mark.parametrize("kind", ["CreateTableAs", "CreateView"])
def test_a_stored_query_on_a_tenants_table_is_refused(engine: Engine, kind: str) -> None:
    make: Any = getattr(sqlalchemy, kind)
    refused(engine, make(select(SHOP.c.id), f"comp_stored_{kind.lower()}"))
    refused(engine, make(select(REGION.c.id).where(text("1 IN (SELECT id FROM comp_shop)")), "x"))
    assert rows(engine, "SELECT name FROM sqlite_master WHERE name LIKE 'comp_stored%'") == []


@needs_21
@pytest.mark.parametrize("kind", ["CreateTableAs", "CreateView"])
def test_a_stored_query_works_on_shared_tables_and_in_the_system_scope(
    engine: Engine, kind: str
) -> None:
    make: Any = getattr(sqlalchemy, kind)
    name = f"comp_kept_{kind.lower()}"
    with tenant_scope("acme"), engine.begin() as connection:
        connection.execute(make(select(REGION.c.id), f"{name}_shared"))
    with system_scope("a report over all tenants"), engine.begin() as connection:
        connection.execute(make(select(SHOP.c.id), f"{name}_all"))
    assert len(rows(engine, f"SELECT id FROM {name}_shared")) == 2
    assert len(rows(engine, f"SELECT id FROM {name}_all")) == 4
