"""A condition that fails on another tenant's row reveals nothing, and hides no own rows."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import (
    Connection,
    Engine,
    and_,
    case,
    delete,
    exists,
    literal,
    or_,
    select,
    text,
    update,
)

from tenantshield_mw import tenant_scope

from .bills import Queries, bill, engine, line, note, risky, seen

__all__ = ["engine"]

QUERIES = Queries()
query = QUERIES.query


@query("a condition on the table", 1)
def _(c: Connection) -> Any:
    return select(line.c.id).where(risky(c))


@query("an alias", 1)
def _(c: Connection) -> Any:
    each = line.alias("l")
    return select(each.c.id).where(risky(c, each))


@query("together with another one by and_()", 1)
def _(c: Connection) -> Any:
    return select(line.c.id).where(and_(line.c.id < 500, risky(c)))


@query("by or_()", 1, 2)
def _(c: Connection) -> Any:
    return select(line.c.id).where(or_(line.c.divisor == 1, risky(c)))


@query("joined to the parent", 1)
def _(c: Connection) -> Any:
    return select(line.c.id).join(bill, bill.c.id == line.c.bill_id).where(risky(c))


@query("joined to the parent, in the ON", 1)
def _(c: Connection) -> Any:
    return select(line.c.id).select_from(
        bill.join(line, and_(risky(c), bill.c.id == line.c.bill_id))
    )


@query("on the nullable side of an outer join, in the ON", (1, 1), (2, None))
def _(c: Connection) -> Any:
    return select(bill.c.id, line.c.id).select_from(
        bill.outerjoin(line, and_(bill.c.id == line.c.bill_id, risky(c)))
    )


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


@query("a comma instead of a join", 1)
def _(c: Connection) -> Any:
    return select(line.c.id).where(line.c.bill_id == bill.c.id, risky(c))


@query("tied through a tied table", 1)
def _(c: Connection) -> Any:
    return select(note.c.id).join(line, line.c.id == note.c.line_id).where(risky(c), note.c.id > 0)


@query("in a correlated subquery", 1)
def _(c: Connection) -> Any:
    return select(line.c.id).where(exists(select(bill.c.id).where(risky(c)).correlate(line)))


@query("as raw SQL", 1)
def _(c: Connection) -> Any:
    raw = "CAST(price AS INTEGER) > 5"
    if c.dialect.name == "sqlite":
        raw = "json_extract(price, '$') > 5"
    if c.dialect.name in ("mysql", "mariadb"):
        raw = "CAST(price AS UNSIGNED) * 2 > 10"
    return select(line.c.id).where(text(raw))


@query("by a division", 1, 2)
def _(c: Connection) -> Any:
    return select(line.c.id).where(literal(10) / line.c.divisor > 1)


@query("with LIMIT, in a subquery", 1)
def _(c: Connection) -> Any:
    inner = select(line.c.id, line.c.price).where(risky(c)).limit(5).subquery()
    return select(inner.c.id)


@query("in a CTE", 1)
def _(c: Connection) -> Any:
    inner = select(line.c.id).where(risky(c)).cte("risky")
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


def test_nor_does_one_in_an_update_or_delete(engine: Engine) -> None:
    with tenant_scope("acme"), engine.connect() as connection:
        changed = connection.execute(update(line).where(risky(connection)).values(divisor=3))
        assert changed.rowcount == 1
        lines = select(line.c.id).where(risky(connection))
        gone = connection.execute(delete(note).where(note.c.line_id.in_(lines)))
        assert gone.rowcount == 1
        connection.rollback()
