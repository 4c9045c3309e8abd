"""The tables of the tests of a session that goes on in another scope."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import ForeignKey, MetaData, String, func, select
from sqlalchemy.orm import DeclarativeBase, Mapped, column_property, mapped_column, relationship

from tenantshield_mw.adapters.sqlalchemy import shared_across_tenants, tenant_aware
from tests.databases import Database


class Base(DeclarativeBase):
    metadata = MetaData()


@shared_across_tenants
class Plan(Base):
    __tablename__ = "move_plan"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str] = mapped_column(String(20))
    users: Mapped[list[User]] = relationship(back_populates="plan")


@shared_across_tenants
class Company(Base):
    """The tenants."""

    __tablename__ = "move_company"
    id: Mapped[str] = mapped_column(String(20), primary_key=True)
    name: Mapped[str] = mapped_column(String(20))


@tenant_aware
class User(Base):
    __tablename__ = "move_user"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("move_company.id"))
    plan_id: Mapped[int | None] = mapped_column(ForeignKey("move_plan.id"))
    name: Mapped[str] = mapped_column(String(20))
    plan: Mapped[Plan | None] = relationship(back_populates="users")
    orders: Mapped[list[Order]] = relationship(back_populates="user", cascade="all")


@tenant_aware
class Order(Base):
    __tablename__ = "move_order"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    tenant_id: Mapped[str] = mapped_column(String(20))
    user_id: Mapped[int | None] = mapped_column(ForeignKey("move_user.id"))
    user: Mapped[User | None] = relationship(back_populates="orders")
    lines: Mapped[list[Line]] = relationship(back_populates="order", cascade="all, delete-orphan")


class Line(Base):
    """Tied to its order."""

    __tablename__ = "move_line"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    order_id: Mapped[int] = mapped_column(ForeignKey("move_order.id"))
    text: Mapped[str] = mapped_column(String(20))
    order: Mapped[Order] = relationship(back_populates="lines")


@tenant_aware
class Note(Base):
    __tablename__ = "move_note"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    tenant_id: Mapped[str] = mapped_column(String(20))


class Folder(Base):
    """Tied to its user; its files tell whose they are."""

    __tablename__ = "move_folder"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    user_id: Mapped[int] = mapped_column(ForeignKey("move_user.id"))
    files: Mapped[list[File]] = relationship(back_populates="folder", cascade="all")


@tenant_aware
class File(Base):
    __tablename__ = "move_file"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    tenant_id: Mapped[str] = mapped_column(String(20))
    folder_id: Mapped[int] = mapped_column(ForeignKey("move_folder.id"))
    name: Mapped[str] = mapped_column(String(20))
    folder: Mapped[Folder] = relationship(back_populates="files")


Plan.number = column_property(
    select(func.count(User.id)).where(User.plan_id == Plan.id).scalar_subquery()
)


class Ordering:
    """Mapped to a join."""

    number: int


_USERS, _ORDERS = Base.metadata.tables["move_user"], Base.metadata.tables["move_order"]
Base.registry.map_imperatively(
    Ordering,
    _USERS.join(_ORDERS),
    properties={
        "user_number": [_USERS.c.id, _ORDERS.c.user_id],
        "number": _ORDERS.c.id,
        "user_tenant": _USERS.c.tenant_id,
        "order_tenant": _ORDERS.c.tenant_id,
    },
)


SEED: Final = (
    "INSERT INTO move_company VALUES ('a', 'A'), ('b', 'B')",
    "INSERT INTO move_plan VALUES (1, 'free')",
    "INSERT INTO move_user VALUES (1, 'a', 1, 'ann'), (2, 'b', 1, 'bob')",
    "INSERT INTO move_order VALUES (11, 'a', 1), (12, 'b', 2)",
    "INSERT INTO move_note VALUES (21, 'a'), (22, 'b')",
    "INSERT INTO move_line VALUES (111, 11, 'la'), (112, 12, 'lb')",
)


def names(here: Database) -> list[Any]:
    return [name for (name,) in here.read("SELECT name FROM move_user ORDER BY id")]
