"""Rooms and chairs of three tenants, and colours that all share."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from sqlalchemy import Engine, ForeignKey, MetaData, String, select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

from tenantshield_mw.adapters.sqlalchemy import shared_across_tenants, tenant_aware
from tests.databases import Database, database
from tests.places import engine_here

from .watching import fill


class Base(DeclarativeBase):
    metadata = MetaData()


@tenant_aware
class Room(Base):
    __tablename__ = "rule_room"
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(String(50))
    name: Mapped[str | None] = mapped_column(String(50))
    chairs: Mapped[list[Chair]] = relationship(back_populates="room", order_by="Chair.id")


@tenant_aware
class Chair(Base):
    __tablename__ = "rule_chair"
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(String(50))
    room_id: Mapped[int | None] = mapped_column(ForeignKey("rule_room.id"))
    room: Mapped[Room | None] = relationship(back_populates="chairs")


@shared_across_tenants
class Colour(Base):
    __tablename__ = "rule_colour"
    id: Mapped[int] = mapped_column(primary_key=True)


SEED = (
    (
        "INSERT INTO rule_room VALUES (1, 'acme', 'a1'), (2, 'acme', 'a2'), (3, 'globex', 'g3'),"
        " (4, 'globex', 'g4'), (5, 'initech', 'i5')"
    ),
    "INSERT INTO rule_chair VALUES (11, 'acme', 1), (12, 'acme', 2), (13, 'globex', 3)",
    "INSERT INTO rule_colour VALUES (1)",
)
ROOMS = {"acme": [1, 2], "globex": [3, 4], "initech": [5]}


@pytest.fixture
def here() -> Iterator[Database]:
    with database("sqlite") as here:
        engine = here.engine()
        Base.metadata.create_all(engine)
        fill(engine, *SEED)
        engine.dispose()
        yield here


engine = engine_here


@pytest.fixture
async def async_engine(here: Database) -> AsyncIterator[AsyncEngine]:
    engine = here.async_engine()
    yield engine
    await engine.dispose()


def seen(engine: Engine) -> list[int]:
    with Session(engine) as session:
        return list(session.scalars(select(Room.id).order_by(Room.id)))


async def aseen(engine: AsyncEngine) -> list[int]:
    async with AsyncSession(engine) as session:
        return list(await session.scalars(select(Room.id).order_by(Room.id)))
