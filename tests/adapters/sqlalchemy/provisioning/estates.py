"""A fleet on an empty database, and its commands."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from unittest import mock

import pytest
from sqlalchemy import URL, Engine, create_engine, make_url
from sqlalchemy.orm import Session

from tenantshield_mw import TenantContext, TenantDirectory, tenant_scope
from tenantshield_mw.adapters.sqlalchemy import tenants_in
from tenantshield_mw.adapters.sqlalchemy.lifecycle.opening import begin_transactions
from tenantshield_mw.adapters.sqlalchemy.placements import Databases, Placement, Placements, Schemas
from tenantshield_mw.adapters.sqlalchemy.provisioning import Fleet
from tenantshield_mw.adapters.sqlalchemy.provisioning.listing import Listing
from tests.commands import ROOT
from tests.databases import Database, DatabaseName, database

from .models import Base, Lamp, Listed, Shelf, Tenant

__all__ = [
    "ASYNC_ENV",
    "ENV",
    "TABLES",
    "TARGET",
    "Estate",
    "estate_on",
    "fleet_of",
    "on_each",
    "rows",
    "script",
]

TARGET: Final = f"{__package__}.commanded:fleet"
TABLES: Final = ("estate_shelf", "estate_lamp")

ENV: Final = """
import os

from alembic import context
from sqlalchemy import create_engine

import tenantshield_mw.adapters.sqlalchemy.alembic
from tenantshield_mw import system_scope
from tests.adapters.sqlalchemy.provisioning.models import Base

with system_scope("database migration"):
    engine = create_engine(os.environ["DATABASE"])
    with engine.connect() as connection:
        context.configure(connection=connection, target_metadata=Base.metadata)
        with context.begin_transaction():
            context.run_migrations()
    engine.dispose()
"""

ASYNC_ENV: Final = """
import asyncio
import os

from alembic import context
from sqlalchemy.ext.asyncio import create_async_engine

import tenantshield_mw.adapters.sqlalchemy.alembic
from tenantshield_mw import system_scope
from tests.adapters.sqlalchemy.provisioning.models import Base


def migrate(connection):
    context.configure(connection=connection, target_metadata=Base.metadata)
    with context.begin_transaction():
        context.run_migrations()


async def main():
    with system_scope("database migration"):
        engine = create_async_engine(os.environ["ASYNC_DATABASE"])
        async with engine.connect() as connection:
            await connection.run_sync(migrate)
        await engine.dispose()


asyncio.run(main())
"""


def script(revision: str, down: str | None, upgrade: str) -> str:
    """Return a script of Alembic's."""
    return (
        "import sqlalchemy as sa\nfrom alembic import context, op\n"
        f"revision = {revision!r}\ndown_revision = {down!r}\n"
        f"def upgrade():\n    {upgrade}\n"
    )


FIRST: Final = script(
    "first",
    None,
    """op.create_table(
        "estate_shelf",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("tenant_id", sa.String(50), nullable=False, index=True),
        sa.Column("name", sa.String(50), nullable=False),
    )
    op.create_table(
        "estate_lamp",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("tenant_id", sa.String(50), nullable=False, index=True),
        sa.Column("shelf_id", sa.Integer, sa.ForeignKey("estate_shelf.id"), nullable=False),
    )""",
)


def url_beside(url: URL, name: str) -> URL:
    """Return the URL of a tenant's database."""
    stem, dot, suffix = str(url.database).partition(".")
    return url.set(database=f"{stem}_{name}{dot}{suffix}")


def fleet_of(given: str, alembic: str | None = None, **options: Any) -> Fleet:
    """Return the fleet on a database."""
    url = make_url(given)
    engine = create_engine(url)
    begin_transactions(engine)
    directory = TenantDirectory(
        tenants_in(
            engine,
            Tenant,
            id=Tenant.id,
            state=Tenant.active,
            attributes=(Tenant.schema, Tenant.database),
        )
    )
    schemas = Schemas() if url.get_backend_name() == "postgresql" else None
    databases = Databases(url=lambda name: url_beside(url, name), configure=begin_transactions)
    choices: dict[str, Any] = {"schemas": schemas, "databases": databases, "alembic": alembic}
    made = Fleet(url, Base.metadata, directory, **{**choices, **options})
    Placements(engine, schemas=schemas, databases=databases, directory=directory)
    return made


