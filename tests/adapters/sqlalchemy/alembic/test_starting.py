"""What Alembic refuses when it starts, and what a data migration reaches."""

from __future__ import annotations

import gc
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Column, Engine, Integer, MetaData, String, Table, create_engine

from tenantshield_mw import ConfigurationError, system_scope
from tenantshield_mw.adapters.sqlalchemy import (
    require_declared,
    rls,
    shared_across_tenants,
    tenant_aware,
)
from tests.adapters.sqlalchemy.alembic.project import Project
from tests.databases import Database
from tests.policy_database import PolicyDatabase, policy_database

METADATA = MetaData()
SALE = tenant_aware(
    Table(
        "start_sale",
        METADATA,
        Column("id", Integer, primary_key=True),
        Column("tenant_id", String(20)),
        Column("total", Integer),
    )
)

# Each way in which a script sends a statement.
UPDATES = [
    'op.execute("UPDATE start_sale SET total = 1")',
    'op.get_bind().execute(sa.table("start_sale", sa.column("total")).update().values(total=1))',
    'op.get_bind().exec_driver_sql("UPDATE start_sale SET total = 1")',
]

ASYNC_ENV = """
import asyncio

from alembic import context
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

import tenantshield_mw.adapters.sqlalchemy.alembic
from tenantshield_mw import system_scope

given = context.config.attributes


def run(connection):
    context.configure(connection=connection, target_metadata=given["metadata"])
    with context.begin_transaction():
        context.run_migrations()


async def main():
    engine = create_async_engine(given["options"]["url"], poolclass=NullPool)
    async with engine.connect() as connection:
        with system_scope("database migration"):
            await connection.run_sync(run)
    await engine.dispose()


asyncio.run(main())
"""


@pytest.fixture
def forgotten() -> Iterator[Table]:
    """A table that must be declared and is not yet."""
    metadata = MetaData()
    # A name of its own, since tables are declared by their names.
    name = f"start_{uuid.uuid4().hex}"
    table = Table(name, metadata, Column("id", Integer, primary_key=True))
    require_declared(metadata)
    yield table
    # Nothing may stay undeclared for the other tests.
    shared_across_tenants(table)


def create(table: Table) -> str:
    return f'op.create_table("{table.name}", sa.Column("id", sa.Integer, primary_key=True))'


@pytest.fixture(params=["sqlite", "postgresql"])
def db(request: pytest.FixtureRequest) -> Iterator[Database]:
    from tests.databases import database

    with database(request.param) as here:
        yield here


@pytest.mark.parametrize("act", [Project.generate, Project.check, Project.upgrade])
def test_alembic_refuses_an_undeclared_table_as_the_app_does(
    engine: Engine, tmp_path: Path, forgotten: Table, act: Callable[[Project], Any]
) -> None:
    project = Project(tmp_path / "migrations", engine, forgotten.metadata)
    project.script(create(forgotten))
    with system_scope("a test"):
        with pytest.raises(ConfigurationError, match=forgotten.name):
            act(project)
        with engine.connect() as connection:
            assert not engine.dialect.has_table(connection, forgotten.name)
        shared_across_tenants(forgotten)
        project.upgrade()
        project.check()


def test_sql_for_psql_is_refused_too(tmp_path: Path, forgotten: Table) -> None:
    project = Project(
        tmp_path / "migrations", create_engine("postgresql+psycopg://"), forgotten.metadata
    )
    project.script(create(forgotten))
    with pytest.raises(ConfigurationError, match=forgotten.name):
        project.sql()


@pytest.fixture
def protected() -> Iterator[PolicyDatabase]:
    """A database in which one role owns the tables with policies and another is exempt."""
    with policy_database() as here:
        assert isinstance(here, PolicyDatabase)
        here.run(
            f"ALTER ROLE {here.owner} LOGIN",
            f"ALTER ROLE {here.system} LOGIN",
            "CREATE TABLE start_sale (id int PRIMARY KEY, tenant_id varchar(20), total int)",
            "INSERT INTO start_sale VALUES (1, 'acme', 0), (2, 'globex', 0)",
        )
        superuser = create_engine(here.url.set(username="postgres"))
        with system_scope("a test"), superuser.begin() as connection:
            rls.create_policies(connection, METADATA)
        superuser.dispose()
        here.run(f"ALTER TABLE start_sale OWNER TO {here.owner}")
        yield here


def totals(db: Database) -> list[int]:
    return [total for (total,) in db.read("SELECT total FROM start_sale ORDER BY id")]


@pytest.mark.parametrize("update", UPDATES)
def test_a_data_migration_reaches_all_rows_or_fails(
    protected: PolicyDatabase, tmp_path: Path, update: str
) -> None:
    for role, expected in ((protected.owner, [0, 0]), (protected.system, [1, 1])):
        engine = create_engine(protected.url.set(username=role))
        project = Project(
            tmp_path / role, engine, METADATA, version_table=role, transaction_per_migration=True
        )
        project.script(update)
        protected.run(f"GRANT ALL ON SCHEMA public TO {role}")
        with system_scope("a test"):
            if role == protected.owner:
                with pytest.raises(Exception, match="row-level security"):
                    project.upgrade()
            else:
                project.upgrade()
        # The pool's connections are left as they were.
        with engine.connect() as connection:
            cursor = connection.connection.cursor()
            cursor.execute("SHOW row_security")
            assert cursor.fetchone() == ("on",)
        engine.dispose()
        assert totals(protected) == expected


# SQLAlchemy 2.0 leaves asyncpg's connection to the garbage collector after an error.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("update", UPDATES)
def test_an_async_env_does_the_same(
    protected: PolicyDatabase, tmp_path: Path, update: str, forgotten: Table
) -> None:
    url = protected.async_url.set(username=protected.owner)
    project = Project(tmp_path / "migrations", create_engine("sqlite://"), METADATA, url=url)
    (tmp_path / "migrations" / "env.py").write_text(ASYNC_ENV)
    project.script(update)
    with pytest.raises(ConfigurationError, match=forgotten.name):
        project.upgrade()
    shared_across_tenants(forgotten)
    with pytest.raises(Exception, match="row-level security"):
        project.upgrade()
    assert totals(protected) == [0, 0]
    protected.run("ALTER TABLE start_sale NO FORCE ROW LEVEL SECURITY")
    project.upgrade()
    assert totals(protected) == [1, 1]
    # Here and not in another test.
    gc.collect()


def test_a_script_may_lift_the_policies_from_the_owner(
    protected: PolicyDatabase, tmp_path: Path
) -> None:
    engine = create_engine(protected.url.set(username=protected.owner))
    project = Project(tmp_path / "migrations", engine, METADATA)
    force = 'op.execute("ALTER TABLE start_sale {}FORCE ROW LEVEL SECURITY")'
    project.script("; ".join([force.format("NO "), UPDATES[0], force.format("")]))
    with system_scope("a test"):
        project.upgrade()
    assert totals(protected) == [1, 1]
    read = "SELECT relforcerowsecurity FROM pg_class WHERE relname = 'start_sale'"
    assert protected.read(read) == [(True,)]
