"""The database: an SQLite file, and a session for each request."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import URL, event
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from starlette.requests import Request

__all__ = ["engine_for", "new_session", "sessions_for"]


def engine_for(database: Path) -> AsyncEngine:
    engine = create_async_engine(URL.create("sqlite+aiosqlite", database=str(database)))
    event.listen(engine.sync_engine, "connect", _check_foreign_keys)
    return engine


def _check_foreign_keys(connection: Any, record: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def sessions_for(engine: AsyncEngine) -> async_sessionmaker[AsyncSession]:
    return async_sessionmaker(engine, expire_on_commit=False)


def new_session(request: Request) -> AsyncSession:
    """Return a session; which tenant's rows it sees follows from the request's scope."""
    sessions: async_sessionmaker[AsyncSession] = request.app.state.sessions
    return sessions()
