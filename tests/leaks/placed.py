"""A database whose tenants have a place of their own, beside shared tables that must not be used.

All tenants are in one place, as a wrong attribute could put them there: the guard has to keep them
apart as in shared tables. The shared tables have the same rows, so what is looked for in the wrong
place is found, and what is written there is noticed.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields
from typing import Any, Final, Literal, TypeAlias
from unittest import mock

from sqlalchemy import Engine, MetaData, Table, create_mock_engine, event
from sqlalchemy.ext.asyncio import AsyncEngine

from tenantshield_mw.adapters.sqlalchemy.placements import (
    Databases,
    Placement,
    Placements,
    Schemas,
    tables,
)
from tests.databases import Database, database, use_transactions
from tests.policy_database import PolicyDatabase

from .protections import Protection
from .rows import seed
from .schema import SCHEMA, Models

__all__ = [
    "AT",
    "ELSEWHERE",
    "PlaceKind",
    "Places",
    "fill",
    "placed",
    "placed_in",
    "with_named_schema",
]

PlaceKind: TypeAlias = Literal["schema", "database", "schema of a database"]

_HOUSE: Final = "house"

AT: Final[Mapping[PlaceKind, Placement]] = {
    "schema": Placement(schema=_HOUSE),
    "database": Placement(database="garden"),
    "schema of a database": Placement(schema=_HOUSE, database="palace"),
}
"""Where the tenants are."""

ELSEWHERE: Final = {
    "insert: a shared table with no tenant": "without a scope, it is in the shared tables",
    "open: a listener of the application's that rewrites the SQL behind the compiler": (
        "it is on the application's own engine"
    ),
}
"""Why some ways are not in the place of a tenant."""


@dataclass(frozen=True, slots=True)
class Places:
    """How the places of an engine are found.

    Attributes:
        here: the database of the engine itself, with the shared tables.
        of: returns where the tenants are.
        away: the databases of tenants, by name.
    """

    here: Database
    of: Callable[[], Placement]
    away: Mapping[str, Database]

    def engine(self, **options: Any) -> Engine:
        """Return an engine with these places."""
        engine = self.here.engine(**options)
        self._give(engine, is_async=False)
        return engine

    def async_engine(self, **options: Any) -> AsyncEngine:
        """Return an async engine with these places."""
        engine = self.here.async_engine(**options)
        self._give(engine, is_async=True)
        return engine

    def _give(self, engine: Engine | AsyncEngine, *, is_async: bool) -> None:
        def url_of(name: str) -> Any:
            away = self.away[name]
            url = away.async_url if is_async else away.url
            if isinstance(self.here, PolicyDatabase):
                url = url.set(username=self.here.app)
            return url

        def configure(made: Engine) -> None:
            if self.here.name == "sqlite":
                use_transactions(made)
                _attach(made, f"{made.url.database}.{SCHEMA}")

        placements = Placements(
            engine,
            schemas=Schemas() if self.here.name == "postgresql" else None,
            databases=Databases(
                url=url_of, connections=20, options={"pool_timeout": 5}, configure=configure
            ),
            of=lambda tenant: self.of(),
        )
        # Some ways dispose of an engine of theirs, and know nothing of the tenants' databases.
        event.listen(placements.engine, "engine_disposed", lambda _: placements.dispose())


def _attach(engine: Engine, path: str) -> None:
    from .store import attach_to

    attach_to(engine, path)


@dataclass(frozen=True, slots=True)
class _Placed(Database):
    places: Places

    def engine(self, **options: Any) -> Engine:
        return self.places.engine(**options)

    def async_engine(self, **options: Any) -> AsyncEngine:
        return self.places.async_engine(**options)


@dataclass(frozen=True, slots=True)
class _PlacedWithPolicies(PolicyDatabase):
    places: Places

    def engine(self, **options: Any) -> Engine:
        return self.places.engine(**options)

    def async_engine(self, **options: Any) -> AsyncEngine:
        return self.places.async_engine(**options)


def placed_in(places: Places, placement: Placement) -> Database:
    """Return a place as a database, whose driver reads that place, and whose engines are those
    of the application. A schema is made; its tables are not.
    """
    here = places.here
    place = here if placement.database is None else places.away[placement.database]
    given = {each.name: getattr(here, each.name) for each in fields(here)}
    given |= {each.name: getattr(place, each.name) for each in fields(Database)}
    if placement.schema is not None:
        place.run(f"CREATE SCHEMA {placement.schema}")
        given["_connect"] = {**place._connect, "options": f"-c search_path={placement.schema}"}
    made = (_PlacedWithPolicies if isinstance(here, PolicyDatabase) else _Placed)(
        **given, places=places
    )
    if isinstance(made, PolicyDatabase):
        made.open_schema(placement.schema or "public")
    return made


@contextmanager
def with_named_schema() -> Generator[None]:
    """Let a table of the catalogue name its schema, which a tenant's own would not replace."""
    is_owned = tables._is_owned
    with mock.patch.object(tables, "_is_owned", lambda t: not t.schema and is_owned(t)):
        yield


