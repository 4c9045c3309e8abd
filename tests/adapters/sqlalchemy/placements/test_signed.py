"""A signed tenant and the search path go to the database in one message."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, select
from sqlalchemy.orm import Session

from tenantshield_mw import TenantContext, system_scope, tenant_scope
from tenantshield_mw.adapters.sqlalchemy import rls
from tenantshield_mw.adapters.sqlalchemy.placements import Placement, Placements, Schemas
from tests.databases import Database, database
from tests.soak.schema import Entry, Roles, prepare

KEY = secrets.token_bytes(32)
HOUSE = "house"


@pytest.fixture(scope="module")
def here() -> Iterator[Database]:
    with database("postgresql") as here:
        yield here


@pytest.fixture(scope="module")
def roles(here: Database) -> Iterator[Roles]:
    roles = prepare(here, key=KEY, schemas=[HOUSE])
    yield roles
    names = (roles.application, roles.owner, roles.system)
    here.run(*(f"DROP OWNED BY {name} CASCADE" for name in names))
    here.run(f"DROP ROLE {', '.join(names)}")


@pytest.fixture(params=[False, True], ids=["direct", "pooled"])
def engine(here: Database, roles: Roles, request: pytest.FixtureRequest) -> Iterator[Engine]:
    engine = create_engine(here.url.set(username=roles.application))
    rls.enforce(engine, key=KEY, system_role=roles.system, pooled=request.param)
    Placements(engine, schemas=Schemas())
    yield engine
    engine.dispose()


def tenant(name: str, schema: str | None) -> TenantContext:
    return TenantContext(name, {"schema": schema})


def test_each_tenant_sees_its_own_rows_in_its_place(here: Database, engine: Engine) -> None:
    places = {"acme": None, "globex": HOUSE, "initech": HOUSE}
    for _ in range(2):
        for name, schema in places.items():
            with tenant_scope(tenant(name, schema)), Session(engine) as session:
                session.add(Entry(owner=name, name=secrets.token_hex(8), token=""))
                session.commit()
                assert set(session.scalars(select(Entry.owner))) == {name}
                # What the policies alone let through.
                raw: Any = session.connection().connection.cursor()
                assert set(raw.execute("SELECT owner FROM soak_entry").fetchall()) == {(name,)}
    assert here.read("SELECT DISTINCT owner FROM public.soak_entry") == [("acme",)]
    found = here.read("SELECT DISTINCT owner FROM house.soak_entry ORDER BY 1")
    assert found == [("globex",), ("initech",)]
    with system_scope("a look", at=Placement(schema=HOUSE)), Session(engine) as session:
        assert set(session.scalars(select(Entry.owner))) == {"globex", "initech"}
