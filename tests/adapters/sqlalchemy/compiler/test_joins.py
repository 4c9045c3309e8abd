"""A tied table that is joined to its parent needs no predicate of its own; others get one."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Engine, func, or_, select

from tenantshield_mw import tenant_scope

from ..watching import fill, sent
from .shop import ITEM, REGION, SALE, SHOP

parent = SALE.alias("parent")
child = ITEM.alias("child")
BY_KEY = ITEM.c.sale_id == SALE.c.id
apart = select(SALE.c.id).subquery()

OURS, LEFT = [(111,)], [(111,), (None,)]

PROVEN: dict[str, tuple[Any, Any]] = {
    "an inner join": (select(ITEM.c.id).join(SALE, BY_KEY), OURS),
    "the other way round": (select(ITEM.c.id).select_from(SALE).join(ITEM, BY_KEY), OURS),
    "with a further condition": (select(ITEM.c.id).join(SALE, BY_KEY & (SALE.c.id > 1)), OURS),
    "in the WHERE": (select(ITEM.c.id).where(BY_KEY, SALE.c.amount > 0), OURS),
    "aliases": (select(child.c.id).join(parent, parent.c.id == child.c.sale_id), OURS),
    "on the nullable side": (select(ITEM.c.id).select_from(SALE).outerjoin(ITEM, BY_KEY), LEFT),
    "in a longer join": (
        select(ITEM.c.id).select_from(SHOP).join(SALE, SALE.c.shop_id == SHOP.c.id).join(ITEM),
        OURS,
    ),
}
ALONE: dict[str, tuple[Any, Any]] = {
    "no join": (select(ITEM.c.id), OURS),
    "the parent on the nullable side": (select(ITEM.c.id).outerjoin(SALE, BY_KEY), OURS),
    "an alternative": (select(ITEM.c.id).join(SALE, or_(BY_KEY, SALE.c.id > 0)), OURS * 2),
    "not an equality": (select(ITEM.c.id).join(SALE, ITEM.c.sale_id <= SALE.c.id), OURS * 2),
    "another column": (select(ITEM.c.id).join(SALE, ITEM.c.id != SALE.c.id), OURS * 2),
    "an expression": (select(ITEM.c.id).join(SALE, func.abs(ITEM.c.sale_id) == SALE.c.id), OURS),
    "a subquery": (select(ITEM.c.id).join(apart, ITEM.c.sale_id == apart.c.id), OURS),
    "another table": (select(ITEM.c.id).join(REGION, REGION.c.id < ITEM.c.id), OURS * 2),
    "another alias": (
        select(child.c.id).join(ITEM, ITEM.c.id == child.c.id).join(SALE, BY_KEY),
        OURS,
    ),
}


def rows_and_predicates(engine: Engine, statement: Any) -> tuple[list[Any], int]:
    with tenant_scope("acme"), engine.connect() as connection, sent(engine) as statements:
        found = [tuple(row) for row in connection.execute(statement)]
    return sorted(found, key=repr), statements[-1].count("EXISTS")


@pytest.fixture
def without_strays(any_engine: Engine) -> Engine:
    """The shops, without the other tenant's sale to this tenant's shop."""
    fill(any_engine, "DELETE FROM comp_sale WHERE id = 15")
    return any_engine


@pytest.mark.parametrize("form", PROVEN)
def test_a_join_by_the_key_proves_whose_row_it_is(without_strays: Engine, form: str) -> None:
    statement, expected = PROVEN[form]
    assert rows_and_predicates(without_strays, statement) == (expected, 0)


@pytest.mark.parametrize("form", ALONE)
def test_anything_else_proves_nothing(without_strays: Engine, form: str) -> None:
    statement, expected = ALONE[form]
    found, predicates = rows_and_predicates(without_strays, statement)
    assert found == expected
    assert predicates
