"""A shop whose code was written without the guard, and report mode over it."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, Final, TypeAlias

from sqlalchemy import ForeignKey, ForeignKeyConstraint, MetaData, String, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

from tenantshield_mw.adapters.sqlalchemy import observe, shared_across_tenants, tenant_aware
from tenantshield_mw.adapters.sqlalchemy.observe import Observation, Report

A: Final = "a"
"""The tenant whose code is observed."""

Run: TypeAlias = Callable[[Session], Any]


class Base(DeclarativeBase):
    metadata = MetaData()


@tenant_aware
class Order(Base):
    __tablename__ = "seen_order"
    __table_args__ = (UniqueConstraint("tenant_id", "id"),)
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    tenant_id: Mapped[str] = mapped_column(String(20))
    total: Mapped[int]
    items: Mapped[list[Item]] = relationship(back_populates="order")


class Item(Base):
    """Tied to its order."""

    __tablename__ = "seen_item"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    order_id: Mapped[int] = mapped_column(ForeignKey("seen_order.id"))
    order: Mapped[Order] = relationship(back_populates="items")


@tenant_aware
class Refund(Base):
    """Refers to its order by a key that includes the tenant."""

    __tablename__ = "seen_refund"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "order_id"], ["seen_order.tenant_id", "seen_order.id"]),
    )
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    tenant_id: Mapped[str] = mapped_column(String(20))
    order_id: Mapped[int]


@shared_across_tenants
class Country(Base):
    __tablename__ = "seen_country"
    code: Mapped[str] = mapped_column(String(2), primary_key=True)


ROWS = (
    "INSERT INTO seen_order (id, tenant_id, total) VALUES (1, 'a', 10), (2, 'b', 20)",
    "INSERT INTO seen_item (id, order_id) VALUES (11, 1), (22, 2)",
    "INSERT INTO seen_refund (id, tenant_id, order_id) VALUES (31, 'a', 1), (32, 'b', 2)",
    "INSERT INTO seen_country (code) VALUES ('NL')",
)


@contextmanager
def observing(*tables: Any, **options: Any) -> Generator[Observation]:
    observation = observe(*tables, **options)
    try:
        yield observation
    finally:
        observation.stop()


def told(observation: Observation) -> list[tuple[str, str, str]]:
    """What was reported: table, operation and effect, by line."""
    return [(each.table, each.operation, each.effect) for each in observation.reports]


def report(line: int = 1, table: str = "seen_order", function: str = "view") -> Report:
    return Report(table, "SELECT", "confined", "does not compare tenant_id", "a.py", line, function)
