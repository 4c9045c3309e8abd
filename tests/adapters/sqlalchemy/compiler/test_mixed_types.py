"""A key in an expression with other values, which the database gives one type."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import (
    BigInteger,
    Column,
    Engine,
    Float,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    bindparam,
    case,
    column,
    func,
    insert,
    literal,
    null,
    select,
    table,
    true,
    union_all,
    update,
)
from sqlalchemy.types import NullType

from tenantshield_mw import TenantShieldError, UnguardedStatementError, tenant_scope
from tenantshield_mw.adapters.sqlalchemy import tenant_aware
from tests.databases import Database, database, require
from tests.places import engine_here

BIG = 2**53

METADATA = MetaData()
PARENT = tenant_aware(
    Table(
        "mixed_parent",
        METADATA,
        Column("id", BigInteger, primary_key=True, autoincrement=False),
        Column("tenant_id", String(20)),
    )
)
CHILD = tenant_aware(
    Table(
        "mixed_child",
        METADATA,
        Column("id", Integer, primary_key=True, autoincrement=False),
        Column("tenant_id", String(20)),
        Column("parent_id", ForeignKey("mixed_parent.id"), server_default=str(BIG)),
        # Where the database has no constraint.
        Column("rough_id", Float),
    )
)
ROUGH = tenant_aware(
    Table(
        "mixed_child",
        MetaData(),
        Column("id", Integer, primary_key=True, autoincrement=False),
        Column("tenant_id", String(20)),
        Column("rough_id", Float, ForeignKey("mixed_parent.id")),
    )
)


@pytest.fixture(scope="module", params=["postgresql", "mariadb"])
def here(request: pytest.FixtureRequest) -> Iterator[Database]:
    require(request.param)
    with database(request.param) as here:
        engine = here.engine()
        METADATA.create_all(engine)
        engine.dispose()
        here.run(
            f"INSERT INTO mixed_parent VALUES ({BIG + 1}, 'a'), ({BIG}, 'b'), (5, 'a')",
            "INSERT INTO mixed_child VALUES (1, 'a', NULL, NULL), (2, 'a', 5, NULL)",
        )
        yield here


engine = engine_here

KEY = select(PARENT.c.id).where(PARENT.c.id > 5).scalar_subquery()
OTHER = CHILD.alias()
BARE = table("mixed_child", column("id"), column("rough_id"))

MIXED: dict[str, Any] = {
    "coalesce": func.coalesce(KEY, 5.0),
    "nested": func.coalesce(null(), case((true(), func.coalesce(KEY, 5.0)))),
    "case": case((true(), KEY), else_=5.0),
    "an integer that is a float": func.coalesce(KEY, bindparam("k", 5.0, Integer())),
    "a float without a type": func.coalesce(KEY, bindparam("k", 5.0, NullType())),
    "a typed float": func.coalesce(KEY, bindparam("k", 5, Float())),
    "nullif": func.nullif(KEY, 5.0),
    "nullif of a function": func.nullif(KEY, func.sqrt(2)),
    "nullif without a type": func.nullif(KEY, bindparam("k", 5.0, NullType())),
    "union": union_all(
        select(PARENT.c.id).where(PARENT.c.id > 5), select(literal(5.0)).where(literal(1) == 2)
    ).scalar_subquery(),
    "a column": select(func.coalesce(PARENT.c.id, CHILD.c.rough_id))
    .where(PARENT.c.id > 5, CHILD.c.id == 1)
    .scalar_subquery(),
    "a column of another MetaData": select(func.coalesce(PARENT.c.id, ROUGH.c.rough_id))
    .where(PARENT.c.id > 5, ROUGH.c.id == 1)
    .scalar_subquery(),
    "a column without a type": select(func.coalesce(PARENT.c.id, BARE.c.rough_id))
    .where(PARENT.c.id > 5, BARE.c.id == 1)
    .scalar_subquery(),
}

ALIKE: dict[str, Any] = {
    "coalesce": func.coalesce(KEY, 5),
    "case": case((true(), KEY), else_=Decimal(5)),
    "without a type": func.coalesce(KEY, bindparam("k", 5, NullType())),
    "null": func.coalesce(null(), KEY),
    "nullif": func.nullif(KEY, 5),
    "a foreign key": select(func.coalesce(PARENT.c.id, OTHER.c.parent_id))
    .join(OTHER, OTHER.c.id == 2)
    .where(PARENT.c.id > 5)
    .scalar_subquery(),
    "union": union_all(
        select(PARENT.c.id).where(PARENT.c.id > 5), select(literal(5)).where(literal(1) == 2)
    ).scalar_subquery(),
}


def written(engine: Engine, statement: Any) -> list[Any]:
    with tenant_scope("a"), engine.connect() as connection:
        connection.execute(statement)
        return list(connection.scalars(select(CHILD.c.parent_id).where(CHILD.c.id.in_([1, 9]))))


def statements(value: Any) -> list[Any]:
    return [
        update(CHILD).where(CHILD.c.id == 1).values(parent_id=value),
        insert(CHILD).values(id=9, parent_id=value),
        insert(CHILD).from_select(["id", "parent_id"], select(literal(9), value)),
    ]


@pytest.mark.parametrize("kind", MIXED)
def test_a_key_beside_a_value_of_another_type_is_refused(engine: Engine, kind: str) -> None:
    for statement in statements(MIXED[kind]):
        with pytest.raises(TenantShieldError):
            written(engine, statement)


@pytest.mark.parametrize("kind", ALIKE)
def test_a_key_beside_a_value_of_its_type_is_written_as_it_is(engine: Engine, kind: str) -> None:
    # MariaDB cannot read the table that it updates.
    cannot = kind == "a foreign key" and engine.dialect.name == "mariadb"
    for statement in statements(ALIKE[kind])[cannot:]:
        assert BIG + 1 in written(engine, statement)


# -- the new row ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        CHILD.c.parent_id,
        func.coalesce(CHILD.c.parent_id, 5),
        case((true(), CHILD.c.parent_id)),
        PARENT.c.id,
    ],
    ids=str,
)
def test_a_column_in_values_is_no_stored_one(engine: Engine, value: Any) -> None:
    for statement in (
        insert(CHILD).values(id=9, parent_id=value),
        insert(CHILD).values([{"id": 9, "parent_id": 5}, {"id": 10, "parent_id": value}]),
    ):
        with pytest.raises(UnguardedStatementError):
            written(engine, statement)


def test_a_column_of_a_stored_row_is_read_in_values(engine: Engine) -> None:
    stored = select(CHILD.c.parent_id).where(CHILD.c.id == 2).scalar_subquery()
    assert 5 in written(engine, insert(CHILD).values(id=9, parent_id=stored))
    copied = select(literal(9), CHILD.c.parent_id).where(CHILD.c.id == 2)
    assert 5 in written(engine, insert(CHILD).from_select(["id", "parent_id"], copied))
    assert written(engine, update(CHILD).values(parent_id=CHILD.c.parent_id)) == [None]
