"""Letters of two tenants, their pages, and a shared table."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Integer, MetaData, String, Table
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from tenantshield_mw.adapters.sqlalchemy import shared_across_tenants, tenant_aware

from .watching import creating

METADATA = MetaData()


class Base(DeclarativeBase):
    metadata = METADATA


@tenant_aware
class Letter(Base):
    __tablename__ = "inst_letter"
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(String(50))
    body: Mapped[str | None] = mapped_column(String(50))


LETTER = Base.metadata.tables["inst_letter"]
# Tied to its letter.
PAGE = Table(
    "inst_page",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("letter_id", ForeignKey("inst_letter.id"), nullable=False),
)
STAMP = shared_across_tenants(
    Table("inst_stamp", METADATA, Column("id", Integer, primary_key=True))
)

SEED = (
    "INSERT INTO inst_letter VALUES (1, 'acme', 'ours'), (2, 'globex', 'top secret')",
    "INSERT INTO inst_stamp VALUES (1)",
)


seed = creating(METADATA, *SEED)
