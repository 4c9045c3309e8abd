"""What the guard would change runs as it was, and is reported."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Engine, delete, func, insert, or_, select, text, update
from sqlalchemy.orm import Session, aliased

from tenantshield_mw import (
    CrossTenantAccessError,
    UnguardedStatementError,
    system_scope,
    tenant_scope,
)

from .shop import A, Item, Order, Refund, Run, observing, told

OTHER = aliased(Order)


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
