"""Names that refer to something else than the table with tenants' rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import (
    Column,
    Engine,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    insert,
    literal,
    select,
    update,
)

from tenantshield_mw import UnguardedStatementError, tenant_scope
from tenantshield_mw.adapters.sqlalchemy import tenant_aware
from tests.databases import NAMES, DatabaseName, database, memory_engine, require

from ..schemas import child_table
from ..watching import fill, sent

METADATA = MetaData()
ORDER = tenant_aware(
    Table(
        "shade_order",
        METADATA,
        Column("id", Integer, primary_key=True),
        Column("tenant_id", String(20), nullable=False),
        Column("first_id", Integer),
    )
)
ITEM = child_table(
    "shade_item", METADATA, Column("order_id", ForeignKey("shade_order.id"), nullable=False)
)
RUSH = Table(
    "shade_rush",
    METADATA,
    Column("id", ForeignKey("shade_order.id"), primary_key=True),
    Column("label", String(20)),
)
SLOT = Table(
    "shade_slot",
    METADATA,
    Column("id", ForeignKey("shade_rush.id"), primary_key=True),
)
SEED = (
    "INSERT INTO shade_order VALUES (1, 'acme', NULL), (3, 'globex', NULL)",
    "INSERT INTO shade_item VALUES (11, 1), (13, 3)",
    "INSERT INTO shade_rush VALUES (1, 'ours'), (3, 'theirs')",
    "INSERT INTO shade_slot VALUES (1), (3)",
)


@pytest.fixture(params=NAMES)
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    name: DatabaseName = request.param
    require(name)
    with database(name) as here:
        engine = here.engine()
        METADATA.create_all(engine)
        fill(engine, *SEED)
        yield engine
        engine.dispose()


def seen(engine: Engine, statement: Any) -> list[tuple[Any, ...]]:
    with tenant_scope("acme"), engine.begin() as connection:
        return sorted(tuple(row) for row in connection.execute(statement))


def refused(engine: Engine, statement: Any) -> None:
    with (
        tenant_scope("acme"),
        engine.begin() as connection,
        sent(engine) as statements,
        pytest.raises(UnguardedStatementError, match=r"shade_\w+.* give the CTE another name"),
    ):
        connection.execute(statement)
    assert statements == []


def made_up(name: str, **options: Any) -> Any:
    """Return a CTE with one row that claims another tenant's order for acme."""
    return select(literal(3).label("id"), literal("acme").label("tenant_id")).cte(name, **options)


def tied_to_it() -> Any:
    cte = made_up("shade_order")
    return select(ITEM.c.id).join(cte, ITEM.c.order_id == cte.c.id)


def in_other_letters() -> Any:
    cte = made_up("SHADE_Order")
    return select(ITEM.c.id).join(cte, ITEM.c.order_id == cte.c.id)


def joined_to_the_table() -> Any:
    joined = ITEM.join(ORDER, ITEM.c.order_id == ORDER.c.id)
    return select(ITEM.c.id).select_from(joined).add_cte(made_up("shade_order"))


def added_after_it() -> Any:
    return select(ITEM.c.id).add_cte(made_up("shade_order"))


def in_a_subquery() -> Any:
    cte = made_up("shade_order", nesting=True)
    inner = select(ITEM.c.id).join(cte, ITEM.c.order_id == cte.c.id).subquery()
    return select(inner.c.id)


def in_another_cte() -> Any:
    cte = made_up("shade_order", nesting=True)
    inner = select(ITEM.c.id).join(cte, ITEM.c.order_id == cte.c.id).cte("inner_one")
    return select(inner.c.id)


def by_an_alias_of_the_cte() -> Any:
    other = made_up("shade_order").alias("x")
    return select(ITEM.c.id).join(other, ITEM.c.order_id == other.c.id)


def behind_what_the_guard_reads() -> Any:
    cte = made_up("shade_order")
    return select(ITEM.c.id).where(ITEM.c.order_id.in_(select(cte.c.id)))


def recursive() -> Any:
    start = made_up("shade_order", recursive=True)
    whole = start.union_all(select(start.c.id + 1, start.c.tenant_id).where(start.c.id < 3))
    return select(ITEM.c.id).join(whole, ITEM.c.order_id == whole.c.id)


@pytest.mark.parametrize(
    "statement",
    [
        tied_to_it,
        in_other_letters,
        joined_to_the_table,
        added_after_it,
        in_a_subquery,
        in_another_cte,
        by_an_alias_of_the_cte,
        behind_what_the_guard_reads,
        recursive,
    ],
)
def test_a_cte_cannot_take_the_name_of_a_tenants_table(engine: Engine, statement: Any) -> None:
    refused(engine, statement())


def test_a_cte_cannot_take_the_name_of_the_table_that_a_foreign_key_is_read_from() -> None:
    engine = memory_engine()
    chosen = select(ORDER.c.id).where(ORDER.c.id == 3).add_cte(made_up("shade_order"))
    refused(engine, insert(ITEM).values(id=99, order_id=chosen.scalar_subquery()))
    refused(engine, update(ITEM).values(order_id=chosen.scalar_subquery()))


def test_a_cte_of_any_other_name_works(engine: Engine) -> None:
    cte = select(ORDER.c.id).cte("orders")
    assert seen(engine, select(ITEM.c.id).join(cte, ITEM.c.order_id == cte.c.id)) == [(11,)]


def test_a_cte_may_be_named_like_a_table_that_the_statement_does_not_read(engine: Engine) -> None:
    assert seen(engine, select(made_up("shade_order").c.id)) == [(3,)]


def test_a_cte_may_be_named_like_a_table_that_has_a_schema() -> None:
    metadata = MetaData(schema="side")
    table = tenant_aware(
        Table("shade_far", metadata, Column("id", Integer), Column("tenant_id", String(20)))
    )
    engine = memory_engine()
    fill(
        engine,
        "ATTACH ':memory:' AS side",
        "CREATE TABLE side.shade_far (id INTEGER, tenant_id VARCHAR)",
        "INSERT INTO side.shade_far VALUES (1, 'acme'), (3, 'globex')",
    )
    assert seen(engine, select(select(table.c.id).cte("shade_far").c.id)) == [(1,)]
    # The translated schema is known only at execution.
    moved = engine.execution_options(schema_translate_map={"side": None})
    refused(moved, select(select(table.c.id).cte("shade_far").c.id))


@pytest.mark.parametrize(
    "name", ["shade_order_1", "tenantshield_parent", "Tenantshield_Parent", "anon_1"]
)
def test_an_alias_cannot_take_the_name_that_the_guard_gives_the_parent(
    engine: Engine, name: str
) -> None:
    rush = RUSH.alias(name)
    assert seen(engine, select(rush.c.label)) == [("ours",)]
    slot = SLOT.alias(name)
    assert seen(engine, select(slot.c.id)) == [(1,)]
