"""In report mode statements run as they were, and are reported."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from sqlalchemy import Engine, select, text
from sqlalchemy.orm import Session

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
from tests.policy_database import policy_database

from .shop import A, Base, Item, Order, Refund, observing, told


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


def test_an_engine_that_enforces_policies_is_not_observed() -> None:
    refused = pytest.raises(ConfigurationError, match=r"either rls\.enforce\(\)")
    with policy_database() as here, observing(), tenant_scope(A), refused:
        engine = here.engine()
        try:
            with Session(engine) as session:
                session.execute(select(Order.id))
        finally:
            engine.dispose()
