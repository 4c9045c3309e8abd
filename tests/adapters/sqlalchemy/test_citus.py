"""Distributing the tables by tenant: over partitions, as in docs/citus.md, and over Citus."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import (
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
)

from tenantshield_mw import ConfigurationError
from tenantshield_mw.adapters.sqlalchemy import (
    shared_across_tenants,
    tenant_aware,
)
from tenantshield_mw.adapters.sqlalchemy.citus import citus_statements
from tests.databases import Database, database
from tests.guides import Reader, blocks_of

from .citus_stand_in import CITUS, keyed

BLOCKS = blocks_of("citus.md")

CREATE = """
import os
from sqlalchemy import create_engine
from models import Base
Base.metadata.create_all(create_engine(os.environ["OWNER_URL"]))
"""

# The plans are read on the driver's own cursor, so that the guard adds nothing to them.
APPLICATION = """
import os
import sys
from sqlalchemy import create_engine, delete, event, select, update
from sqlalchemy.orm import Session
from models import Base, Country, Customer, Invoice
from tenantshield_mw import tenant_scope
from tenantshield_mw.adapters.sqlalchemy import rls
from tests.plans import plan_of, scanned

engine = create_engine(os.environ["APP_URL"])
rls.enforce(engine)
own = set(sys.argv[1:])

def tables(session, statement):
    return set(scanned(plan_of(session, lambda each: each.execute(statement))))

with tenant_scope("acme"), Session(engine) as session:
    if "begin" in own:
        session.add(Customer(id=1, name="Ada"))
        session.flush()
        session.add(Invoice(id=1, customer_id=1, amount=10))
        session.commit()
        own.remove("begin")
    for statement in (
        select(Invoice.id), update(Invoice).values(amount=20), delete(Invoice),
    ):
        assert tables(session, statement) == own, tables(session, statement)
        session.rollback()
    joined = select(Invoice.id).join(Customer, Invoice.customer_id == Customer.id)
    read = tables(session, joined)
    assert len(read) == 2 and own < read, read
    assert [each.amount for each in session.scalars(select(Invoice))] == [10]
    cursor = session.connection().connection.cursor()
    for partition in own:
        assert cursor.execute(f"SELECT * FROM {partition}").fetchall() == []
    assert len(cursor.execute("SELECT * FROM invoice").fetchall()) == 1
with tenant_scope("globex"), Session(engine) as session:
    assert session.scalars(select(Invoice)).all() == []
engine.dispose()
"""


@pytest.fixture
def db() -> Iterator[Database]:
    with database("postgresql") as here:
        yield here


def test_the_guide_spreads_a_table_over_partitions(db: Database, tmp_path: Path) -> None:
    with db.roles(owner="LOGIN", app="LOGIN") as (owner, app):
        db.run(f"GRANT ALL ON SCHEMA public TO {owner}")
        spread(db, owner, app, tmp_path)


def spread(db: Database, owner: str, app: str, tmp_path: Path) -> None:
    urls = {
        name: db.url.set(username=role).render_as_string(hide_password=False)
        for name, role in (("OWNER_URL", owner), ("APP_URL", app))
    }
    reader = Reader(tmp_path, urls)
    _, models, policies, *_ = (block for language, block in BLOCKS if language == "python")
    partitions, moves_out, leaves = (block for language, block in BLOCKS if language == "sql")
    reader.write(models)
    reader.write(policies)

    def close() -> None:
        for (name,) in db.read("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"):
            db.run(f"ALTER TABLE {name} OWNER TO {owner}")
        db.run(f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {app}")
        reader.python("policies.py")

    reader.python("-c", CREATE)
    db.run(partitions)
    close()
    reader.python("-c", APPLICATION, "begin", "invoice_rest")

    db.run("INSERT INTO customer VALUES ('other', 1, 'x')")
    db.run("INSERT INTO invoice VALUES ('other', 1, 1, 99)")
    db.run(moves_out)
    close()
    reader.python("-c", APPLICATION, "invoice_acme")
    assert db.read("SELECT tenant_id FROM invoice_rest") == [("other",)]

    db.run(leaves)
    assert db.read("SELECT tenant_id FROM invoice") == [("other",)]
    assert db.read("SELECT tenant_id FROM invoice_acme") == [("acme",)]
    assert db.read(
        "SELECT relrowsecurity AND relforcerowsecurity FROM pg_class WHERE relname = 'invoice_acme'"
    ) == [(True,)]


SHARDED = """
from sqlalchemy import select
from sqlalchemy.orm import Session
from models import Country, Customer, Invoice
from sharded import engine
from tenantshield_mw import tenant_scope

for tenant in ("acme", "globex"):
    with tenant_scope(tenant), Session(engine) as session:
        session.add(Customer(id=1, name=tenant))
        session.flush()
        session.add(Invoice(id=1, customer_id=1, amount=10))
        session.commit()
for tenant in ("acme", "globex"):
    with tenant_scope(tenant), Session(engine) as session:
        cursor = session.connection().connection.cursor()
        assert cursor.execute("SELECT name FROM customer").fetchall() == [(tenant,)]
with Session(engine) as session:
    cursor = session.connection().connection.cursor()
    assert cursor.execute("SELECT name FROM customer").fetchall() == []
engine.dispose()
"""

PRINT = """
from models import Base
from tenantshield_mw.adapters.sqlalchemy.citus import citus_policy_statements

for statement in citus_policy_statements(Base.metadata, role="shop_app"):
    print(f"{statement};")
