"""Tenants in every kind of place at once, on each kind of database.

``acme`` and ``initech`` share tables, ``globex`` has a schema where there are schemas, otherwise a
database, and ``umbrella`` has a database.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Final

import pytest
from sqlalchemy import URL, Engine, ForeignKey, MetaData, String
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from tenantshield_mw import TenantContext, system_scope
from tenantshield_mw.adapters.sqlalchemy import rls, shared_across_tenants, tenant_aware
from tenantshield_mw.adapters.sqlalchemy.placements import (
    SHARED,
    Databases,
    Placement,
    Placements,
    Schemas,
)
from tests.databases import Database, database, use_transactions
from tests.places import PLACES, Place
from tests.policy_database import PolicyDatabase, policy_database

__all__ = [
    "COMMON",
    "TENANTS",
    "Base",
    "Colour",
    "Homes",
    "Lamp",
    "Shelf",
    "engine_of_homes",
    "homes_on",
    "on_each_place",
]

COMMON: Final = "common"
TENANTS: Final = ("acme", "initech", "globex", "umbrella")


class Base(DeclarativeBase):
    metadata = MetaData()


@tenant_aware
class Shelf(Base):
    __tablename__ = "home_shelf"
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(String(50))
    name: Mapped[str | None] = mapped_column(String(50))
    lamps: Mapped[list[Lamp]] = relationship(back_populates="shelf", order_by="Lamp.id")


@tenant_aware
class Lamp(Base):
    __tablename__ = "home_lamp"
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(String(50))
    shelf_id: Mapped[int | None] = mapped_column(ForeignKey("home_shelf.id"))
    colour_id: Mapped[int | None] = mapped_column(ForeignKey("home_colour.id"))
    shelf: Mapped[Shelf | None] = relationship(back_populates="lamps")


@shared_across_tenants
class Colour(Base):
    __tablename__ = "home_colour"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str | None] = mapped_column(String(50))


@dataclass(frozen=True, slots=True)
class Homes:
    """The databases, and where each tenant is.

    Attributes:
        here: the database of the application's engine.
        away: the databases of tenants, by name.
        places: where each tenant is.
    """

    here: Database
    away: dict[str, Database]
    places: dict[str, Placement]

    @property
    def has_schemas(self) -> bool:
        return self.here.name == "postgresql"

    def tenant(self, name: str) -> TenantContext:
        """Return a tenant as a directory would."""
        place = self.places[name]
        return TenantContext(name, {"schema": place.schema, "database": place.database})

    def url(self, name: str) -> URL:
        return self._url(name, is_async=False)

    def _url(self, name: str, *, is_async: bool) -> URL:
        away = self.away[name]
        if isinstance(away, PolicyDatabase):
            away = away._as_app()
        return away.async_url if is_async else away.url

    def placed(self, engine: Engine | AsyncEngine, **options: Any) -> Placements:
        """Give an engine its placements."""
        is_async = isinstance(engine, AsyncEngine)
        given: dict[str, Any] = {
            "url": lambda name: self._url(name, is_async=is_async),
            "configure": use_transactions if self.here.name == "sqlite" else None,
            **options,
        }
        return Placements(
            engine,
            schemas=Schemas(common=(COMMON,)) if self.has_schemas else None,
            databases=Databases(**given),
        )

    def engine(self, **options: Any) -> Engine:
        """Return a new engine with placements; the caller disposes of it by :meth:`close`."""
        engine = self.here.engine()
        engine.placements = self.placed(engine, **options)  # type: ignore[attr-defined]
        return engine

    def rows(self, tenant: str, table: str) -> list[tuple[Any, ...]]:
        """Return what a tenant's place holds, past SQLAlchemy."""
        place = self.places[tenant]
        where = self.here if place.database is None else self.away[place.database]
        schema = "" if place.schema is None else f'"{place.schema}".'
        return where.read(f"SELECT * FROM {schema}{table} ORDER BY id")

    def owners(self) -> dict[Placement, set[str]]:
        """Return whose rows each place holds."""
        return {
            place: {
                row[1] for table in ("home_shelf", "home_lamp") for row in self.rows(tenant, table)
            }
            for tenant, place in self.places.items()
        }


