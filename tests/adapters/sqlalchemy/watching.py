"""The statements that reached the database, and its contents, read without the guard."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Literal, TypeAlias

import pytest
from sqlalchemy import Engine, MetaData, event
from sqlalchemy.ext.asyncio import AsyncEngine

from tenantshield_mw import system_scope, tenant_scope
from tests.databases import NAMES, Database, DatabaseName, database, memory_engine, require

__all__ = [
    "creating",
    "database_on_each",
    "engine_for_threads",
    "engine_in_memory",
    "engine_on_each",
    "execute",
    "fill",
    "rows",
    "sent",
    "with_tables",
]

Seed: TypeAlias = Callable[[Engine], Engine]
"""Creates tables and rows, and returns the engine."""


def creating(metadata: MetaData, *statements: str) -> Seed:
    """Return what creates the tables of ``metadata`` and fills them by ``statements``."""

    def seed(engine: Engine) -> Engine:
        with system_scope("set up"):
            metadata.create_all(engine)
        fill(engine, *statements)
        return engine

    return seed


def engine_in_memory(seed: Seed) -> Any:
    """Return a fixture: an engine on a SQLite database in memory, with what ``seed`` creates."""

    @pytest.fixture
    def engine() -> Iterator[Engine]:
        made = seed(memory_engine())
        yield made
        made.dispose()

    return engine


def engine_on_each(seed: Seed, names: Iterable[DatabaseName] = NAMES) -> Any:
    """Return a fixture: an engine on each of these databases, with what ``seed`` creates."""

    @pytest.fixture(params=names)
    def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
        name: DatabaseName = request.param
        require(name)
        with database(name) as here:
            made = seed(here.engine())
            yield made
            made.dispose()

    return engine


def engine_for_threads(seed: Seed) -> Any:
    """Return a fixture: an engine on a SQLite file, whose connections any thread may use."""

    @pytest.fixture
    def engine() -> Iterator[Engine]:
        with database("sqlite") as here:
            made = seed(here.engine(connect_args={"check_same_thread": False}))
            yield made
            made.dispose()

    return engine


def database_on_each(scope: Literal["function", "module"] = "function") -> Any:
    """Return a fixture: an empty database of each kind."""

    @pytest.fixture(params=NAMES, scope=scope)
    def here(request: pytest.FixtureRequest) -> Iterator[Database]:
        with database(request.param) as made:
            yield made

    return here


@contextmanager
def sent(engine: Engine | AsyncEngine) -> Generator[list[str], None, None]:
    """Yield a list that collects every statement that the driver gets."""
    target = engine.sync_engine if isinstance(engine, AsyncEngine) else engine
    statements: list[str] = []

    def after_cursor_execute(
        connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool
    ) -> None:
        # BEGIN is sent by the test engine itself.
        if statement != "BEGIN":
            statements.append(statement)

    event.listen(target, "after_cursor_execute", after_cursor_execute)
    try:
        yield statements
    finally:
        event.remove(target, "after_cursor_execute", after_cursor_execute)


@contextmanager
def with_tables(
    here: Database, metadata: MetaData, *statements: str
) -> Generator[Engine, None, None]:
    """Yield an engine of a database that has these tables, filled by ``statements``, meanwhile."""
    engine = here.engine()
    with system_scope("set up"):
        metadata.create_all(engine)
    fill(engine, *statements)
    try:
        yield engine
    finally:
        with system_scope("tear down"):
            metadata.drop_all(engine)
        engine.dispose()


def fill(engine: Engine, *statements: str) -> None:
    """Run ``statements`` with only the driver, and commit."""
    _run(engine, statements)


def execute(engine: Engine, tenant: str, statement: Any, parameters: Any = None) -> Any:
    """Return the rows of ``statement``, or how many it changed, for ``tenant``."""
    with tenant_scope(tenant), engine.begin() as connection:
        result = connection.execute(statement, parameters)
        return result.all() if result.returns_rows else result.rowcount


def rows(engine: Engine, sql: str) -> list[tuple[Any, ...]]:
    """Return the rows of ``sql``, run with only the driver, outside any transaction."""
    return _run(engine, [sql])


def _run(engine: Engine, statements: Iterable[str]) -> list[tuple[Any, ...]]:
    connection = engine.raw_connection()
    try:
        cursor = connection.cursor()
        found: list[tuple[Any, ...]] = []
        for statement in statements:
            cursor.execute(statement)
            found = [tuple(row) for row in cursor.fetchall()] if cursor.description else []
        cursor.close()
        connection.commit()
        return found
    finally:
        connection.close()
