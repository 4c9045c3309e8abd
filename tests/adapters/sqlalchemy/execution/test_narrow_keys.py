"""A key that the database would write in another form than it was looked up."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import (
    CHAR,
    BigInteger,
    Column,
    DateTime,
    Engine,
    ForeignKey,
    Integer,
    MetaData,
    Numeric,
    SmallInteger,
    String,
    Table,
    insert,
    literal,
    select,
    update,
)
from sqlalchemy.dialects import mysql, postgresql
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from tenantshield_mw import CrossTenantAccessError, UnguardedStatementError, tenant_scope
from tenantshield_mw.adapters.sqlalchemy import tenant_aware
from tests.databases import NAMES, Database, database, require
from tests.places import engine_here


class Base(DeclarativeBase):
    pass


@tenant_aware
class Node(Base):
    __tablename__ = "narrow_node"
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(String(20))
    up_id: Mapped[int | None] = mapped_column(ForeignKey("narrow_node.id"))


# Without a constraint in the database, which on MariaDB wants equal types.
metadata = MetaData()


def tables(name: str, parent_type: Any, type_: Any) -> tuple[Table, Table]:
    parent = Table(
        f"narrow_{name}",
        metadata,
        Column("code", parent_type, primary_key=True, autoincrement=False),
        Column("tenant_id", String(20), nullable=False),
    )
    child = Table(
        f"narrow_{name}_use",
        metadata,
        Column("id", Integer, primary_key=True, autoincrement=False),
        Column("tenant_id", String(20), nullable=False),
        Column("code", type_, ForeignKey(parent.c.code)),
    )
    return tenant_aware(parent), tenant_aware(child)


PRECISE = (
    DateTime()
    .with_variant(mysql.DATETIME(fsp=6), "mariadb")
    .with_variant(postgresql.TIMESTAMP(precision=6), "postgresql")
)
COARSE = (
    DateTime()
    .with_variant(mysql.DATETIME(), "mariadb")
    .with_variant(postgresql.TIMESTAMP(precision=0), "postgresql")
)
NOON = dt.datetime(2020, 1, 1, 12, 0, 0, 700000)  # noqa: DTZ001  # naive, like the column.

NARROW: dict[str, tuple[Table, Table, Any]] = {
    "text": (*tables("text", String(10), String(3)), "abc "),
    "unlimited": (*tables("unlimited", String(20), CHAR(20)), "abc "),
    "number": (*tables("number", Numeric(10, 2), Numeric(10, 0)), Decimal("400.6")),
    "whole": (*tables("whole", Numeric(10, 2), Integer), Decimal("400.6")),
    "small": (*tables("small", BigInteger, SmallInteger), 40000),
    "time": (*tables("time", PRECISE, COARSE), NOON),
}
# SQLite has one kind of whole numbers, and the types of this one are for the other databases.
KEPT_BY_SQLITE = ("small", "time")
WIDE: dict[str, tuple[Table, Table, Any]] = {
    "same": (*tables("same", String(10), String(10)), "abc "),
    "wider": (*tables("wider", String(3), String(10)), "abc"),
    "bigger": (*tables("bigger", Integer, BigInteger), 7),
    "exact": (*tables("exact", Numeric(10, 2), Numeric(10, 2)), Decimal("400.60")),
}


@pytest.fixture(scope="module", params=NAMES)
def here(request: pytest.FixtureRequest) -> Iterator[Database]:
    require(request.param)
    with database(request.param) as here:
        engine = here.engine()
        Base.metadata.create_all(engine)
        for table in metadata.sorted_tables:
            columns = [Column(each.name, each.type) for each in table.columns]
            Table(table.name, MetaData(), *columns).create(engine)
        engine.dispose()
        yield here


engine = engine_here


def ways(parent: Table, child: Table, value: Any) -> list[Any]:
    return [
        insert(child).values(id=1, code=value),
        insert(child).from_select(["id", "code"], select(literal(1), parent.c.code)),
        update(child).values(code=select(parent.c.code).limit(1).scalar_subquery()),
        update(child).values(code=value),
    ]


@pytest.mark.parametrize("name", NARROW)
def test_a_narrower_column_takes_no_other_key(engine: Engine, name: str) -> None:
    if engine.dialect.name == "sqlite" and name in KEPT_BY_SQLITE:
        pytest.skip("SQLite writes it as it is")
    parent, child, value = NARROW[name]
    for statement in ways(parent, child, value):
        with engine.connect() as connection, tenant_scope("acme"):
            connection.execute(insert(parent).values(code=value))
            with pytest.raises((CrossTenantAccessError, UnguardedStatementError)):
                connection.execute(statement)


def test_a_narrower_column_takes_what_fits(engine: Engine) -> None:
    for name, value in (("text", "abc"), ("small", 7), ("whole", 7), ("unlimited", "abc")):
        parent, child, _ = NARROW[name]
        with engine.connect() as connection, tenant_scope("acme"):
            connection.execute(insert(parent).values(code=value))
            connection.execute(insert(child).values(id=1, code=value))
            assert str(connection.scalar(select(child.c.code))).rstrip() == str(value)


@pytest.mark.parametrize("name", KEPT_BY_SQLITE)
def test_what_is_narrower_elsewhere_is_written_to_sqlite(name: str) -> None:
    parent, child, value = NARROW[name]
    with database("sqlite") as here:
        engine = here.engine()
        metadata.create_all(engine, tables=[parent, child])
        for statement in ways(parent, child, value)[:2]:
            with engine.connect() as connection, tenant_scope("acme"):
                connection.execute(insert(parent).values(code=value))
                connection.execute(statement)
                assert connection.scalar(select(child.c.code)) == value
        engine.dispose()


@pytest.mark.parametrize("name", WIDE)
def test_another_column_takes_every_key(engine: Engine, name: str) -> None:
    parent, child, value = WIDE[name]
    for statement in ways(parent, child, value):
        with engine.connect() as connection, tenant_scope("acme"):
            connection.execute(insert(parent).values(code=value))
            connection.execute(statement)


# -- a 0 that becomes the next number ----------------------------------------------


@pytest.fixture
def with_zero(here: Database, engine: Engine) -> Iterator[Engine]:
    if here.name == "mariadb":
        with here.dbapi() as connection, connection.cursor() as cursor:
            cursor.execute("SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO'")
            cursor.execute("INSERT INTO narrow_node VALUES (0, 'globex', NULL)")
    else:
        here.run("INSERT INTO narrow_node VALUES (0, 'globex', NULL)")
    yield engine
    here.run("UPDATE narrow_node SET up_id = NULL", "DELETE FROM narrow_node")


@pytest.mark.parametrize("zero", [0, "0", "00", False, 0.4])
def test_a_row_refers_to_no_other_row_0(with_zero: Engine, here: Database, zero: Any) -> None:
    rows = [{"id": zero, "up_id": None}, {"id": 7, "up_id": zero}]
    with pytest.raises(Exception), with_zero.begin() as connection, tenant_scope("acme"):  # noqa: B017, PT011  # the key exists, or is another tenant's.
        connection.execute(insert(Node), rows)
    assert here.read("SELECT id FROM narrow_node WHERE up_id IS NOT NULL") == []


def test_an_object_refers_to_no_other_row_0(with_zero: Engine, here: Database) -> None:
    with pytest.raises(Exception), tenant_scope("acme"), Session(with_zero) as session:  # noqa: B017, PT011, PT012
        session.add_all([Node(id=0), Node(id=7, up_id=0)])
        session.commit()
    assert here.read("SELECT id FROM narrow_node WHERE up_id IS NOT NULL") == []


def test_a_row_refers_to_a_new_one(engine: Engine, here: Database) -> None:
    with engine.connect() as connection, tenant_scope("acme"):
        connection.execute(insert(Node), [{"id": 5, "up_id": None}, {"id": 6, "up_id": 5}])
        assert connection.scalar(select(Node.up_id).where(Node.id == 6)) == 5
