"""A full join shows the tenant's rows of both sides, also if it is grouped by a key.

A join that is grouped by a primary key needs the tables themselves, and is confined.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import (
    Column,
    Engine,
    ForeignKey,
    Integer,
    MetaData,
    Table,
    func,
    or_,
    select,
)

from tenantshield_mw import system_scope, tenant_scope
from tenantshield_mw.adapters.sqlalchemy import tenant_aware
from tests.databases import DatabaseName, database

from ..schemas import child_table, tenant_table
from ..watching import fill
from .shop import REGION, SALE, SHOP, seed, seen

METADATA = MetaData()
SHIP = tenant_aware(tenant_table("place_ship", METADATA, Column("size", Integer)))


def tied(name: str) -> Table:
    return child_table(
        f"place_{name}",
        METADATA,
        Column("ship_id", ForeignKey("place_ship.id"), nullable=False),
        Column("size", Integer),
    )


CABIN, CARGO = tied("cabin"), tied("cargo")
Content = dict[Table, list[tuple[Any, ...]]]

OURS: Content = {
    SHIP: [(1, "acme", 5), (2, "acme", 6)],
    CABIN: [(1, 1, 5), (2, 1, 7), (3, 2, 8)],
    CARGO: [(1, 1, 5), (2, 2, 9)],
}
THEIRS: Content = {
    SHIP: [(3, "globex", 5), (4, "globex", 8)],
    # With the same sizes as this tenant's rows, so that they would match, and with others.
    CABIN: [(4, 3, 5), (5, 4, 9), (6, 4, 10)],
    CARGO: [(3, 3, 7), (4, 3, 8), (5, 4, 11)],
}


def filled(engine: Engine, *contents: Content) -> None:
    METADATA.create_all(engine)
    with system_scope("a test"), engine.begin() as connection:
        for content in contents:
            for table, rows in content.items():
                columns = [column.key for column in table.c]
                values = [dict(zip(columns, row, strict=True)) for row in rows]
                connection.execute(table.insert(), values)


@pytest.fixture(scope="module")
def engines() -> Iterator[tuple[Engine, Engine]]:
    """One with the rows of both tenants, and one with those of one alone."""
    with database("postgresql") as both, database("postgresql") as alone:
        pair = both.engine(), alone.engine()
        filled(pair[0], OURS, THEIRS)
        filled(pair[1], OURS)
        yield pair
        for engine in pair:
            engine.dispose()


def grouped(left: Any, right: Any, *, by: Any) -> Any:
    joined = left.join(right, left.c.size == right.c.size, full=True)
    return select(by.c.id, by.c.size, func.count(left.c.id), func.count(right.c.id)).select_from(
        joined
    )


QUERIES: dict[str, Callable[[], Any]] = {
    "tied and tied": lambda: grouped(CABIN, CARGO, by=CABIN).group_by(CABIN.c.id),
    "by the other": lambda: grouped(CABIN, CARGO, by=CARGO).group_by(CARGO.c.id),
    "tied and own": lambda: grouped(CABIN, SHIP, by=CABIN).group_by(CABIN.c.id),
    "own and tied": lambda: grouped(SHIP, CARGO, by=CARGO).group_by(CARGO.c.id),
    "of an alias": lambda: grouped(cabin := CABIN.alias("c"), CARGO, by=cabin).group_by(cabin.c.id),
    "with itself": lambda: grouped(CABIN, other := CABIN.alias("other"), by=other).group_by(
        other.c.id
    ),
    "with a condition": lambda: (
        grouped(CABIN, CARGO, by=CABIN).where(CARGO.c.id.is_(None)).group_by(CABIN.c.id)
    ),
    "counted once more": lambda: select(func.count()).select_from(
        grouped(CABIN, CARGO, by=CABIN).group_by(CABIN.c.id).subquery()
    ),
}


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
def test_a_full_join_grouped_by_a_key_shows_what_the_tenant_alone_would_see(
    engines: tuple[Engine, Engine], query: Callable[[], Any]
) -> None:
    guarded, alone = engines
    with tenant_scope("acme"), guarded.connect() as connection:
        seen = connection.execute(query()).all()
    with system_scope("the oracle"), alone.connect() as connection:
        expected = connection.execute(query()).all()
    assert sorted(map(repr, seen)) == sorted(map(repr, expected))
    assert seen


# -- joins that are not grouped ----------------------------------------------------


def full(left: Any, right: Any, shop_column: Any, sale_column: Any) -> Any:
    return select(shop_column, sale_column).join_from(
        left, right, left.c.id == right.c.shop_id, full=True
    )


EXPECTED_FULL = [(1, 11), (2, None), (None, 12)]


@pytest.mark.parametrize("where", ["sqlite", "postgresql"])
def test_a_full_join_shows_the_tenants_rows_of_both_sides(where: DatabaseName) -> None:
    shop, sale_ = SHOP.alias(), SALE.alias("The Sale")
    with database(where) as here:
        engine = seed(here.engine())
        assert seen(engine, full(SHOP, SALE, SHOP.c.id, SALE.c.id)) == EXPECTED_FULL
        assert seen(engine, full(shop, sale_, shop.c.id, sale_.c.id)) == EXPECTED_FULL
        assert seen(engine, full(shop, SALE, shop.c.id, SALE.c.id)) == EXPECTED_FULL
        nested = select(REGION.c.id, SHOP.c.id, SALE.c.id).select_from(
            REGION.join(
                SHOP.join(SALE, SHOP.c.id == SALE.c.shop_id, full=True),
                or_(REGION.c.id == SHOP.c.id, SHOP.c.id.is_(None)),
            )
        )
        assert seen(engine, nested) == [(1, 1, 11), (1, None, 12), (3, None, 12)]
        engine.dispose()


def test_a_full_join_of_tables_with_a_schema_is_confined() -> None:
    metadata = MetaData(schema="comp_other")
    shop = tenant_aware(tenant_table("comp_kiosk", metadata))
    sale_ = tenant_aware(tenant_table("comp_receipt", metadata, Column("shop_id", Integer)))
    with database("postgresql") as here:
        here.run("CREATE SCHEMA comp_other")
        engine = here.engine()
        metadata.create_all(engine)
        fill(
            engine,
            "INSERT INTO comp_other.comp_kiosk VALUES (1, 'acme'), (2, 'acme'), (3, 'globex')",
            "INSERT INTO comp_other.comp_receipt VALUES (11, 'acme', 1), (12, 'acme', NULL),"
            " (13, 'globex', 3), (14, 'globex', 1)",
        )
        assert seen(engine, full(shop, sale_, shop.c.id, sale_.c.id)) == EXPECTED_FULL
        filtered = full(shop, sale_, shop.c.id, sale_.c.id).where(sale_.c.id > 0)
        assert seen(engine, filtered.order_by(shop.c.id)) == [(1, 11), (None, 12)]
        engine.dispose()
