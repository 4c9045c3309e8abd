"""The place of the predicate, judged by the rows that are read."""

from __future__ import annotations

import sys
from typing import Any

import pytest
import sqlalchemy
from sqlalchemy import (
    Engine,
    Integer,
    and_,
    column,
    exists,
    func,
    lateral,
    literal_column,
    or_,
    select,
    table,
    text,
    true,
    tuple_,
    union_all,
    update,
    values,
)
from sqlalchemy.exc import ObjectNotExecutableError

from tenantshield_mw import MissingTenantContextError, system_scope, tenant_scope
from tests.databases import database
from tests.tstrings import Interpolated, tstring, written

from ..watching import rows
from .shop import ITEM, REGION, SALE, SHOP, refused, seed, seen

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


def test_a_lateral_subquery_is_confined() -> None:
    inner = select(SALE.c.id.label("id")).where(SALE.c.shop_id == REGION.c.id)
    per_region = lateral(inner, "per_region")
    statement = select(REGION.c.id, per_region.c.id).outerjoin_from(REGION, per_region, true())
    with database("postgresql") as here:
        engine = seed(here.engine())
        assert seen(engine, statement) == [(1, 11), (3, None)]
        engine.dispose()


def test_for_update_and_tablesample_are_confined() -> None:
    with database("postgresql") as here:
        engine = seed(here.engine())
        assert seen(engine, select(SHOP.c.id).with_for_update()) == [(1,), (2,)]
        sampled = SHOP.tablesample(100)
        assert seen(engine, select(sampled.c.id)) == [(1,), (2,)]
        assert seen(engine, select(SHOP).group_by(SHOP.c.id).with_only_columns(SHOP.c.name)) == [
            ("a1",),
            ("a2",),
        ]
        engine.dispose()


def test_a_recursive_cte_is_confined_in_both_parts(any_engine: Engine) -> None:
    walk = (
        select(SALE.c.id.label("id"), SALE.c.shop_id)
        .where(SALE.c.id == 11)
        .cte("walk", recursive=True)
    )
    walk = walk.union(select(SALE.c.id, SALE.c.shop_id).where(SALE.c.shop_id == walk.c.shop_id))
    # Sale 15 is the other tenant's, but refers to this tenant's shop.
    assert seen(any_engine, select(walk.c.id)) == [(11,)]


def test_values_and_tuples_beside_a_tenants_table_work(any_engine: Engine) -> None:
    if any_engine.dialect.name == "postgresql":
        wanted = values(column("id", Integer), name="wanted").data([(1,), (3,)])
        statement = select(SHOP.c.id).join_from(SHOP, wanted, SHOP.c.id == wanted.c.id)
        assert seen(any_engine, statement) == [(1,)]
    pairs = select(SHOP.c.id).where(tuple_(SHOP.c.id, SHOP.c.name).in_([(1, "a1"), (3, "g3")]))
    assert seen(any_engine, pairs) == [(1,)]


# -- stored, compiled and new forms ----------------------------------------------


def test_a_statement_compiled_beforehand_is_confined_or_not_executable(engine: Engine) -> None:
    before: Any = select(SHOP.c.id).compile(engine)
    with tenant_scope("acme"), engine.connect() as connection:
        try:
            assert sorted(connection.execute(before).scalars()) == [1, 2]
        except ObjectNotExecutableError:
            assert sqlalchemy.__version__ >= "2.1"
    with (
        engine.connect() as connection,
        pytest.raises((MissingTenantContextError, ObjectNotExecutableError)),
    ):
        connection.execute(before)


def test_a_statement_compiled_in_the_system_scope_is_confined_outside(engine: Engine) -> None:
    with system_scope("prepare a statement"):
        before: Any = update(SHOP).values(name="hit").compile(engine)
    with tenant_scope("acme"), engine.begin() as connection:
        try:
            assert connection.execute(before, {"name": "hit"}).rowcount == 2
        except ObjectNotExecutableError:
            assert sqlalchemy.__version__ >= "2.1"
    assert rows(engine, "SELECT id FROM comp_shop WHERE name = 'hit' AND id > 2") == []


