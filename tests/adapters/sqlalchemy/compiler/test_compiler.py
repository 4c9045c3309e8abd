"""The place of the predicate, judged by the rows that are read."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Engine, or_, select, true

from .shop import REGION, SALE, SHOP, seen

# The catalogue in tests/leaks shows that nothing is read beyond these rows, and the oracle that
# none are lost, in many more forms.
READS: dict[str, tuple[Any, list[tuple[Any, ...]]]] = {
    "one table": (select(SHOP.c.id), [(1,), (2,)]),
    "an inner join": (select(SHOP.c.id, SALE.c.id).join_from(SHOP, SALE), [(1, 11)]),
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
    "a condition that is always true": (
        select(SHOP.c.id).where(or_(true(), SHOP.c.is_open)),
        [(1,), (2,)],
    ),
    "a hand-written filter on the other tenant": (
        select(SHOP.c.id).where(SHOP.c.tenant_id == "globex"),
        [],
    ),
}


@pytest.mark.parametrize("form", READS)
def test_every_read_returns_the_tenants_rows_and_loses_none(any_engine: Engine, form: str) -> None:
    statement, expected = READS[form]
    assert seen(any_engine, statement) == expected
