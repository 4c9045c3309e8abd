"""What a lookup takes: tables, columns and connections; anything else is refused at once."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import (
    Boolean,
    Column,
    Engine,
    Enum,
    ForeignKey,
    Integer,
    MetaData,
    Numeric,
    Table,
    create_engine,
    exists,
    func,
)
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.orm import Session, scoped_session, sessionmaker

from tenantshield_mw import ConfigurationError, TenantState
from tenantshield_mw.adapters.sqlalchemy import tenant_aware, tenants_in

from ..schemas import tenant_table
from . import directory
from .directory import Domain, State, Tenant, lookup_in

here, engine, async_engine = directory.here, directory.engine, directory.async_engine


# -- what is refused at once -----------------------------------------------------

METADATA = MetaData()
UNDECLARED = Table("directory_undeclared", METADATA, Column("id", Integer), Column("ok", Boolean))
AWARE = tenant_aware(tenant_table("directory_aware", METADATA, Column("ok", Boolean)))
TIED = Table(
    "directory_tied",
    METADATA,
    Column("id", Integer, ForeignKey("directory_aware.id"), primary_key=True),
    Column("ok", Boolean),
)


@pytest.fixture
def no_engine() -> Engine:
    return create_engine("sqlite://")


@pytest.mark.parametrize("table", [AWARE, TIED])
def test_a_tenant_aware_table_is_refused(table: Any, no_engine: Engine) -> None:
    with pytest.raises(ConfigurationError, match=f"{table.name} holds tenants' rows"):
        tenants_in(no_engine, table, id=table.c.id, state=table.c.ok)


def test_a_table_that_nobody_declared_is_refused(no_engine: Engine) -> None:
    with pytest.raises(ConfigurationError, match="mark it with @shared_across_tenants"):
        tenants_in(no_engine, UNDECLARED, id=UNDECLARED.c.id, state=UNDECLARED.c.ok)


def test_a_subquery_on_a_tenants_table_is_refused(no_engine: Engine) -> None:
    with pytest.raises(ConfigurationError, match="directory_aware"):
        lookup_in(no_engine, state=exists().where(AWARE.c.ok), states=...)


def test_columns_of_a_table_that_is_not_selected_from_are_refused(no_engine: Engine) -> None:
    with pytest.raises(ConfigurationError, match="a join of the tables"):
        lookup_in(no_engine, id=Domain.host)("acme.test")


@pytest.mark.parametrize(
    ("source", "told"),
    [
        (None, "takes an Engine"),
        ("sqlite://", "takes an Engine"),
        (Session(), "takes an Engine"),
        (scoped_session(sessionmaker()), "give its session_factory"),
    ],
)
def test_an_invalid_source_of_connections_is_refused(source: Any, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        lookup_in(source)


async def test_an_async_engine_needs_no_thread(async_engine: AsyncEngine) -> None:
    with pytest.raises(ConfigurationError, match="does not block"):
        lookup_in(async_engine, in_thread=True)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"id": "slug"}, "id= of tenants_in"),
        ({"id": Tenant}, "id= of tenants_in"),
        ({"id": Column("x", Numeric())}, "the id= of tenants_in.. is a Numeric"),
        ({"id": Tenant.state}, "id= of tenants_in"),
        ({"id": Column("x", Enum("a", "b", name="x"))}, "is an Enum"),
        ({"tenant_id": Tenant.open}, "tenant_id= of tenants_in"),
        ({"state": "active"}, "state= of tenants_in"),
        ({"states": ...}, "which values of state= are active"),
        ({"states": None, "state": Tenant.plan}, "which values of state= are active"),
        ({"states": {State.LIVE: True}}, "must be a mapping"),
        ({"states": [State.LIVE]}, "must be a mapping"),
        ({"states": {}}, "no tenant could be used"),
        ({"states": {State.GONE: TenantState.UNKNOWN}}, "no tenant could be used"),
        ({"attributes": ("name",)}, "attributes= of tenants_in"),
        ({"attributes": (func.upper(Tenant.name),)}, "give the expression a label"),
        ({"attributes": (Tenant.name, Tenant.plan.label("name"))}, "have the same name"),
    ],
)
def test_other_arguments_are_refused(options: dict[str, Any], told: str, no_engine: Engine) -> None:
    with pytest.raises(ConfigurationError, match=told):
        lookup_in(no_engine, **options)
