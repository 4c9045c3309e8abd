"""A session for each request or websocket."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import URL
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from starlette.requests import HTTPConnection

__all__ = ["engine_for", "new_session"]


def engine_for(database: Path) -> AsyncEngine:
    return create_async_engine(URL.create("sqlite+aiosqlite", database=str(database)))


def new_session(connection: HTTPConnection) -> AsyncSession:
    """Return a session; it sees the rows of the request's tenant."""
    session: AsyncSession = connection.app.state.sessions()
    return session
