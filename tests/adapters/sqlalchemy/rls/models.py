"""Tables of every kind that the policies cover, with names that need quotes."""

from __future__ import annotations

import uuid
from functools import cache
from typing import Any

from sqlalchemy import CHAR, ForeignKey, Integer, String, Uuid, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from tenantshield_mw.adapters.sqlalchemy import (
    shared_across_tenants,
    tenant_aware,
    tenant_foreign_key,
)

__all__ = [
    "KINDS",
    "Base",
    "Bottle",
    "Cellar",
    "Child",
    "Label",
    "Parent",
    "Region",
    "Tasting",
    "mark",
]


class Base(DeclarativeBase):
    pass


class Cellar(Base):
    __tablename__ = "floor Cellar"
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column("Tenant Id", String(40), index=True)
    name: Mapped[str]
    above_id: Mapped[int | None] = mapped_column(ForeignKey("floor Cellar.id"))


class Bottle(Base):
    """Tied: it has no tenant column."""

    __tablename__ = "floor_bottle"
    id: Mapped[int] = mapped_column(primary_key=True)
    cellar_id: Mapped[int] = mapped_column(ForeignKey("floor Cellar.id"))
    name: Mapped[str]


class Tasting(Base):
    """Tied to a tied table."""

    __tablename__ = "floor_tasting"
    id: Mapped[int] = mapped_column(primary_key=True)
    bottle_id: Mapped[int] = mapped_column(ForeignKey("floor_bottle.id"))
    note: Mapped[str]


class Label(Base):
    """Refers to a tenant-aware table without being tied to it."""

    __tablename__ = "floor_label"
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[str]
    cellar_id: Mapped[int | None] = mapped_column(ForeignKey("floor Cellar.id"))


class Region(Base):
    __tablename__ = "floor_region"
    name: Mapped[str] = mapped_column(primary_key=True)


class ByInteger(Base):
    __tablename__ = "floor_by_integer"
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = mapped_column(Integer, index=True)


class ByUuid(Base):
    __tablename__ = "floor_by_uuid"
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[uuid.UUID] = mapped_column(Uuid, index=True)


class ByHex(Base):
    __tablename__ = "floor_by_hex"
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[uuid.UUID] = mapped_column(Uuid(native_uuid=False), index=True)


class ByUuidAsText(Base):
    __tablename__ = "floor_by_uuid_as_text"
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(Uuid(as_uuid=False), index=True)


class ByChar(Base):
    __tablename__ = "floor_by_char"
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(CHAR(8), index=True)


class Parent(Base):
    __tablename__ = "floor_parent"
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(server_default=text("'nobody'"))


class Child(Base):
    __tablename__ = "floor_child"
    __table_args__ = (tenant_foreign_key("parent_id", "floor_parent.id"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[str]
    parent_id: Mapped[int | None]


ONE, TWO = uuid.UUID(int=1), uuid.UUID(int=2)

KINDS: dict[type[Any], tuple[Any, Any]] = {
    ByInteger: (7, 8),
    ByUuid: (ONE, TWO),
    ByHex: (ONE, TWO),
    ByUuidAsText: (str(ONE), str(TWO)),
    ByChar: ("acme", "acme2"),
    Parent: ("Acme", "acme"),
}
"""Models by the type of their tenant column, each with two tenants' identifiers."""


@cache
def mark() -> None:
    """Declare the tables; not on import, since declarations apply to the whole process."""
    for model in (Cellar, Label, ByInteger, ByUuid, ByHex, ByUuidAsText, ByChar, Parent, Child):
        tenant_aware(model, column="Tenant Id" if model is Cellar else "tenant_id")
    shared_across_tenants(Region)
