"""What is outside of a subquery, or computed in it, sees this tenant's rows alone."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import (
    ARRAY,
    Connection,
    Engine,
    Integer,
    and_,
    delete,
    false,
    func,
    literal,
    or_,
    select,
    true,
    union,
    union_all,
    update,
)

from tenantshield_mw import UnguardedStatementError, tenant_scope

from ..watching import sent
from .bills import Queries, bill, cheap, engine, line, note, number, risky, seen

__all__ = ["engine"]

QUERIES = Queries()
query = QUERIES.query


@query("a condition outside of a subquery", 1)
def _(c: Connection) -> Any:
    inner = select(line).subquery()
    return select(inner.c.id).where(risky(c, inner))


@query("two subqueries deep", 1)
def _(c: Connection) -> Any:
    inner = select(select(line).subquery()).subquery()
    return select(inner.c.id).where(risky(c, inner))


@query("an alias of a subquery", 1)
def _(c: Connection) -> Any:
    inner = select(line).subquery().alias("other")
    return select(inner.c.id).where(risky(c, inner))


@query("in the ON next to a subquery", (1, 1), (2, None))
def _(c: Connection) -> Any:
    inner = select(line).subquery()
    on = and_(inner.c.bill_id == bill.c.id, risky(c, inner))
    return select(bill.c.id, inner.c.id).select_from(bill.outerjoin(inner, on))


@query("a column that is computed in a subquery", 1)
def _(c: Connection) -> Any:
    inner = select(line.c.id, number(c, line.c.price).label("price")).subquery()
    return select(inner.c.id).where(inner.c.price > 5)


@query("a column that is computed in the middle of three", 1)
def _(c: Connection) -> Any:
    inner = select(line).subquery()
    middle = select(inner.c.id, number(c, inner.c.price).label("price")).subquery()
    return select(middle.c.id).where(middle.c.price > 5)


@query("a column without a name", 1)
def _(c: Connection) -> Any:
    inner = select(line.c.id, number(c, line.c.price)).subquery()
    return select(inner.c[0]).where(inner.c[1] > 5)


@query("a grouped column", 7)
def _(c: Connection) -> Any:
    price = number(c, line.c.price).label("price")
    inner = select(price, func.count().label("n")).group_by(number(c, line.c.price)).subquery()
    return select(inner.c.price).where(inner.c.price > 5)


@query("DISTINCT", 7)
def _(c: Connection) -> Any:
    inner = select(number(c, line.c.price).label("price")).distinct().subquery()
    return select(inner.c.price).where(inner.c.price > 5)


@query("a window function", 1)
def _(c: Connection) -> Any:
    rank = func.row_number().over(partition_by=number(c, line.c.price)).label("rank")
    inner = select(line.c.id, number(c, line.c.price).label("price"), rank).subquery()
    return select(inner.c.id).where(inner.c.price > 5, inner.c.rank == 1)


@query("a CTE", 1)
def _(c: Connection) -> Any:
    inner = select(line).cte("inner_lines")
    return select(inner.c.id).where(risky(c, inner))


@query("a CTE with a computed column", 1)
def _(c: Connection) -> Any:
    inner = select(line.c.id, number(c, line.c.price).label("price")).cte("inner_lines")
    return select(inner.c.id).where(inner.c.price > 5)


@query("a CTE used twice, the first time without a condition", 1)
def _(c: Connection) -> Any:
    inner = select(line).cte("inner_lines")
    again = inner.alias("again")
    plain = select(inner.c.id).where(inner.c.id > 0)
    return select(again.c.id).where(again.c.id.in_(plain), risky(c, again))


@query("a CTE that is asked not to be materialized", 1)
def _(c: Connection) -> Any:
    inner = select(line).cte("inner_lines")
    if c.dialect.name == "postgresql":
        inner = inner.prefix_with("NOT MATERIALIZED")
    plain = select(inner.c.id)
    again = inner.alias("again")
    return select(again.c.id).where(again.c.id.in_(plain), risky(c, again))


@query("a recursive CTE", 1)
def _(c: Connection) -> Any:
    first = select(line.c.id, line.c.price).where(line.c.id == 1).cte("tree", recursive=True)
    more = select(line.c.id, line.c.price).where(line.c.id == first.c.id + 100)
    tree = first.union_all(more)
    return select(tree.c.id).where(number(c, tree.c.price) > 5)


@query("a set operation", 1)
def _(c: Connection) -> Any:
    parts = union(select(line.c.id, line.c.price), select(line.c.id, line.c.price))
    inner = parts.subquery()
    return select(inner.c.id).where(risky(c, inner))


@query("UNION ALL", 1, 1)
def _(c: Connection) -> Any:
    inner = union_all(select(line.c.id, line.c.price), select(line.c.id, line.c.price)).subquery()
    return select(inner.c.id).where(risky(c, inner))


@query("UNION ALL in a CTE that is used twice", 1, 1)
def _(c: Connection) -> Any:
    inner = union_all(select(line.c.id, line.c.price), select(line.c.id, line.c.price)).cte("both")
    again = inner.alias("again")
    return select(again.c.id).where(again.c.id.in_(select(inner.c.id)), risky(c, again))


@query("a set operation with a computed column", 1, 1)
def _(c: Connection) -> Any:
    part = select(line.c.id, number(c, line.c.price).label("price"))
    inner = union_all(part, part).subquery()
    return select(inner.c.id).where(inner.c.price > 5)


@query("a set operation as a CTE", 1)
def _(c: Connection) -> Any:
    part = select(line.c.id, number(c, line.c.price).label("price"))
    inner = union(part, part).cte("inner_lines")
    return select(inner.c.id).where(inner.c.price > 5)


@query("a set operation of a set operation", 1)
def _(c: Connection) -> Any:
    part = select(line.c.id, line.c.price)
    inner = union(part, select(union(part, part).subquery())).subquery()
    return select(inner.c.id).where(risky(c, inner))


@query("IN with a computed column", 2)
def _(c: Connection) -> Any:
    return select(bill.c.id).where(bill.c.id.in_(select(number(c, line.c.price) - 1)))


@query("IN with a grouped column", 2)
def _(c: Connection) -> Any:
    price = number(c, line.c.price) - 1
    return select(bill.c.id).where(bill.c.id.in_(select(price).group_by(price)))


@query("IN with a set operation", 2)
def _(c: Connection) -> Any:
    price = number(c, line.c.price) - 1
    return select(bill.c.id).where(bill.c.id.in_(union(select(price), select(price))))


@query("IN with a column computed from a subquery", 2)
def _(c: Connection) -> Any:
    inner = select(line).subquery()
    return select(bill.c.id).where(bill.c.id.in_(select(number(c, inner.c.price) - 1)))


@query("a scalar subquery with a computed column", (1, 7), (2, None))
def _(c: Connection) -> Any:
    price = select(number(c, line.c.price)).where(line.c.bill_id == bill.c.id, line.c.id == 1)
    return select(bill.c.id, price.scalar_subquery())


@query("HAVING on a grouped column", "7")
def _(c: Connection) -> Any:
    return select(line.c.price).group_by(line.c.price).having(number(c, line.c.price) > 5)


@query("HAVING with an aggregate beside it", "7")
def _(c: Connection) -> Any:
    condition = and_(func.count() == 1, number(c, line.c.price) > 5)
    return select(line.c.price).group_by(line.c.price).having(condition)


@query("HAVING on a subquery's column", "7")
def _(c: Connection) -> Any:
    inner = select(line).subquery()
    return select(inner.c.price).group_by(inner.c.price).having(number(c, inner.c.price) > 5)


@query("HAVING of a whole table", 2)
def _(c: Connection) -> Any:
    return select(func.count(line.c.id)).having(func.sum(line.c.divisor) / 1 > 1)


@query("a correlated scalar subquery that has many rows for another tenant's", 1, 2)
def _(c: Connection) -> Any:
    found = select(bill.c.id).where(bill.c.id >= 1, line.c.id > 400).scalar_subquery()
    return select(line.c.id).where(found.is_(None))


@query("LATERAL", 1)
def _(c: Connection) -> Any:
    if c.dialect.name != "postgresql":
        return select(line.c.id).where(risky(c))
    each = select(number(c, line.c.price).label("price")).correlate(line).lateral()
    return select(line.c.id).select_from(line.join(each, true())).where(each.c.price > 5)


@query("a condition in LATERAL", 1)
def _(c: Connection) -> Any:
    if c.dialect.name != "postgresql":
        return select(line.c.id).where(risky(c))
    each = select(bill.c.id).where(risky(c), bill.c.id == 2).correlate(line).lateral()
    return select(line.c.id).select_from(line.join(each, true()))


@query("a function in FROM", 1)
def _(c: Connection) -> Any:
    if c.dialect.name == "postgresql":
        series = func.generate_series(6, number(c, line.c.price))
        rows = series.table_valued("value").render_derived()
        return select(line.c.id).select_from(line.join(rows, rows.c.value == 6))
    if c.dialect.name == "sqlite":
        rows = func.json_each(line.c.price).table_valued("value")
        return select(line.c.id).select_from(line.join(rows, rows.c.value > 5))
    return select(line.c.id).where(risky(c))


@query("tied through a tied table, in a subquery", 1)
def _(c: Connection) -> Any:
    inner = select(note).subquery()
    return select(inner.c.id).where(number(c, inner.c.body) > 5)


@query("joined to the parent in a subquery", 1)
def _(c: Connection) -> Any:
    inner = select(line).join(bill, bill.c.id == line.c.bill_id).subquery()
    return select(inner.c.id).where(risky(c, inner))


@query("a full join in a subquery", 1)
def _(c: Connection) -> Any:
    if c.dialect.name != "postgresql":
        return select(line.c.id).where(risky(c))
    joined = line.join(bill, bill.c.id == line.c.bill_id, full=True)
    inner = select(line).select_from(joined).subquery()
    return select(inner.c.id).where(risky(c, inner))


@query("a subquery with a row lock", 1)
def _(c: Connection) -> Any:
    inner = select(line).with_for_update().subquery()
    return select(inner.c.id).where(risky(c, inner))


@query("a tenant column: a cheap condition", 1, 2)
def _(c: Connection) -> Any:
    return select(bill.c.id).where(cheap(c))


@query("a tenant column: negated and compared", 1, 2)
def _(c: Connection) -> Any:
    if c.dialect.name != "postgresql":
        return select(bill.c.id).where(cheap(c))
    return select(bill.c.id).where(~cheap(c).is_(False), cheap(c) == true(), or_(cheap(c), false()))


@query("a tenant column: in the ON of an outer join", (1, 1), (1, 2), (2, 1), (2, 2))
def _(c: Connection) -> Any:
    other = bill.alias("other")
    return select(bill.c.id, other.c.id).select_from(bill.outerjoin(other, cheap(c, other)))


@query("a tenant column: outside of a subquery", 1, 2)
def _(c: Connection) -> Any:
    inner = select(bill).subquery()
    return select(inner.c.id).where(cheap(c, inner))


@query("a tenant column: computed in a subquery", 1, 2)
def _(c: Connection) -> Any:
    inner = select(bill.c.id, cheap(c).label("ok")).subquery()
    return select(inner.c.id).where(inner.c.ok)


@query("a tenant column: a CTE", 1, 2)
def _(c: Connection) -> Any:
    inner = select(bill).cte("inner_bills")
    return select(inner.c.id).where(cheap(c, inner))


@query("a tenant column: HAVING", 1, 2)
def _(c: Connection) -> Any:
    return select(bill.c.id).group_by(bill.c.id, bill.c.name).having(cheap(c))


@pytest.mark.parametrize("name", list(QUERIES))
def test_nothing_is_evaluated_on_another_tenants_rows(engine: Engine, name: str) -> None:
    make, expected = QUERIES[name]
    assert seen(engine, make) == expected


def test_nor_by_an_update_or_delete(engine: Engine) -> None:
    with tenant_scope("acme"), engine.connect() as connection:
        inner = select(line).subquery()
        chosen = select(inner.c.id).where(risky(connection, inner))
        changed = update(line).where(line.c.id.in_(chosen)).values(divisor=3)
        if connection.dialect.name in ("postgresql", "sqlite"):
            changed = update(line).where(line.c.id == inner.c.id, risky(connection, inner))
            changed = changed.values(divisor=3)
        assert connection.execute(changed).rowcount == 1
        price = number(connection, line.c.price).label("price")
        computed = select(line.c.id, price).subquery()
        chosen = select(computed.c.id).where(computed.c.price > 5)
        gone = connection.execute(delete(note).where(note.c.line_id.in_(chosen)))
        assert gone.rowcount == 1
        connection.rollback()


def test_a_function_of_the_rows_that_are_changed_is_refused(engine: Engine) -> None:
    rows = func.json_each(line.c.price).table_valued("value")
    changed = update(line).where(rows.c.value == 7).values(divisor=3)
    with (
        tenant_scope("acme"),
        engine.connect() as connection,
        pytest.raises(UnguardedStatementError, match="each row of ev_line"),
    ):
        connection.execute(changed)


def test_a_function_of_values_is_joined_to_the_table_itself(engine: Engine) -> None:
    """The table is found by its index."""
    rows: Any
    with tenant_scope("acme"), engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            rows = (
                func.unnest([1, 401], type_=ARRAY(Integer)).table_valued("value").render_derived()
            )
        elif engine.dialect.name == "mariadb":
            rows = union_all(select(literal(1).label("value")), select(literal(401))).subquery()
        else:
            rows = func.json_each("[1, 401]").table_valued("value")
        found = select(line.c.id).join(rows, rows.c.value == line.c.id)
        with sent(engine) as statements:
            assert connection.execute(found).scalars().all() == [1]
        assert "SELECT *" not in statements[0]
        changed = update(line).where(line.c.id == rows.c.value).values(divisor=3)
        assert connection.execute(changed).rowcount == 1
        connection.rollback()
