"""A statement that is refused runs only if it reaches observed tables alone."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Engine, func, literal_column, select, text, union_all, update
from sqlalchemy.orm import Session

from tenantshield_mw import UnguardedStatementError, tenant_scope

from .shop import A, Item, Order, Refund, observing

RAW: Any = literal_column("(SELECT max(id) FROM seen_refund)")
OF_OTHERS = "(SELECT max(total) FROM seen_order)"
PROTECTED: dict[str, Any] = {
    "a column": select(Refund.id, literal_column(OF_OTHERS)),
    "a condition": select(Refund.id).where(text(f"{OF_OTHERS} > 1")),
    "a quoted name": select(Refund.id).where(text(OF_OTHERS.replace("seen_order", '"seen_order"'))),
    "an order": select(Refund.id).order_by(text(OF_OTHERS)),
    "a tied table": select(Refund.id, literal_column("(SELECT max(id) FROM seen_item)")),
    "a set operation": union_all(select(RAW), select(Order.id)),
    "a subquery that comes later": select(RAW, select(func.max(Item.id)).scalar_subquery()),
    "a statement": select(Refund).from_statement(
        text(f"SELECT * FROM seen_refund WHERE {OF_OTHERS} > 1")
    ),
    "an update": update(Refund).values(order_id=literal_column(OF_OTHERS)),
    "a function": select(Refund.id, literal_column("query_to_xml('SELECT 1', true, true, '')")),
    "a setting": select(Refund.id, literal_column("set_config('tenantshield.text', 'b', true)")),
}


@pytest.mark.parametrize("name", PROTECTED)
def test_one_that_may_reach_a_protected_table_is_refused(engine: Engine, name: str) -> None:
    with (
        observing(Refund),
        tenant_scope(A),
        Session(engine) as session,
        pytest.raises(UnguardedStatementError),
    ):
        session.execute(PROTECTED[name])


@pytest.mark.parametrize("sql", [OF_OTHERS, "query_to_xml('SELECT 1', true, true, '')"])
def test_so_is_driver_sql(engine: Engine, sql: str) -> None:
    with (
        observing(Refund),
        tenant_scope(A),
        engine.connect() as connection,
        pytest.raises(UnguardedStatementError),
    ):
        connection.exec_driver_sql(f"SELECT id, {sql} FROM seen_refund")


OBSERVED: dict[str, Any] = {
    "a column": select(Refund.id, RAW).order_by(Refund.id),
    "a set operation": union_all(select(Refund.id), select(RAW)),
    "text": text("SELECT id FROM seen_refund ORDER BY id"),
}


@pytest.mark.parametrize("name", OBSERVED)
def test_one_that_reaches_observed_tables_alone_runs_as_it_was(engine: Engine, name: str) -> None:
    with observing(Refund) as seen, tenant_scope(A), Session(engine) as session:
        assert session.execute(OBSERVED[name]).scalars().all()[:2] == [31, 32]
    assert [each.effect for each in seen.reports] == ["refused"]
