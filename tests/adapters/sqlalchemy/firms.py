"""Tables whose foreign keys lead from deals to firms, with rows of two tenants."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import (
    Column,
    Engine,
    ForeignKey,
    ForeignKeyConstraint,
    Integer,
    MetaData,
    String,
    Table,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from tenantshield_mw import CrossTenantAccessError, TenantShieldError, tenant_scope
from tenantshield_mw.adapters.sqlalchemy import tenant_aware
from tests.databases import memory_engine

from .watching import creating, rows


class Base(DeclarativeBase):
    metadata = MetaData()


@tenant_aware
class Firm(Base):
    __tablename__ = "refs_firm"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    tenant_id: Mapped[str] = mapped_column(String(50))
    name: Mapped[str | None] = mapped_column(String(50))
    deals: Mapped[list[Deal]] = relationship(back_populates="firm")


@tenant_aware
class Place(Base):
    __tablename__ = "refs_place"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    tenant_id: Mapped[str] = mapped_column(String(50))


@tenant_aware
class Deal(Base):
    __tablename__ = "refs_deal"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    tenant_id: Mapped[str] = mapped_column(String(50))
    firm_id: Mapped[int | None] = mapped_column(ForeignKey("refs_firm.id"))
    place_id: Mapped[int | None] = mapped_column(ForeignKey("refs_place.id"))
    note: Mapped[str | None] = mapped_column(String(50))
    firm: Mapped[Firm | None] = relationship(back_populates="deals")
    steps: Mapped[list[Step]] = relationship(back_populates="deal")


class Step(Base):
    """Belongs to a tenant through its deal, without a declaration."""

    __tablename__ = "refs_step"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    deal_id: Mapped[int] = mapped_column(ForeignKey("refs_deal.id"))
    deal: Mapped[Deal] = relationship(back_populates="steps")


@tenant_aware(check_references=False)
class Trusting(Base):
    __tablename__ = "refs_trusting"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    tenant_id: Mapped[str] = mapped_column(String(50))
    firm_id: Mapped[int | None] = mapped_column(ForeignKey("refs_firm.id"))


FIRM, DEAL, STEP, TRUSTING = (
    Base.metadata.tables[f"refs_{name}"] for name in ("firm", "deal", "step", "trusting")
)

SEED = (
    "INSERT INTO refs_firm VALUES (1, 'acme', 'a'), (2, 'globex', 'g'), (3, 'acme', 'b')",
    "INSERT INTO refs_place VALUES (1, 'acme'), (2, 'globex')",
    "INSERT INTO refs_deal VALUES (11, 'acme', 1, NULL, 'x'), (12, 'globex', 2, NULL, 'y')",
    "INSERT INTO refs_step VALUES (111, 11), (112, 12)",
)


seed = creating(Base.metadata, *SEED)


def with_default(name: str, **options: Any) -> tuple[Engine, Table]:
    """Return a table whose key to a firm has these options, and an engine that has it."""
    metadata = MetaData()
    table = tenant_aware(
        Table(
            name,
            metadata,
            Column("id", Integer, primary_key=True),
            Column("tenant_id", String(50)),
            Column("firm_id", Integer, **options),
            ForeignKeyConstraint(["firm_id"], [FIRM.c.id]),
        )
    )
    engine = seed(memory_engine())
    metadata.create_all(engine)
    return engine, table


def run(engine: Engine, statement: Any, parameters: Any = None) -> None:
    with tenant_scope("acme"), engine.begin() as connection:
        connection.execute(statement, parameters)


def refused(
    engine: Engine,
    statement: Any,
    parameters: Any = None,
    kind: type[TenantShieldError] = CrossTenantAccessError,
) -> None:
    """Check that the statement raises and changes nothing."""
    before = [rows(engine, f"SELECT * FROM {each.name} ORDER BY 1") for each in (DEAL, STEP)]
    with pytest.raises(kind) as caught:
        run(engine, statement, parameters)
    assert "refs_" in str(caught.value)
    assert "globex" not in str(caught.value)
    after = [rows(engine, f"SELECT * FROM {each.name} ORDER BY 1") for each in (DEAL, STEP)]
    assert after == before


def looked_up(statements: list[str]) -> int:
    return sum(each.lstrip().upper().startswith("SELECT") for each in statements)
