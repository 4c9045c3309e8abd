"""Owners and their pets, of two tenants, and breeds that all share."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine, ForeignKey, MetaData, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from tenantshield_mw.adapters.sqlalchemy import shared_across_tenants, tenant_aware

from ..watching import creating, rows


class Base(DeclarativeBase):
    metadata = MetaData()


@tenant_aware
class Owner(Base):
    __tablename__ = "sess_owner"
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(String(50))
    name: Mapped[str] = mapped_column(String(50), default="")
    pets: Mapped[list[Pet]] = relationship(back_populates="owner")


@tenant_aware
class Pet(Base):
    __tablename__ = "sess_pet"
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(String(50))
    owner_id: Mapped[int | None] = mapped_column(ForeignKey("sess_owner.id"))
    name: Mapped[str] = mapped_column(String(50), default="")
    owner: Mapped[Owner | None] = relationship(back_populates="pets")


@shared_across_tenants
class Breed(Base):
    __tablename__ = "sess_breed"
    id: Mapped[int] = mapped_column(primary_key=True)


SEED = (
    "INSERT INTO sess_owner VALUES (1, 'acme', 'ours'), (2, 'globex', 'theirs')",
    (
        "INSERT INTO sess_pet VALUES (11, 'acme', 1, 'rex'), (12, 'globex', 2, 'tom'),"
        " (13, 'globex', NULL, 'kit')"
    ),
    "INSERT INTO sess_breed VALUES (1)",
)

seed = creating(Base.metadata, *SEED)


def names(engine: Engine) -> list[Any]:
    return [name for (name,) in rows(engine, "SELECT name FROM sess_owner ORDER BY id")]