@contextmanager
def placed(
    here: Database, kind: PlaceKind, protection: Protection, models: Models
) -> Generator[Database]:
    """Yield the place of the tenants, in ``here`` or in another database."""
    placement = AT[kind]
    with ExitStack() as stack:
        away: dict[str, Database] = {}
        decoys = [here]
        if placement.database is not None:
            away[placement.database] = stack.enter_context(database(here.name))
            if placement.schema is not None:
                decoys.append(away[placement.database])
        stack.enter_context(with_named_schema())
        made = placed_in(Places(here, lambda: placement, away), placement)
        for each in decoys:
            fill(each, protection, models)
        if isinstance(here, PolicyDatabase):
            here.grant()
        before = [_content(each, models) for each in decoys]
        yield made
        after = [_content(each, models) for each in decoys]
        assert after == before, "something was written to tables that are shared"


def fill(here: Database, protection: Protection, models: Models) -> None:
    """Create the tables and rows of both tenants."""
    statements: list[str] = []
    mocked: Any = create_mock_engine(
        here.url,
        lambda element, *_, **__: statements.append(str(element.compile(dialect=mocked.dialect))),
    )
    # In the order of their definition, on which some depend.
    own = [each for each in models.metadata.tables.values() if each.schema is None]
    models.metadata.create_all(mocked, tables=own, checkfirst=False)
    mark = "?" if here.name == "sqlite" else "%s"
    with here.dbapi() as connection:
        cursor = connection.cursor()
        for setting in _WITHOUT_KEYS[here.name]:
            cursor.execute(setting)
        for statement in statements:
            cursor.execute(statement)
        for statement in protection.policies(_copied(own)):
            cursor.execute(statement)
        rows_of = seed(models, protection.mine, protection.theirs)
        for table in own:
            for row in rows_of[table.fullname]:
                kept = {key: each for key, each in row.items() if table.c[key].computed is None}
                keys = ", ".join(_quoted(here, key) for key in kept)
                marks = ", ".join([mark] * len(kept))
                values = [getattr(each, "hex", each) for each in kept.values()]
                cursor.execute(
                    f"INSERT INTO {_quoted(here, table.name)} ({keys}) VALUES ({marks})", values
                )


def _copied(own: Iterable[Table]) -> MetaData:
    metadata = MetaData()
    for table in own:
        table.to_metadata(metadata)
    return metadata


_WITHOUT_KEYS: Final = {
    "sqlite": ("PRAGMA foreign_keys = OFF", "PRAGMA journal_mode = WAL"),
    "postgresql": ("SET session_replication_role = replica",),
    "mariadb": ("SET foreign_key_checks = 0",),
}


def _quoted(here: Database, name: str) -> str:
    return f"`{name}`" if here.name == "mariadb" else f'"{name}"'


def _content(here: Database, models: Models) -> dict[str, list[str]]:
    own = [each.name for each in models.metadata.sorted_tables if each.schema is None]
    return {
        name: sorted(map(repr, here.read(f"SELECT * FROM {_quoted(here, name)}"))) for name in own
    }
