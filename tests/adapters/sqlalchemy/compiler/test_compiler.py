"""The place of the predicate, judged by the rows that are read."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Engine, and_, exists, func, or_, select, true, union_all

from .shop import ITEM, REGION, SALE, SHOP, seen

# -- SELECT ----------------------------------------------------------------------

sale, other = SALE.alias(), SALE.alias("other")
totals = select(SALE.c.shop_id, func.sum(SALE.c.amount).label("total")).group_by(SALE.c.shop_id)

READS: dict[str, tuple[Any, list[tuple[Any, ...]]]] = {
    "one table": (select(SHOP.c.id), [(1,), (2,)]),
    "a count": (select(func.count()).select_from(SHOP), [(2,)]),
    "an alias": (select(sale.c.id), [(11,), (12,)]),
    "a self-join": (
        select(sale.c.id, other.c.id).join_from(sale, other, sale.c.id < other.c.id),
        [(11, 12)],
    ),
    "an inner join": (select(SHOP.c.id, SALE.c.id).join_from(SHOP, SALE), [(1, 11)]),
    "a cross join": (
        select(SHOP.c.id, SALE.c.id).where(SHOP.c.id < SALE.c.id),
        [(1, 11), (1, 12), (2, 11), (2, 12)],
    ),
    "an outer join keeps its outer rows": (
        select(SHOP.c.id, SALE.c.id).outerjoin_from(SHOP, SALE),
        [(1, 11), (2, None)],
    ),
    "an outer join with a shared table on the left": (
        select(REGION.c.id, SHOP.c.id).outerjoin_from(REGION, SHOP, REGION.c.id == SHOP.c.id),
        [(1, 1), (3, None)],
    ),
    "an inner join nested on the right of an outer one": (
        select(REGION.c.id, SALE.c.id).select_from(
            REGION.outerjoin(SHOP.join(SALE), REGION.c.id == SHOP.c.id)
        ),
        [(1, 11), (3, None)],
    ),
    "an outer join onto a table tied by its key": (
        select(SALE.c.id, ITEM.c.id).outerjoin_from(SALE, ITEM),
        [(11, 111), (12, None)],
    ),
    "a tied table alone": (select(ITEM.c.id), [(111,)]),
    "a scalar subquery": (
        select(select(func.sum(SALE.c.amount)).scalar_subquery()),
        [(30,)],
    ),
    "a correlated subquery": (
        select(
            SHOP.c.id,
            select(func.count(SALE.c.id)).where(SALE.c.shop_id == SHOP.c.id).scalar_subquery(),
        ),
        [(1, 1), (2, 0)],
    ),
    "exists": (select(REGION.c.id).where(exists().where(SHOP.c.id == REGION.c.id)), [(1,)]),
    "not exists": (select(REGION.c.id).where(~exists().where(SHOP.c.id == REGION.c.id)), [(3,)]),
    "in": (select(REGION.c.id).where(REGION.c.id.in_(select(SHOP.c.id))), [(1,)]),
    "a derived table": (select(totals.subquery().c.total), [(10,), (20,)]),
    "a CTE": (select(totals.cte("t").c.total), [(10,), (20,)]),
    "a union": (union_all(select(SHOP.c.id), select(SALE.c.id)), [(1,), (11,), (12,), (2,)]),
    "having": (
        select(func.sum(SALE.c.amount)).having(func.sum(SALE.c.amount) > 100),
        [],
    ),
    "a window": (
        select(SALE.c.id, func.sum(SALE.c.amount).over()),
        [(11, 30), (12, 30)],
    ),
    "a condition with or": (
        select(SHOP.c.id).where(or_(SHOP.c.is_open, SHOP.c.id > 0)),
        [(1,), (2,)],
    ),
    "a condition that is always true": (select(SHOP.c.id).where(true()), [(1,), (2,)]),
    "an empty condition": (select(SHOP.c.id).where(and_(true())), [(1,), (2,)]),
    "a hand-written filter on the other tenant": (
        select(SHOP.c.id).where(SHOP.c.tenant_id == "globex"),
        [],
    ),
}


@pytest.mark.parametrize("form", READS)
def test_every_read_returns_the_tenants_rows_and_loses_none(any_engine: Engine, form: str) -> None:
    statement, expected = READS[form]
    assert seen(any_engine, statement) == expected
