"""A system scope does not link the rows of two tenants."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, ForeignKey, MetaData, String, null
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

from tenantshield_mw import CrossTenantAccessError, system_scope
from tenantshield_mw.adapters.sqlalchemy import tenant_aware
from tests.databases import Database

from ..watching import database_on_each, rows, sent, with_tables


class Base(DeclarativeBase):
    metadata = MetaData()


@tenant_aware(shared_rows=null())
class Kind(Base):
    __tablename__ = "agr_kind"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    tenant_id: Mapped[str | None] = mapped_column(String(20))


@tenant_aware
class Firm(Base):
    __tablename__ = "agr_firm"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    tenant_id: Mapped[str] = mapped_column(String(20))


@tenant_aware
class Deal(Base):
    __tablename__ = "agr_deal"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    tenant_id: Mapped[str] = mapped_column(String(20))
    firm_id: Mapped[int | None] = mapped_column(ForeignKey("agr_firm.id"))
    kind_id: Mapped[int | None] = mapped_column(ForeignKey("agr_kind.id"))
    note: Mapped[str | None] = mapped_column(String(20))
    firm: Mapped[Firm | None] = relationship()


class Step(Base):
    """Tied to its deal, and to a firm."""

    __tablename__ = "agr_step"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    deal_id: Mapped[int] = mapped_column(ForeignKey("agr_deal.id"))
    firm_id: Mapped[int] = mapped_column(ForeignKey("agr_firm.id"))


class Mark(Base):
    """Tied to a step, and so to a tenant through two tables."""

    __tablename__ = "agr_mark"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    step_id: Mapped[int] = mapped_column(ForeignKey("agr_step.id"))
    firm_id: Mapped[int] = mapped_column(ForeignKey("agr_firm.id"))


@tenant_aware(check_references=False)
class Loose(Base):
    __tablename__ = "agr_loose"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    tenant_id: Mapped[str] = mapped_column(String(20))
    firm_id: Mapped[int] = mapped_column(ForeignKey("agr_firm.id"))


ROWS = (
    "INSERT INTO agr_kind (id, tenant_id) VALUES (1, 'a'), (2, 'b'), (3, NULL)",
    "INSERT INTO agr_firm (id, tenant_id) VALUES (1, 'a'), (2, 'b')",
    "INSERT INTO agr_deal (id, tenant_id, firm_id) VALUES (1, 'a', 1), (2, 'b', 2)",
    "INSERT INTO agr_step (id, deal_id, firm_id) VALUES (1, 1, 1), (2, 2, 2)",
)


here = database_on_each("module")


@pytest.fixture
def engine(here: Database) -> Iterator[Engine]:
    with with_tables(here, Base.metadata, *ROWS) as engine:
        yield engine


def content(engine: Engine) -> list[Any]:
    tables = ("agr_deal", "agr_step", "agr_mark", "agr_loose")
    return [rows(engine, f"SELECT * FROM {each} ORDER BY id") for each in tables]


def change(session: Session, **values: Any) -> None:
    deal = session.get(Deal, 1)
    for name, value in values.items():
        setattr(deal, name, value)


LINKS: dict[str, Callable[[Session], Any]] = {
    "a new object": lambda s: s.add(Deal(id=9, tenant_id="a", firm_id=2)),
    "by a relationship": lambda s: s.add(Deal(id=9, tenant_id="a", firm=s.get(Firm, 2))),
    "to a new object": lambda s: s.add(Deal(id=9, tenant_id="a", firm=Firm(id=9, tenant_id="b"))),
    "another tenant's own row of a table with shared rows": lambda s: s.add(
        Deal(id=9, tenant_id="a", kind_id=2)
    ),
    "a change": lambda s: change(s, firm_id=2),
    "a change of the tenant": lambda s: change(s, tenant_id="b"),
    "two parents": lambda s: s.add(Step(id=9, deal_id=1, firm_id=2)),
    "two parents, one of them tied": lambda s: s.add(Mark(id=9, step_id=1, firm_id=2)),
    "one of several": lambda s: s.add_all(
        [Deal(id=each, tenant_id="a", firm_id=each - 8) for each in (9, 10)]
    ),
}


@pytest.mark.parametrize("name", LINKS)
def test_rows_of_two_tenants_are_not_linked(engine: Engine, name: str) -> None:
    before = content(engine)
    with system_scope("administration"), Session(engine) as session:
        LINKS[name](session)
        with pytest.raises(CrossTenantAccessError, match="belongs to another tenant than"):
            session.commit()
    assert content(engine) == before


FITS: dict[str, Callable[[Session], Any]] = {
    "a new object": lambda s: s.add(Deal(id=9, tenant_id="b", firm_id=2)),
    "to a new object": lambda s: s.add(Deal(id=9, tenant_id="b", firm=Firm(id=9, tenant_id="b"))),
    "nothing": lambda s: s.add(Deal(id=9, tenant_id="b")),
    "a shared row": lambda s: s.add(Deal(id=9, tenant_id="b", kind_id=3)),
    "two parents": lambda s: s.add(Step(id=9, deal_id=2, firm_id=2)),
    "two parents, one of them tied": lambda s: s.add(Mark(id=9, step_id=2, firm_id=2)),
    "objects of two tenants": lambda s: s.add_all(
        [Deal(id=9, tenant_id="a", firm_id=1), Deal(id=10, tenant_id="b", firm_id=2)]
    ),
    "a row that moves with what it refers to": lambda s: change(s, tenant_id="b", firm_id=2),
    "a table whose references are not checked": lambda s: s.add(
        Loose(id=9, tenant_id="a", firm_id=2)
    ),
}


@pytest.mark.parametrize("name", FITS)
def test_what_belongs_to_one_tenant_is_written(engine: Engine, name: str) -> None:
    before = content(engine)
    with system_scope("administration"), Session(engine) as session:
        FITS[name](session)
        session.commit()
    assert content(engine) != before


async def test_it_is_the_same_in_an_async_session(here: Database, engine: Engine) -> None:
    async_engine = here.async_engine()
    with system_scope("administration"):
        async with AsyncSession(async_engine) as session:
            session.add(Deal(id=9, tenant_id="a", firm_id=2))
            with pytest.raises(CrossTenantAccessError):
                await session.flush()
    await async_engine.dispose()
    assert len(content(engine)[0]) == 2


def test_each_table_is_asked_once_and_only_for_what_is_written(engine: Engine) -> None:
    with system_scope("administration"), Session(engine) as session:
        session.add_all([Deal(id=each, tenant_id="a", firm_id=1) for each in range(10, 30)])
        with sent(engine) as statements:
            session.flush()
        assert [each.split()[0] for each in statements] == ["INSERT", "SELECT"]
        change(session, note="x")
        with sent(engine) as statements:
            session.flush()
        assert [each.split()[0] for each in statements] == ["UPDATE"]


def test_a_flush_that_failed_leaves_nothing_to_check(engine: Engine) -> None:
    with system_scope("administration"), Session(engine) as session:
        session.add(Deal(id=1, tenant_id="a", firm_id=2))
        with pytest.raises(IntegrityError):
            session.flush()
        session.rollback()
        session.add(Deal(id=9, tenant_id="a", firm_id=1))
        session.commit()
    assert len(content(engine)[0]) == 3
