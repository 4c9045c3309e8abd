"""Tables of tenants, and the table of a directory."""

from __future__ import annotations

from sqlalchemy import ForeignKey, MetaData, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from tenantshield_mw.adapters.sqlalchemy import shared_across_tenants, tenant_aware

__all__ = ["Base", "Lamp", "Listed", "Shelf", "Tenant"]


class Base(DeclarativeBase):
    metadata = MetaData()


class Listed(DeclarativeBase):
    metadata = MetaData()


@shared_across_tenants
class Tenant(Listed):
    __tablename__ = "estate_tenant"
    id: Mapped[str] = mapped_column(String(50), primary_key=True)
    active: Mapped[bool] = mapped_column(default=True)
    schema: Mapped[str | None] = mapped_column(String(63))
    database: Mapped[str | None] = mapped_column(String(255))


@tenant_aware
class Shelf(Base):
    __tablename__ = "estate_shelf"
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(String(50), index=True)
    name: Mapped[str] = mapped_column(String(50))


@tenant_aware
class Lamp(Base):
    __tablename__ = "estate_lamp"
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(String(50), index=True)
    shelf_id: Mapped[int] = mapped_column(ForeignKey("estate_shelf.id"), index=True)