@dataclass(frozen=True, slots=True)
class Estate:
    """A database with a fleet.

    Attributes:
        here: the database; its ``read`` and ``run`` are outside of the guard.
        folder: an empty folder.
        fleet: the fleet, without Alembic.
        environment: what commands find in the environment.
    """

    here: Database
    folder: Path
    fleet: Fleet
    environment: dict[str, str] = field(default_factory=dict)

    def use_alembic(self, env: str = ENV, **scripts: str) -> Fleet:
        """Give the commands Alembic, with more scripts, and return a fleet that has it."""
        versions = self.folder / "migrations" / "versions"
        versions.mkdir(parents=True, exist_ok=True)
        (self.folder / "migrations" / "env.py").write_text(env)
        ini = self.folder / "alembic.ini"
        ini.write_text("[alembic]\nscript_location = %(here)s/migrations\npath_separator = os\n")
        for name, text in {"first": FIRST, **scripts}.items():
            (versions / f"{name}.py").write_text(text)
        self.environment["ALEMBIC"] = str(ini)
        return fleet_of(self.environment["DATABASE"], str(ini))

    def enlist(self, *tenants: str) -> None:
        """Add tenants to the directory, in the shared tables."""
        for each in tenants:
            self.here.run(f"INSERT INTO estate_tenant (id, active) VALUES ('{each}', {self._true})")

    @property
    def _true(self) -> str:
        return "1" if self.here.name == "sqlite" else "true"

    def fill(self, tenant: str, first: int, rows: int = 3) -> None:
        """Write rows of a tenant where the directory says."""
        engine: Any = _engine_of(self.fleet)
        with tenant_scope(self.found(tenant)), Session(engine) as session:
            for each in range(first, first + rows):
                session.add(Shelf(id=each, name=f"{tenant} {each}"))
                session.flush()
                session.add(Lamp(id=each, shelf_id=each))
            session.commit()

    def found(self, tenant: str) -> TenantContext:
        """Return a tenant as the directory has it, perhaps from its cache."""
        found = self.fleet.directory.find(tenant, blocking=True)
        assert isinstance(found, TenantContext)
        return found

    @property
    def engine(self) -> Engine:
        """The engine of the application."""
        engine: Engine = _engine_of(self.fleet)
        return engine

    def command(self, *arguments: str, status: int = 0) -> tuple[str, str]:
        """Run ``tenantshield-mw``, and return what it printed and its errors."""
        done = subprocess.run(
            [sys.executable, "-W", "error", "-m", "tenantshield_mw.adapters.command", *arguments],
            cwd=self.folder,
            env={**os.environ, **self.environment, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout, done.stderr

    def listed(self) -> dict[str, Placement]:
        """Return where the directory says each tenant is."""
        names = "`schema`, `database`" if self.here.name == "mariadb" else "schema, database"
        rows = self.here.read(f"SELECT id, {names} FROM estate_tenant")
        return {id_: Placement(schema, database) for id_, schema, database in rows}

    def at(self, placement: Placement) -> Database:
        """Return the database of a place, to be read outside of the guard."""
        if placement.database is None:
            return self.here
        url = url_beside(self.here.url, placement.database)
        key = "dbname" if self.here.name == "postgresql" else "database"
        return Database(self.here.name, url, url, {**self.here._connect, key: url.database})

    def rows(self, placement: Placement, table: str) -> list[tuple[Any, ...]]:
        """Return all rows of a table at a place."""
        schema = "" if placement.schema is None else f'"{placement.schema}".'
        return self.at(placement).read(f"SELECT * FROM {schema}{table} ORDER BY id")


def rows(estate: Estate, *places: Placement) -> dict[str, list[tuple[Any, ...]]]:
    """Return all rows of all places, by table; a row that is twice is there twice."""
    return {
        table: sorted(row for place in places for row in estate.rows(place, table))
        for table in TABLES
    }


def _engine_of(fleet: Fleet) -> Any:
    return Listing(fleet)._source


@contextmanager
def estate_on(name: DatabaseName, folder: Path, *, empty: bool = False) -> Generator[Estate]:
    """Yield an estate with the tables that are shared, or without those of tenants."""
    with database(name) as here, ExitStack() as stack:
        creator = here.engine()
        Listed.metadata.create_all(creator)
        if not empty:
            Base.metadata.create_all(creator)
        creator.dispose()
        environment = {
            "DATABASE": here.url.render_as_string(hide_password=False),
            "ASYNC_DATABASE": here.async_url.render_as_string(hide_password=False),
        }
        fleet = fleet_of(environment["DATABASE"])
        try:
            # env.py reads it in processes that inherit it.
            stack.enter_context(mock.patch.dict(os.environ, environment))
            yield Estate(here, folder, fleet, environment)
        finally:
            Listing(fleet).close()
            _drop_beside(here)


def _drop_beside(here: Database) -> None:
    beside = [f"{here.url.database}\\_%"]
    if here.name == "postgresql":
        for (name,) in here.read("SELECT datname FROM pg_database WHERE datname LIKE %s", beside):
            here.run(f'DROP DATABASE "{name}" WITH (FORCE)')
    elif here.name == "mariadb":
        select = "SELECT schema_name FROM information_schema.schemata WHERE schema_name LIKE %s"
        for (name,) in here.read(select, beside):
            here.run(f"DROP DATABASE `{name}`")


def on_each(*names: DatabaseName) -> Callable[..., Any]:
    """Return a fixture of an estate on each kind of database."""

    @pytest.fixture(params=names)
    def estate(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Estate]:
        with estate_on(request.param, tmp_path) as made:
            yield made

    return estate
