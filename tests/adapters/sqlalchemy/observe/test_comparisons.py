"""A statement that compares the tenant itself is not reported."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine, delete, exists, insert, literal, select, text, update
from sqlalchemy.orm import Session, joinedload, selectinload

from tenantshield_mw import tenant_scope

from .shop import A, Country, Item, Order, Refund, Run, observing, told

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