@contextmanager
def homes_on(name: Place) -> Generator[Homes]:
    """Yield the databases with their tables, which are empty, and one colour."""
    with ExitStack() as stack:
        here: Database = stack.enter_context(
            policy_database() if name == "policies" else database(name)
        )
        away = {"umbrella": _like(here, stack)}
        places = {
            "acme": SHARED,
            "initech": SHARED,
            "globex": Placement(database="globex"),
            "umbrella": Placement(database="umbrella"),
        }
        if here.name == "postgresql":
            places["globex"] = Placement(schema="globex")
        else:
            away["globex"] = _like(here, stack)
        homes = Homes(here, away, places)
        _create(homes)
        yield homes


def _like(here: Database, stack: ExitStack) -> Database:
    made = stack.enter_context(database(here.name))
    if not isinstance(here, PolicyDatabase):
        return made
    made.run(f"GRANT ALL ON SCHEMA public TO {here.owner}")
    return PolicyDatabase(
        made.name, made.url, made.async_url, made._connect, here.owner, here.app, here.system
    )


def _create(homes: Homes) -> None:
    for each in (homes.here, *homes.away.values()):
        if each.name == "postgresql":
            each.run(
                f"CREATE SCHEMA {COMMON}",
                f"CREATE TABLE {COMMON}.home_colour (id integer PRIMARY KEY, name varchar(50))",
            )
            if isinstance(each, PolicyDatabase):
                each.open_schema(COMMON)
                each.run(f"GRANT ALL ON {COMMON}.home_colour TO {each.owner}")
    if homes.has_schemas:
        homes.here.run("CREATE SCHEMA globex")
        if isinstance(homes.here, PolicyDatabase):
            homes.here.open_schema("globex")
    for place in dict.fromkeys(homes.places.values()):
        where = homes.here if place.database is None else homes.away[place.database]
        engine = Database.engine(where)
        if homes.has_schemas:
            Placements(engine, schemas=Schemas(common=(COMMON,)))
        at = Placement(schema=place.schema)
        with system_scope("the tables", at=at), engine.begin() as connection:
            if isinstance(where, PolicyDatabase):
                connection.exec_driver_sql(f"SET LOCAL ROLE {where.owner}")
            Base.metadata.create_all(connection)
            if isinstance(where, PolicyDatabase):
                rls.create_policies(connection, Base.metadata)
        engine.dispose()
        if isinstance(where, PolicyDatabase):
            where.grant()
        if place.schema is None:
            where.run("INSERT INTO " + _colours(where) + " VALUES (1, 'red')")


def _colours(where: Database) -> str:
    return f"{COMMON}.home_colour" if where.name == "postgresql" else "home_colour"


def engine_of_homes() -> Any:
    """Return a fixture for a module: of an engine with the placements of its ``homes``."""

    @pytest.fixture
    def engine(homes: Homes) -> Iterator[Engine]:
        engine: Any = homes.engine()
        yield engine
        engine.placements.dispose()
        engine.dispose()

    return engine


def on_each_place() -> tuple[Any, Any]:
    """Return fixtures for a module: of the databases, and of them with no rows of tenants."""

    @pytest.fixture(scope="module", params=PLACES)
    def made(request: pytest.FixtureRequest) -> Iterator[Homes]:
        with homes_on(request.param) as homes:
            yield homes

    @pytest.fixture
    def homes(made: Homes) -> Homes:
        for place in made.places.values():
            where = made.here if place.database is None else made.away[place.database]
            schema = "" if place.schema is None else f"{place.schema}."
            where.run(f"DELETE FROM {schema}home_lamp", f"DELETE FROM {schema}home_shelf")
        return made

    return made, homes
