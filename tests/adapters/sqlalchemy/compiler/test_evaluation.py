"""A condition that fails on another tenant's row hides no own rows.

That it reveals nothing, wherever it stands, is shown by the attacks of
``tests/leaks/paths/evaluated.py``.
"""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import (
    Connection,
    Engine,
    case,
    literal,
    or_,
    select,
)

from .bills import Queries, bill, engine, line, risky, seen

__all__ = ["engine"]

QUERIES = Queries()
query = QUERIES.query


@query("on the nullable side of an outer join, in the WHERE", (1, 1))
def _(c: Connection) -> Any:
    return (
        select(bill.c.id, line.c.id)
        .select_from(bill.outerjoin(line, bill.c.id == line.c.bill_id))
        .where(risky(c))
    )


@query("rows without a partner are seen by a condition that could fail", (2, None))
def _(c: Connection) -> Any:
    return (
        select(bill.c.id, line.c.id)
        .select_from(bill.outerjoin(line, bill.c.id == line.c.bill_id))
        .where(or_(line.c.id.is_(None), case((risky(c), 1), else_=0) == 7))
    )


@query("by a division", 1, 2)
def _(c: Connection) -> Any:
    return select(line.c.id).where(literal(10) / line.c.divisor > 1)


@query("with LIMIT, in a subquery", 1)
def _(c: Connection) -> Any:
    inner = select(line.c.id, line.c.price).where(risky(c)).limit(5).subquery()
    return select(inner.c.id)


@query("a full join", 1)
def _(c: Connection) -> Any:
    if c.dialect.name != "postgresql":
        return select(line.c.id).where(risky(c))
    joined = line.outerjoin(bill, bill.c.id == line.c.bill_id, full=True)
    return select(line.c.id).select_from(joined).where(risky(c))


@pytest.mark.parametrize("name", list(QUERIES))
def test_a_condition_that_could_fail_sees_this_tenants_rows_alone(
    engine: Engine, name: str
) -> None:
    make, expected = QUERIES[name]
    assert seen(engine, make) == expected