def test_a_statement_compiled_with_literals_is_confined_when_it_is_executed(
    engine: Engine,
) -> None:
    literal_sql = str(select(SHOP.c.id).compile(engine, compile_kwargs={"literal_binds": True}))
    refused(engine, text(literal_sql), match="comp_shop")


def test_a_bare_table_without_columns_is_confined(engine: Engine) -> None:
    bare = table("comp_shop")
    assert seen(engine, select(literal_column("id")).select_from(bare)) == [(1,), (2,)]
    assert seen(engine, select(func.count()).select_from(bare)) == [(2,)]
    assert seen(engine, select(text("*")).select_from(bare))[0][1] == "acme"


needs_21 = pytest.mark.skipif(
    not hasattr(sqlalchemy, "tstring"), reason="SQLAlchemy has had this since 2.1"
)


@needs_21
def test_a_template_string_that_names_the_table_is_refused(engine: Engine) -> None:
    refused(engine, tstring("SELECT id FROM comp_shop"))
    refused(engine, tstring("SELECT id FROM ", Interpolated(SHOP)))
    refused(engine, tstring("SELECT ", Interpolated(SHOP.c.id), " FROM ", Interpolated(SHOP)))


@needs_21
@pytest.mark.skipif(sys.version_info < (3, 14), reason="Python has had this since 3.14")
def test_a_template_string_that_python_made_is_treated_alike(engine: Engine) -> None:
    refused(engine, written("SELECT id FROM {shop}", shop=SHOP))
    inner = select(func.count()).select_from(SHOP).scalar_subquery()
    assert seen(engine, written("SELECT {inner}", inner=inner)) == [(2,)]
    region = written("SELECT id FROM comp_region WHERE id = {number}", number=3)
    assert seen(engine, region) == [(3,)]


@needs_21
def test_a_template_string_with_a_guarded_subquery_is_confined(engine: Engine) -> None:
    inner = select(func.count()).select_from(SHOP).scalar_subquery()
    assert seen(engine, tstring("SELECT ", Interpolated(inner))) == [(2,)]


@needs_21
def test_a_template_string_cannot_widen_a_statement(engine: Engine) -> None:
    widening = tstring("1 = ", Interpolated(1), " OR 1 = 1")
    assert seen(engine, select(SHOP.c.id).where(widening)) == [(1,), (2,)]
    refused(engine, select(SHOP.c.id).where(tstring("1 = 1) OR (1 = 1")))


@needs_21
def test_a_template_string_on_shared_tables_works(engine: Engine) -> None:
    statement = tstring("SELECT id FROM comp_region WHERE id = ", Interpolated(3))
    assert seen(engine, statement) == [(3,)]


@needs_21
@pytest.mark.parametrize("kind", ["CreateTableAs", "CreateView"])
def test_a_stored_query_on_a_tenants_table_is_refused(engine: Engine, kind: str) -> None:
    make: Any = getattr(sqlalchemy, kind)
    refused(engine, make(select(SHOP.c.id), f"comp_stored_{kind.lower()}"))
    refused(engine, make(select(REGION.c.id).where(text("1 IN (SELECT id FROM comp_shop)")), "x"))
    assert rows(engine, "SELECT name FROM sqlite_master WHERE name LIKE 'comp_stored%'") == []


@needs_21
@pytest.mark.parametrize("kind", ["CreateTableAs", "CreateView"])
def test_a_stored_query_works_on_shared_tables_and_in_the_system_scope(
    engine: Engine, kind: str
) -> None:
    make: Any = getattr(sqlalchemy, kind)
    name = f"comp_kept_{kind.lower()}"
    with tenant_scope("acme"), engine.begin() as connection:
        connection.execute(make(select(REGION.c.id), f"{name}_shared"))
    with system_scope("a report over all tenants"), engine.begin() as connection:
        connection.execute(make(select(SHOP.c.id), f"{name}_all"))
    assert len(rows(engine, f"SELECT id FROM {name}_shared")) == 2
    assert len(rows(engine, f"SELECT id FROM {name}_all")) == 4


def test_literal_binds_at_execution_cannot_fix_a_tenant(engine: Engine) -> None:
    compiled = select(SHOP.c.id).compile(engine, compile_kwargs={"literal_binds": True})
    assert "acme" not in str(compiled)
