"""A full join that is grouped by a primary key needs the tables themselves, and is confined."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Column, Engine, ForeignKey, Integer, MetaData, String, Table, func, select

from tenantshield_mw import system_scope, tenant_scope
from tenantshield_mw.adapters.sqlalchemy import tenant_aware
from tests.databases import database

METADATA = MetaData()
SHIP = tenant_aware(
    Table(
        "place_ship",
        METADATA,
        Column("id", Integer, primary_key=True),
        Column("tenant_id", String(20)),
        Column("size", Integer),
    )
)


def tied(name: str) -> Table:
    return Table(
        f"place_{name}",
        METADATA,
        Column("id", Integer, primary_key=True),
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
