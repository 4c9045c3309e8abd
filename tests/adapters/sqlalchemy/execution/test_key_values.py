"""The key that is found for a value is the one that the database makes of it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import (
    BigInteger,
    Column,
    Date,
    DateTime,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Integer,
    MetaData,
    Numeric,
    SmallInteger,
    String,
    Table,
    TypeDecorator,
    bindparam,
    column,
    func,
    insert,
    literal,
    select,
    table,
    type_coerce,
    update,
)
from sqlalchemy.dialects import mysql
from sqlalchemy.orm import Session, registry

from tenantshield_mw import CrossTenantAccessError, tenant_scope
from tenantshield_mw.adapters.sqlalchemy import tenant_aware
from tests.databases import NAMES, DatabaseName, database, require

from .keyed import NUMBERS, accepted, made, refused, tables

BIG = 2**53


# -- texts ---------------------------------------------------------------------------


class Spelled(TypeDecorator[Any]):
    impl = String
    cache_ok = True


def untyped(child: Table) -> Table:
    """A MetaData that has the foreign key, and not the table that it refers to."""
    return Table(
        child.name,
        MetaData(),
        Column("id", Integer, primary_key=True),
        Column("parent_id", ForeignKey(child.name.replace("child", "parent") + ".id")),
    )


NO_TEXTS: dict[str, Callable[[Table], Any]] = {
    "a number": lambda child: insert(child).values(parent_id=42),
    "a literal": lambda child: insert(child).values(parent_id=literal(42)),
    "a float": lambda child: insert(child).values(parent_id=literal(42.0)),
    "a decimal": lambda child: insert(child).values(parent_id=literal(Decimal(42))),
    "a typed one": lambda child: insert(child).values(parent_id=bindparam("k", 42, Integer())),
    "a text as a number": lambda child: insert(child).values(
        parent_id=bindparam("k", "042", Integer())
    ),
    "a selected one": lambda child: insert(child).from_select(["parent_id"], select(literal(42))),
    "updated": lambda child: update(child).values(parent_id=func.nullif(literal(42), "")),
    "another table": lambda child: insert(untyped(child)).values(parent_id=42),
    "a bare table": lambda child: insert(table(child.name, column("parent_id"))).values(
        parent_id=42
    ),
}


@pytest.mark.parametrize("type_", [String(9), Spelled(9)], ids=["text", "decorated"])
def test_a_number_is_no_key_of_texts(type_: Any) -> None:
    parent, child = tables(type_, type_)
    with database("mariadb") as here:
        engine = made(here, parent, "'042'", "'42'")
        accepted(engine, insert(child).values(id=1, parent_id="042"))
        for kind, statement in NO_TEXTS.items():
            refused(engine, statement(child))
            assert here.read(f"SELECT parent_id FROM {child.name}") == [("042",)], kind
        engine.dispose()


def test_an_object_with_a_number_for_a_decorated_text_is_refused() -> None:
    parent, child = tables(Spelled(9), Spelled(9))
    mapped: Any = type("Mapped", (), {})
    mapping = registry()
    mapping.map_imperatively(mapped, child)
    with database("mariadb") as here:
        engine = made(here, parent, "'042'", "'42'")
        with tenant_scope("a"), Session(engine) as session:
            new = mapped()
            new.parent_id = 42
            session.add(new)
            with pytest.raises(CrossTenantAccessError):
                session.flush()
        engine.dispose()
    mapping.dispose()


# -- numbers -------------------------------------------------------------------------


ROUNDED: list[Any] = [
    float(BIG),
    literal(float(BIG)),
    literal(BIG, Float()),
    bindparam("k", float(BIG), Numeric()),
    bindparam("k", str(BIG), Float()),
    5.4,
    Decimal("5.4"),
]


@pytest.mark.parametrize(
    ("type_", "own", "others"),
    [(BigInteger(), BIG + 1, BIG), (Numeric(20), BIG, BIG - 2)],
    ids=["integer", "numeric"],
)
@pytest.mark.parametrize("where", NAMES)
def test_a_float_that_stands_for_several_keys_is_refused(
    where: DatabaseName, type_: Any, own: int, others: int
) -> None:
    require(where)
    parent, child = tables(type_, type_)
    with database(where) as here:
        engine = made(here, parent, own, others)
        for value in ROUNDED[: -1 if isinstance(type_, Numeric) else None]:
            refused(engine, insert(child).values(parent_id=value))
        refused(engine, insert(child), [{"parent_id": own}, {"parent_id": float(own)}])
        accepted(engine, insert(child).values(parent_id=own))
        assert here.read(f"SELECT parent_id FROM {child.name}") == [(own,)]
        engine.dispose()


@pytest.mark.parametrize(
    ("type_", "key", "given"),
    [
        (Integer(), 5, [5, 5.0, "5", True + 4]),
        (Numeric(10, 2), "1.50", [Decimal("1.5"), Decimal("1.50"), 1.5]),
        (Numeric(10, 2, asdecimal=False), "1.50", [1.5]),
        (Numeric(20), 5, [5, 5.0, Decimal(5)]),
        (Float(), 5, [5, 5.0]),
    ],
    ids=["integer", "numeric", "numeric as float", "long numeric", "float"],
)
@pytest.mark.parametrize("where", NAMES)
def test_a_number_that_stands_for_one_key_is_looked_up(
    where: DatabaseName, type_: Any, key: Any, given: list[Any]
) -> None:
    require(where)
    parent, child = tables(type_, type_)
    with database(where) as here:
        engine = made(here, parent, key, 7)
        for value in given:
            accepted(engine, insert(child).values(parent_id=value))
        refused(engine, insert(child).values(parent_id=7.0))
        assert here.read(f"SELECT count(*) FROM {child.name}") == [(len(given),)]
        engine.dispose()


def test_a_float_that_a_flush_gathers_proves_nothing() -> None:
    parent, child = tables(BigInteger(), BigInteger())
    mapped = type("Mapped", (), {})
    mapping = registry()
    mapping.map_imperatively(mapped, child)
    with database("postgresql") as here:
        engine = made(here, parent, BIG + 1, BIG)
        for values in ([BIG + 1, float(BIG), BIG], [BIG, float(BIG), BIG + 1]):
            with tenant_scope("a"), Session(engine) as session:
                for number, value in enumerate(values):
                    new: Any = mapped()
                    # Some have one column more, and so a statement of their own.
                    new.parent_id, new.id = value, number + 1 if number else None
                    session.add(new)
                with pytest.raises(CrossTenantAccessError):
                    session.flush()
        assert here.read(f"SELECT * FROM {child.name}") == []
        engine.dispose()
    mapping.dispose()


# -- keys of several columns -----------------------------------------------------------


@pytest.mark.parametrize(
    ("type_", "own", "others", "given"),
    [
        (BigInteger(), BIG + 1, BIG, float(BIG)),
        (BigInteger(), BIG + 1, BIG, literal(float(BIG))),
        (Numeric(10, 1), "1.4", "1", bindparam("k", Decimal("1.4"), Integer())),
        (
            DateTime(),
            "'2020-01-01 14:00'",
            "'2020-01-01 00:00'",
            bindparam("k", dt.datetime(2020, 1, 1, 14), Date()),  # noqa: DTZ001
        ),
        (String(9), "'042'", "'42'", bindparam("k", "042", Integer())),
    ],
    ids=["float", "literal", "integer", "date", "text"],
)
def test_a_key_of_several_columns_is_found_by_what_is_written(
    type_: Any, own: Any, others: Any, given: Any
) -> None:
    metadata, number = MetaData(), next(NUMBERS)
    parent = Table(
        f"valued_pair_{number}",
        metadata,
        Column("id", type_, primary_key=True, autoincrement=False),
        Column("part", Integer, primary_key=True, autoincrement=False),
        Column("tenant_id", String(20)),
    )
    child = Table(
        f"valued_pair_use_{number}",
        metadata,
        Column("id", type_),
        Column("part", Integer),
        ForeignKeyConstraint(["id", "part"], [parent.c.id, parent.c.part]),
    )
    tenant_aware(parent)
    with database("postgresql") as here:
        engine = made(here, parent, f"{own}, 1", f"{others}, 1")
        refused(engine, insert(child).values(id=given, part=1))
        (mine,) = here.read(f"SELECT id FROM {parent.name} WHERE tenant_id = 'a'")
        accepted(engine, insert(child).values(id=mine[0], part=1))
        accepted(engine, insert(child), [{"id": mine[0], "part": 1} for _ in range(3)])
        engine.dispose()


# -- conversions ----------------------------------------------------------------------


class Shifted(TypeDecorator[int]):
    """Writes a number plus one, and reads it unchanged."""

    impl = Integer
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        return value and value + 1


class ShiftedInDatabase(TypeDecorator[int]):
    impl = Integer
    cache_ok = True

    def bind_expression(self, bindparam: Any) -> Any:
        return type_coerce(bindparam, Integer) + 1


@pytest.mark.parametrize("type_", [Shifted(), ShiftedInDatabase()], ids=lambda each: repr(each))
def test_a_value_is_not_found_by_what_another_one_is_stored_as(type_: Any) -> None:
    parent, child = tables(Integer(), type_)
    with database("sqlite") as here:
        engine = made(here, parent, 3, 4)
        for values in ([2, 3], [3, 2]):
            refused(engine, insert(child), [{"parent_id": each} for each in values])
        accepted(engine, insert(child), [{"parent_id": 2}, {"parent_id": 2}])
        assert here.read(f"SELECT parent_id FROM {child.name}") == [(3,), (3,)]
        engine.dispose()


class Hundreds(TypeDecorator[int]):
    impl = Integer
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        return value and value * 100


@pytest.mark.parametrize(
    ("type_", "given"),
    [(SmallInteger(), literal(400, Hundreds())), (Hundreds(), literal(40_000, Integer()))],
    ids=["by the value", "by the column"],
)
def test_whether_a_value_fits_is_told_of_what_is_sent(type_: Any, given: Any) -> None:
    """On a MariaDB that is not strict, which clips numbers."""
    parent, child = tables(Integer(), type_)
    with database("mariadb") as here:
        engine = here.engine(connect_args={"sql_mode": ""})
        parent.create(engine)
        here.run(f"CREATE TABLE {child.name} (id int, parent_id smallint)")
        here.run(f"INSERT INTO {parent.name} VALUES (40000, 'a'), (32767, 'b'), (300, 'a')")
        narrow = isinstance(type_, SmallInteger)
        statement = insert(child).values(id=1, parent_id=given)
        selected = insert(child).from_select(["id", "parent_id"], select(literal(1), given))
        for each in (statement, selected) if narrow else ():
            refused(engine, each)
        accepted(engine, insert(child).values(id=2, parent_id=300 if narrow else 3))
        assert here.read(f"SELECT parent_id FROM {child.name}") == [(300,)]
        engine.dispose()


def test_a_key_that_the_columns_enumeration_lacks_is_refused() -> None:
    parent, child = tables(mysql.ENUM("2", "b"), mysql.ENUM("a", "b"))
    with database("mariadb") as here:
        engine = here.engine()
        parent.create(engine)
        here.run(f"CREATE TABLE {child.name} (id int, parent_id enum('a','b'))")
        here.run(f"INSERT INTO {parent.name} VALUES ('2', 'a'), ('b', 'b')")
        refused(engine, insert(child).values(id=1, parent_id="2"))
        assert here.read(f"SELECT * FROM {child.name}") == []
        engine.dispose()
