"""Teams and members, with the tenant in their keys."""

from __future__ import annotations

import uuid
from typing import Any

from sqlalchemy import CHAR, Engine, Integer, MetaData, String, TypeDecorator
from sqlalchemy.orm import DeclarativeBase, Mapped, deferred, mapped_column, relationship

from tenantshield_mw.adapters.sqlalchemy import tenant_aware, tenant_foreign_key

from ..watching import creating, rows


class Base(DeclarativeBase):
    metadata = MetaData()


@tenant_aware
class Team(Base):
    __tablename__ = "objects_team"
    tenant_id: Mapped[str] = mapped_column(String(20), primary_key=True)
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str | None] = mapped_column(String(9))
    members: Mapped[list[Member]] = relationship(back_populates="team")


@tenant_aware
class Member(Base):
    __tablename__ = "objects_member"
    __table_args__ = (tenant_foreign_key("team_id", "objects_team.id"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = deferred(mapped_column(String(20)))
    team_id: Mapped[int | None] = mapped_column(Integer)
    team: Mapped[Team | None] = relationship(back_populates="members")


@tenant_aware
class Badge(Base):
    """Also has the tenant in its primary key."""

    __tablename__ = "objects_badge"
    __table_args__ = (tenant_foreign_key("team_id", "objects_team.id"),)
    tenant_id: Mapped[str] = mapped_column(String(20), primary_key=True)
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    team_id: Mapped[int | None] = mapped_column(Integer)
    team: Mapped[Team | None] = relationship(overlaps="members,team")


class Guid(TypeDecorator[uuid.UUID]):
    """A UUID in a CHAR(32), the recipe from before SQLAlchemy had Uuid."""

    impl = CHAR(32)
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> str | None:
        return None if value is None else uuid.UUID(str(value)).hex

    def process_result_value(self, value: Any, dialect: Any) -> uuid.UUID | None:
        return None if value is None else uuid.UUID(value)


@tenant_aware
class Tag(Base):
    __tablename__ = "objects_tag"
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[uuid.UUID] = mapped_column(Guid)
    name: Mapped[str] = mapped_column(String(9))


ONE, TWO = uuid.UUID(int=1), uuid.UUID(int=2)

SEED = (
    "INSERT INTO objects_team (tenant_id, id, name) VALUES ('acme', 1, 'a'), ('globex', 1, 'b')",
    "INSERT INTO objects_member (id, tenant_id, team_id) VALUES (1, 'acme', 1), (2, 'globex', 1)",
    "INSERT INTO objects_badge (tenant_id, id, team_id) VALUES ('acme', 1, 1), ('globex', 1, 1)",
    f"INSERT INTO objects_tag VALUES (1, '{ONE.hex}', 'a'), (2, '{TWO.hex}', 'b')",
)

seed = creating(Base.metadata, *SEED)


def members(engine: Engine) -> list[tuple[Any, ...]]:
    return rows(engine, "SELECT tenant_id, team_id FROM objects_member ORDER BY id")


LEFT = [("acme", None), ("globex", 1)]
