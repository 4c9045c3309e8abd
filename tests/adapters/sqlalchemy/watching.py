"""The statements that reached the database, and its contents, read without the guard."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, MetaData, event
from sqlalchemy.ext.asyncio import AsyncEngine

from tenantshield_mw import system_scope
from tests.databases import Database

__all__ = ["fill", "rows", "sent", "with_tables"]


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
