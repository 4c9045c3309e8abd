"""The notes of two tenants, for the frameworks' applications."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Final

import pytest_asyncio
from sqlalchemy import Connection, insert
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from tenantshield_mw import system_scope
from tenantshield_mw.adapters.sqlalchemy import tenant_aware


class Base(DeclarativeBase):
    pass


@tenant_aware
class Note(Base):
    __tablename__ = "test_note"
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[str]
    body: Mapped[str]


BODIES: Final = {"acme": "ours", "globex": "top secret"}


def seed(connection: Connection, bodies: Mapping[str, str] = BODIES) -> None:
    """Create the table, with a note of each tenant."""
    with system_scope("fill the database of a test"):
        Base.metadata.create_all(connection)
        rows = [{"tenant_id": tenant_id, "body": body} for tenant_id, body in bodies.items()]
        connection.execute(insert(Note), rows)


@pytest_asyncio.fixture
async def engine(tmp_path: Path) -> AsyncIterator[AsyncEngine]:
    """An engine on a database with these notes; a module takes it by ``engine = notes.engine``."""
    engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path / 'notes.sqlite3'}")
    async with engine.begin() as connection:
        await connection.run_sync(seed)
    yield engine
    await engine.dispose()
