"""What a statement reads is confined, in whichever form it stands in the ``FROM``."""

from __future__ import annotations

from sqlalchemy import (
    Engine,
    Integer,
    column,
    func,
    lateral,
    literal_column,
    select,
    table,
    text,
    true,
    tuple_,
    values,
)

from tests.databases import database

from .shop import REGION, SALE, SHOP, seed, seen


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


def test_a_bare_table_without_columns_is_confined(engine: Engine) -> None:
    bare = table("comp_shop")
    assert seen(engine, select(literal_column("id")).select_from(bare)) == [(1,), (2,)]
    assert seen(engine, select(func.count()).select_from(bare)) == [(2,)]
    assert seen(engine, select(text("*")).select_from(bare))[0][1] == "acme"
