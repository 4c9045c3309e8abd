"""Tables with rows that every tenant reads, and tables that refer or are tied to them."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Column, ForeignKey, Integer, MetaData, String, Table, null
from sqlalchemy.orm import DeclarativeBase, Mapped, deferred, mapped_column, relationship

from tenantshield_mw.adapters.sqlalchemy import tenant_aware


class Base(DeclarativeBase):
    metadata = MetaData()


@tenant_aware(shared_rows=null())
class Provider(Base):
    __tablename__ = "sr_provider"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    tenant_id: Mapped[str | None] = mapped_column(String(50), index=True)
    name: Mapped[str] = mapped_column(String(50))
    offers: Mapped[list[Offer]] = relationship(back_populates="provider", order_by="Offer.id")
    chats: Mapped[list[Chat]] = relationship(back_populates="provider", order_by="Chat.id")


@tenant_aware(shared_rows="everybody")
class Template(Base):
    __tablename__ = "sr_template"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    tenant_id: Mapped[str] = deferred(mapped_column(String(50), index=True))
    name: Mapped[str] = mapped_column(String(50))


class Offer(Base):
    """Tied to a table with shared rows: shared itself where its provider is."""

    __tablename__ = "sr_offer"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    provider_id: Mapped[int] = mapped_column(ForeignKey("sr_provider.id"))
    name: Mapped[str] = mapped_column(String(50))
    provider: Mapped[Provider] = relationship(back_populates="offers")


class Price(Base):
    """Tied to a tied table."""

    __tablename__ = "sr_price"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    offer_id: Mapped[int] = mapped_column(ForeignKey("sr_offer.id"))
    name: Mapped[str] = mapped_column(String(50))


@tenant_aware
class Chat(Base):
    __tablename__ = "sr_chat"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    tenant_id: Mapped[str] = mapped_column(String(50), index=True)
    name: Mapped[str] = mapped_column(String(50))
    provider_id: Mapped[int | None] = mapped_column(ForeignKey("sr_provider.id"))
    template_id: Mapped[int | None] = mapped_column(ForeignKey("sr_template.id"))
    provider: Mapped[Provider | None] = relationship(back_populates="chats")


def linked(name: str, **keys: str) -> Table:
    columns: list[Column[Any]] = [
        Column(key, ForeignKey(parent), nullable=False, primary_key=True, autoincrement=False)
        for key, parent in keys.items()
    ]
    return Table(name, Base.metadata, *columns, Column("name", String(50)))


USED: Final = linked("sr_used", chat_id="sr_chat.id", template_id="sr_template.id")
"""Tied to a table with shared rows, and to one without, which decides whose a row is."""

MATCH: Final = Table(
    "sr_match",
    Base.metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("a_template_id", ForeignKey("sr_template.id"), nullable=False),
    Column("provider_id", ForeignKey("sr_provider.id"), nullable=False),
    Column("name", String(50)),
)
"""Tied to two tables with shared rows."""

SCORE: Final = linked("sr_score", match_id="sr_match.id")
"""Tied to that."""

SEED: Final = (
    "INSERT INTO sr_provider VALUES (1, NULL, 'shared'), (2, 'acme', 'acme'), (3, 'globex', 'glo')",
    "INSERT INTO sr_template VALUES (1, 'everybody', 'shared')",
    "INSERT INTO sr_template VALUES (2, 'acme', 'acme'), (3, 'globex', 'glo')",
    "INSERT INTO sr_offer VALUES (1, 1, 'shared'), (2, 2, 'acme'), (3, 3, 'glo')",
    "INSERT INTO sr_price VALUES (1, 1, 'shared'), (2, 2, 'acme'), (3, 3, 'glo')",
    "INSERT INTO sr_chat VALUES (2, 'acme', 'acme', 1, 1), (3, 'globex', 'glo', 1, 1)",
    "INSERT INTO sr_used VALUES (2, 1, 'acme'), (3, 1, 'glo')",
    "INSERT INTO sr_match VALUES (1, 1, 1, 'shared'), (2, 2, 2, 'acme'), (3, 1, 3, 'glo')",
    "INSERT INTO sr_score VALUES (1, 'shared'), (2, 'acme'), (3, 'glo')",
)

TABLES: Final[dict[str, Table]] = {each.name: each for each in Base.metadata.sorted_tables}


def table_of(model: Any) -> Table:
    found: Table = model if isinstance(model, Table) else model.__table__
    return found