"""


def test_the_guide_distributes_the_tables(db: Database, tmp_path: Path) -> None:
    models, _, _, *steps, sharded, _ = (block for language, block in BLOCKS if language == "python")
    (policy,) = (block for language, block in BLOCKS if language == "sql-policy")
    db.run(CITUS)
    with db.roles(owner="LOGIN", app="LOGIN") as (owner, app):
        db.run(f"GRANT ALL ON SCHEMA public TO {owner}")
        urls = {
            name: db.url.set(username=role).render_as_string(hide_password=False)
            for name, role in (("OWNER_URL", owner), ("ADMIN_URL", "postgres"), ("APP_URL", app))
        }
        reader = Reader(tmp_path, {**urls, "APP_ROLE": app})
        reader.write(models)
        for _again in range(2):
            for each in steps:
                reader.python(reader.write(each))
        db.run(f"GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA public TO {app}")
        reader.write(sharded)
        reader.python("-c", SHARDED)
        assert db.read("SELECT logicalrelid::text FROM pg_dist_partition ORDER BY 1") == [
            ("country",),
            ("customer",),
            ("invoice",),
        ]
    assert policy in reader.python("-c", PRINT)


EACH_IN_ITS_OWN = """
import asyncio
import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import Session
from databases import TenantSession, engines, new_session
from models import Base, Customer
from tenantshield_mw import MissingTenantContextError, TenantContext, system_scope, tenant_scope

ACME = TenantContext("acme", {"database": "acme"})
GLOBEX = TenantContext("globex", {"database": "main"})
everybody = select(Customer.name)

for engine in engines.values():
    Base.metadata.create_all(engine)
for tenant in (ACME, GLOBEX):
    with tenant_scope(tenant), new_session() as session:
        session.add(Customer(id=1, name=f"of {tenant.tenant_id}"))
        session.commit()

def names(session, statement=everybody):
    return session.scalars(statement).all()

for tenant in (ACME, GLOBEX):
    with tenant_scope(tenant), new_session() as session:
        assert names(session) == [f"of {tenant.tenant_id}"]
with system_scope("look into each"):
    found = {name: names(Session(engine)) for name, engine in engines.items()}
assert found == {"main": ["of globex"], "acme": ["of acme"]}

with tenant_scope(TenantContext("globex", {"database": "acme"})), new_session() as session:
    assert names(session) == []
for nowhere in (TenantContext("acme"), TenantContext("acme", {"database": "typo"})):
    with tenant_scope(nowhere), new_session() as session, pytest.raises(KeyError):
        names(session)
with new_session() as session, pytest.raises(MissingTenantContextError):
    names(session)

with new_session() as session:
    for tenant in (ACME, GLOBEX):
        with tenant_scope(tenant):
            assert names(session) == [f"of {tenant.tenant_id}"]

class AsyncTenantSession(TenantSession):
    def get_bind(self, mapper=None, **options):
        engine = super().get_bind(mapper, **options)
        return asynchronous.setdefault(
            engine.url.database,
            create_async_engine(engine.url.set(drivername="sqlite+aiosqlite")),
        ).sync_engine

async def read():
    with tenant_scope(ACME):
        async with async_sessionmaker(sync_session_class=AsyncTenantSession)() as session:
            assert (await session.scalars(everybody)).all() == ["of acme"]
    for engine in asynchronous.values():
        await engine.dispose()

asynchronous = {}
asyncio.run(read())
for engine in engines.values():
    engine.dispose()
"""


def test_the_guide_gives_a_tenant_a_database(tmp_path: Path) -> None:
    urls = {f"{name}_URL": f"sqlite:///{tmp_path / name}.db" for name in ("MAIN", "ACME")}
    reader = Reader(tmp_path, urls)
    models, *_, databases = (block for language, block in BLOCKS if language == "python")
    reader.write(models)
    reader.write(databases)
    reader.python("-c", EACH_IN_ITS_OWN)


def test_what_stands_in_the_way_is_listed_with_what_to_do() -> None:
    metadata = MetaData()
    tenant_aware(
        Table(
            "citus_parent",
            metadata,
            Column("id", Integer, primary_key=True),
            Column("tenant_id", String(40)),
            Column("email", String(40), unique=True),
            Column("code", String(40)),
            Index("citus_parent_code", "code", unique=True),
        )
    )
    Table(
        "citus_tied",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("parent_id", Integer, ForeignKey("citus_parent.id"), nullable=False),
    )
    keyed("citus_child", metadata, Column("parent_id", Integer, ForeignKey("citus_parent.id")))
    Table("citus_unknown", metadata, Column("id", Integer, primary_key=True))
    shared_across_tenants(
        Table(
            "citus_shared",
            metadata,
            Column("id", Integer, primary_key=True),
            Column("parent_id", Integer, ForeignKey("citus_parent.id")),
        )
    )
    with pytest.raises(ConfigurationError) as caught:
        citus_statements(metadata)
    said = str(caught.value)
    for expected in (
        "citus_parent: primary key (id) does not include the tenant: change it to (tenant_id, id)",
        "citus_parent: unique (email) does not include the tenant: change it to (tenant_id, email)",
        "citus_parent: the unique index citus_parent_code does not include the tenant",
        'tenant_foreign_key("parent_id", "citus_parent.id")',
        "citus_tied is tied to citus_parent and has no tenant column",
        "citus_child: the foreign key (parent_id) does not include the tenant",
        "citus_unknown is not declared",
        "citus_shared is shared and refers to citus_parent",
    ):
        assert expected in said
