"""In report mode statements run as they were, and are reported."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, delete, exists, func, insert, literal, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session, aliased, joinedload, selectinload

from tenantshield_mw import (
    ConfigurationError,
    CrossTenantAccessError,
    UnguardedStatementError,
    system_scope,
    tenant_scope,
)
from tenantshield_mw.adapters.sqlalchemy import observe
from tenantshield_mw.adapters.sqlalchemy.doctor import examine
from tenantshield_mw.adapters.sqlalchemy.observe import Report
from tests.databases import NAMES, Database, database, memory_async_engine

from ..watching import with_tables
from .shop import ROWS, Base, Country, Item, Order, Refund, observing, told

A = "a"


@pytest.fixture(params=NAMES, scope="module")
def here(request: pytest.FixtureRequest) -> Iterator[Database]:
    with database(request.param) as found:
        yield found


@pytest.fixture
def engine(here: Database) -> Iterator[Engine]:
    with with_tables(here, Base.metadata, *ROWS) as engine:
        yield engine


Run = Callable[[Session], Any]
OTHER = aliased(Order)

COMPARED: dict[str, Run] = {
    "where": lambda s: s.scalars(select(Order).where(Order.tenant_id == A)).all(),
    "value first": lambda s: s.scalars(select(Order).where(literal(A) == Order.tenant_id)).all(),
    "in": lambda s: s.scalars(select(Order).where(Order.tenant_id.in_([A]))).all(),
    "filter_by": lambda s: s.query(Order).filter_by(tenant_id=A, total=10).all(),
    "on": lambda s: s.execute(
        select(Country, Order).outerjoin(Order, (Order.tenant_id == A) & (Order.total > 1))
    ).all(),
    "joined by key": lambda s: s.scalars(
        select(Item).join(Item.order).where(Order.tenant_id == A)
    ).all(),
    "child of a compared parent": lambda s: (
        s.scalars(select(Order).where(Order.tenant_id == A).options(joinedload(Order.items)))
        .unique()
        .all()
    ),
    "loaded after": lambda s: s.scalars(
        select(Order).where(Order.tenant_id == A).options(selectinload(Order.items))
    ).all(),
    "lazily loaded": lambda s: [
        each.items for each in s.scalars(select(Order).where(Order.tenant_id == A))
    ],
    "joined by the whole key": lambda s: s.execute(
        select(Refund.id)
        .join(Order, (Order.tenant_id == Refund.tenant_id) & (Order.id == Refund.order_id))
        .where(Refund.tenant_id == A)
    ).all(),
    "correlated": lambda s: s.scalars(
        select(Order).where(Order.tenant_id == A, exists().where(Item.order_id == Order.id))
    ).all(),
    "update": lambda s: s.execute(update(Order).where(Order.tenant_id == A).values(total=11)),
    "delete": lambda s: s.execute(delete(Refund).where(Refund.tenant_id == A)),
    "insert": lambda s: s.execute(insert(Order).values(id=9, tenant_id=A, total=1)),
    "insert of several": lambda s: s.execute(
        insert(Order), [{"id": each, "tenant_id": A, "total": 1} for each in (8, 9)]
    ),
    "shared": lambda s: s.scalars(select(Country)).all(),
    "raw, of a shared table": lambda s: s.execute(text("SELECT code FROM seen_country")).all(),
}


@pytest.mark.parametrize("name", COMPARED)
def test_what_compares_the_tenant_is_not_reported(engine: Engine, name: str) -> None:
    with observing() as seen, tenant_scope(A), Session(engine) as session:
        COMPARED[name](session)
        session.commit()
    assert told(seen) == []


def count(session: Session, statement: Any) -> int:
    result: Any = session.execute(statement)
    rows: int = result.rowcount
    return rows


CONFINED: dict[str, tuple[Run, list[tuple[str, str, str]]]] = {
    "all": (
        lambda s: len(s.scalars(select(Order)).all()),
        [("seen_order", "SELECT", "confined")],
    ),
    "by key": (
        lambda s: s.get(Order, 2).total,  # type: ignore[union-attr]
        [("seen_order", "SELECT", "confined")],
    ),
    "or": (
        lambda s: len(
            s.scalars(select(Order).where(or_(Order.tenant_id == A, Order.id == 2))).all()
        ),
        [("seen_order", "SELECT", "confined")],
    ),
    "of another tenant": (
        lambda s: s.scalar(select(Order.id).where(Order.tenant_id == "b")),
        [("seen_order", "SELECT", "confined")],
    ),
    "one of two": (
        lambda s: len(
            s.execute(
                select(Order.id).join(OTHER, OTHER.total >= Order.total).where(Order.tenant_id == A)
            ).all()
        ),
        [("seen_order", "SELECT", "confined")],
    ),
    "joined by something else than the key": (
        lambda s: s.scalar(
            select(func.count(Refund.id))
            .join(Order, Order.id <= Refund.order_id)
            .where(Order.tenant_id == A)
        ),
        [("seen_refund", "SELECT", "confined")],
    ),
    "tied": (
        lambda s: s.scalar(select(func.count(Item.id))),
        [("seen_item", "SELECT", "confined")],
    ),
    "update": (
        lambda s: count(s, update(Order).values(total=1)),
        [("seen_order", "UPDATE", "confined")],
    ),
    "delete": (
        lambda s: count(s, delete(Refund)),
        [("seen_refund", "DELETE", "confined")],
    ),
    "raw": (
        lambda s: s.scalar(text("SELECT count(*) FROM seen_order")),
        [("", "raw SQL", "refused")],
    ),
    "driver SQL": (
        lambda s: s.connection().exec_driver_sql("SELECT count(*) FROM seen_order").scalar(),
        [("", "raw SQL", "refused")],
    ),
    "another tenant's row": (
        lambda s: count(s, insert(Order).values(id=9, tenant_id="b", total=1)),
        [("seen_order", "INSERT", "refused")],
    ),
    "a reference to another tenant's row": (
        lambda s: count(s, insert(Item).values(id=9, order_id=2)),
        [("seen_item", "INSERT", "refused")],
    ),
}


@pytest.mark.parametrize("name", CONFINED)
def test_what_would_change_runs_as_it_was_and_is_reported(engine: Engine, name: str) -> None:
    run, expected = CONFINED[name]
    with system_scope("as it was"), Session(engine) as session:
        before = run(session)
    with observing() as seen, tenant_scope(A), Session(engine) as session:
        assert run(session) == before
    assert told(seen) == expected


def test_each_of_these_is_confined_or_refused_when_it_is_protected(engine: Engine) -> None:
    """What report mode tells is what happens."""
    for run, expected in CONFINED.values():
        with system_scope("as it was"), Session(engine) as session:
            before = run(session)
        refused = [effect for *_, effect in expected] == ["refused"]
        with tenant_scope(A), Session(engine) as session:
            try:
                assert run(session) != before
                assert not refused
            except (CrossTenantAccessError, UnguardedStatementError):
                assert refused
            except AttributeError:
                assert not refused


def test_without_a_scope_everything_would_be_refused(engine: Engine) -> None:
    with observing() as seen, Session(engine) as session:
        user = session.scalars(select(Order).where(Order.tenant_id == "b")).one()
        user.total = 5
        session.commit()
    assert (
        told(seen)
        == [
            ("seen_order", "SELECT", "refused"),
            ("seen_order", "UPDATE", "refused"),
            ("seen_order", "SELECT", "refused"),
        ][: len(seen.reports)]
    )
    assert {each.detail for each in seen.reports} == {"no tenant is in scope"}


def test_a_system_scope_is_not_reported(engine: Engine) -> None:
    with observing() as seen, system_scope("a report"), Session(engine) as session:
        assert len(session.scalars(select(Order)).all()) == 2
    assert seen.reports == []


def test_a_session_goes_from_tenant_to_tenant_as_it_did(engine: Engine) -> None:
    with observing(), Session(engine) as session:
        with tenant_scope("a"):
            mine = session.get(Order, 1)
        with tenant_scope("b"):
            theirs = session.get(Order, 2)
            assert mine in session
            assert theirs in session
            assert mine is not None
            mine.total = 3
            session.commit()
    with system_scope("look"), Session(engine) as session:
        assert session.scalar(select(Order.total).where(Order.id == 1)) == 3


def test_a_place_is_the_line_of_the_application_and_reported_once(engine: Engine) -> None:
    with observing() as seen, tenant_scope(A), Session(engine) as session:
        for _ in range(3):
            session.scalars(select(Order)).all()
    (report,) = seen.reports
    code = test_a_place_is_the_line_of_the_application_and_reported_once.__code__
    assert report.line == code.co_firstlineno + 3
    assert report.function == code.co_qualname
    assert report.file == str(Path(__file__).relative_to(Path.cwd()))


async def test_a_place_is_found_through_an_async_session() -> None:
    engine = memory_async_engine()
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    with observing() as seen, tenant_scope(A):
        async with AsyncSession(engine) as session:
            await session.scalars(select(Order))
    await engine.dispose()
    (report,) = seen.reports
    assert report.function == test_a_place_is_found_through_an_async_session.__qualname__


def test_reports_go_to_the_logger_and_the_callback(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    found: list[Report] = []
    with (
        caplog.at_level(logging.WARNING, "tenantshield_mw.observe"),
        observing(on_report=found.append),
        tenant_scope(A),
        Session(engine) as session,
    ):
        session.scalars(select(Order)).all()
        session.scalars(select(Order)).all()
    start, *records = [each.getMessage() for each in caplog.records]
    assert start.startswith("report mode: all tables: ")
    assert records == list(map(str, found))
    assert len(found) == 2


# -- some of the tables ---------------------------------------------------------------


def test_a_table_that_is_not_observed_stays_protected(engine: Engine) -> None:
    with observing(Refund) as seen, tenant_scope(A), Session(engine) as session:
        assert session.scalars(select(Refund.id).order_by(Refund.id)).all() == [31, 32]
        assert session.scalars(select(Order.id)).all() == [1]
        assert session.scalars(select(Item.id)).all() == [11]
        with pytest.raises(UnguardedStatementError):
            session.execute(text("SELECT id FROM seen_order"))
        assert session.scalars(text("SELECT id FROM seen_refund ORDER BY id")).all() == [31, 32]
    assert told(seen) == [("seen_refund", "SELECT", "confined"), ("", "raw SQL", "refused")]


def test_a_statement_that_also_reads_a_protected_table_is_confined(engine: Engine) -> None:
    statement = select(Refund.id, Order.id).join(Order, Order.id == Refund.order_id)
    with observing(Refund) as seen, tenant_scope(A), Session(engine) as session:
        assert session.execute(statement).all() == [(31, 1)]
    assert seen.reports == []


def test_a_tied_table_whose_parent_is_protected_stays_protected(engine: Engine) -> None:
    with observing(Item), tenant_scope(A), Session(engine) as session:
        assert session.scalars(select(Item.id)).all() == [11]


def test_objects_of_a_protected_table_are_refused_as_ever(engine: Engine) -> None:
    with observing(Refund), tenant_scope(A), Session(engine) as session:
        session.add(Order(id=9, tenant_id="b", total=1))
        with pytest.raises(CrossTenantAccessError):
            session.flush()


def test_text_that_names_both_is_refused(engine: Engine) -> None:
    with observing(Refund), tenant_scope(A), Session(engine) as session:
        with pytest.raises(UnguardedStatementError):
            session.execute(text("SELECT 1 FROM seen_refund, seen_order"))
        with pytest.raises(UnguardedStatementError):
            session.connection().exec_driver_sql("SELECT 1 FROM seen_refund, seen_order")


# -- switching it on and off ------------------------------------------------------------


def test_after_stop_everything_is_protected(engine: Engine) -> None:
    with observing():
        pass
    with tenant_scope(A), Session(engine) as session:
        assert session.scalars(select(Order.id)).all() == [1]
        with pytest.raises(UnguardedStatementError):
            session.execute(text("SELECT id FROM seen_order"))


def test_it_cannot_be_called_twice() -> None:
    with observing(Refund) as seen:
        with pytest.raises(ConfigurationError, match="was called before"):
            observe()
        assert seen.tables == (Refund.__table__,)


def test_it_takes_models_and_tables_only() -> None:
    with pytest.raises(ConfigurationError, match="mapped classes and tables, not a str"):
        observe("seen_order")


def test_a_file_that_cannot_be_written_is_an_error_at_once(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="missing"):
        observe(file=tmp_path / "missing" / "reports.json")
    with observing():
        pass


def test_doctor_lists_what_is_observed() -> None:
    with observing(Order, Refund):
        found = [each.table for each in examine(Base.metadata) if each.kind == "observed"]
    assert found == ["seen_order", "seen_refund"]
    assert not any(each.kind == "observed" for each in examine(Base.metadata))
