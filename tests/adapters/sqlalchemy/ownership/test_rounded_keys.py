"""Keys and tenants that a database would round, cut or spell differently, in the database."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import (
    CHAR,
    BigInteger,
    Column,
    Date,
    DateTime,
    Engine,
    Enum,
    ForeignKey,
    Integer,
    Interval,
    LargeBinary,
    MetaData,
    Numeric,
    SmallInteger,
    String,
    Table,
    Text,
    TypeDecorator,
    Uuid,
    insert,
    literal,
    select,
    update,
)
from sqlalchemy.dialects import mysql
from sqlalchemy.types import UserDefinedType

from tenantshield_mw import CrossTenantAccessError, TenantShieldError, tenant_scope
from tenantshield_mw.adapters.sqlalchemy import tenant_aware
from tests.databases import NAMES, Database, DatabaseName, database

pytestmark = pytest.mark.usefixtures("declared_for_a_test")


class Amount(UserDefinedType[Any]):
    cache_ok = True

    def __init__(self, digits: int) -> None:
        self.digits = digits

    def get_col_spec(self, **_: Any) -> str:
        return f"numeric(10, {self.digits})"


class Small(TypeDecorator[int]):
    """A number that every database has as a smaller one."""

    impl = Integer
    cache_ok = True

    def load_dialect_impl(self, dialect: Any) -> Any:
        return dialect.type_descriptor(SmallInteger())


def tables(theirs: Any, ours: Any) -> tuple[Table, Table]:
    metadata = MetaData()
    parent = Table(
        "rounded_parent",
        metadata,
        Column("code", theirs, primary_key=True, autoincrement=False),
        Column("tenant_id", String(20), nullable=False),
    )
    child = Table(
        "rounded_child",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("code", ours, ForeignKey(parent.c.code)),
    )
    tenant_aware(parent)
    return parent, child


WRITES: dict[str, Callable[[Table, Table, Any], Any]] = {
    "insert": lambda parent, child, key: insert(child).values(id=2, code=key),
    "insert from select": lambda parent, child, key: insert(child).from_select(
        ["id", "code"], select(literal(2), parent.c.code)
    ),
    "update": lambda parent, child, key: update(child).values(code=key),
    "update by a subquery": lambda parent, child, key: update(child).values(
        code=select(parent.c.code).scalar_subquery()
    ),
}


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize(
    ("theirs", "ours", "own", "other"),
    [
        (Interval(), Interval(second_precision=0), timedelta(seconds=1.4), timedelta(seconds=1)),
        (Amount(1), Amount(0), Decimal("1.4"), Decimal(1)),
    ],
    ids=["interval", "type of the application"],
)
def test_a_key_that_would_be_rounded_to_another_tenants_is_refused(
    theirs: Any, ours: Any, own: Any, other: Any, write: str
) -> None:
    parent, child = tables(theirs, ours)
    with database("postgresql") as here:
        engine = here.engine()
        parent.metadata.create_all(engine)
        for tenant, key in (("a", own), ("b", other)):
            with tenant_scope(tenant), engine.begin() as connection:
                connection.execute(insert(parent).values(code=key))
        with tenant_scope("b"), engine.begin() as connection:
            connection.execute(insert(parent).values(code=own + own))
        here.run("INSERT INTO rounded_child VALUES (1, NULL)")
        statement = WRITES[write](parent, child, own)
        with tenant_scope("a"), pytest.raises(TenantShieldError), engine.begin() as connection:
            connection.execute(statement)
        assert here.read("SELECT * FROM rounded_child") == [(1, None)]
        engine.dispose()


# -- a MariaDB that is not strict ---------------------------------------------------------


def careless(here: Database) -> Engine:
    return here.engine(connect_args={"sql_mode": ""})


@pytest.mark.parametrize(
    ("type_", "mine"),
    [
        (mysql.VARCHAR(20, charset="latin1"), "a\u0142"),
        (String(20, collation="latin1_bin"), "a\u0142"),
        (mysql.VARCHAR(20, charset="utf8mb3"), "a\U0001f600"),
        (mysql.TINYTEXT(), "\u0142" * 200),
    ],
    ids=str,
)
def test_a_tenant_that_would_be_spelt_like_another_is_refused(type_: Any, mine: str) -> None:
    notes = Table(
        "spelt_note",
        MetaData(),
        Column("id", Integer, primary_key=True),
        Column("tenant_id", type_, nullable=False),
        Column("text", Text),
    )
    tenant_aware(notes)
    with database("mariadb") as here:
        engine = careless(here)
        notes.metadata.create_all(engine)
        refused = pytest.raises(TenantShieldError)
        with tenant_scope(mine), refused, engine.begin() as connection:
            connection.execute(insert(notes).values(id=1, text="mine"))
        assert here.read("SELECT * FROM spelt_note") == []
        with tenant_scope("a\u00e9" if "latin1" in repr(type_) else "a"):
            with engine.begin() as connection:
                connection.execute(insert(notes).values(id=1, text="mine"))
            with engine.connect() as connection:
                assert connection.scalars(select(notes.c.text)).all() == ["mine"]
        engine.dispose()


@pytest.mark.parametrize(
    ("theirs", "ours", "own", "other"),
    [
        (Integer(), mysql.DECIMAL(2), 12345, 99),
        (mysql.DECIMAL(10), mysql.SMALLINT(), 40000, 32767),
        (Integer(), Small(), 40000, 32767),
        (BigInteger(), Numeric(), 10**11, 10**10 - 1),
        (Integer(), mysql.DECIMAL(12, unsigned=True), -5, 0),
        (String(9), CHAR(), "k2", "k"),
        (String(9), Enum("a", "b"), "2", "b"),
        (mysql.ENUM("2", "b"), mysql.ENUM("a", "b"), "2", "b"),
    ],
    ids=["decimal", "smallint", "loaded", "default", "unsigned", "char", "enum", "enums"],
)
def test_a_number_that_would_be_clipped_to_another_tenants_is_refused(
    theirs: Any, ours: Any, own: Any, other: Any
) -> None:
    parent, child = tables(theirs, ours)
    with database("mariadb") as here:
        engine = careless(here)
        parent.create(engine)
        here.run(f"CREATE TABLE rounded_child (id int, code {ours.compile(engine.dialect)})")
        for tenant, key in (("a", own), ("b", other)):
            with tenant_scope(tenant), engine.begin() as connection:
                connection.execute(insert(parent).values(code=key))
        refused = pytest.raises(CrossTenantAccessError)
        with tenant_scope("a"), refused, engine.begin() as connection:
            connection.execute(insert(child).values(id=1, code=own))
        selected = insert(child).from_select(["id", "code"], select(literal(1), parent.c.code))
        with tenant_scope("a"), pytest.raises(TenantShieldError), engine.begin() as connection:
            connection.execute(selected)
        assert here.read("SELECT * FROM rounded_child") == []
        engine.dispose()


# -- tables that were reflected next to the models ----------------------------------------


@pytest.mark.parametrize("where", NAMES)
@pytest.mark.parametrize(
    ("type_", "key"),
    [
        (Uuid(), uuid.UUID(int=5)),
        (DateTime(), datetime(2026, 1, 1)),  # noqa: DTZ001  # naive, like the column.
        (Date(), date(2026, 1, 1)),
        (Numeric(10), Decimal(4)),
        (Numeric(10, 2), Decimal("4.25")),
        (BigInteger(), 2**40),
        (String(9), "key"),
        (LargeBinary(16), b"key"),
        (Enum("x", "y", name="known"), "x"),
    ],
    ids=str,
)
def test_a_reflected_foreign_key_has_the_type_of_the_model(
    where: DatabaseName, type_: Any, key: Any
) -> None:
    if (where, type(type_)) == ("mariadb", LargeBinary):
        pytest.skip("there is no such key on it")
    parent, child = tables(type_, type_)
    with database(where) as here:
        engine = here.engine()
        parent.metadata.create_all(engine)
        parent.metadata.remove(child)
        found = Table("rounded_child", parent.metadata, autoload_with=engine)
        if isinstance(type_, Uuid) and isinstance(found.c.code.type, String):
            # It is reflected as a text, which takes no UUID.
            key = key.hex
            with tenant_scope("a"), engine.begin() as connection:
                connection.execute(insert(parent).values(code=uuid.UUID(key)))
                connection.execute(insert(found).values(id=1, code=key))
            return
        with tenant_scope("a"), engine.begin() as connection:
            connection.execute(insert(parent).values(code=key))
            connection.execute(insert(found).values(id=1, code=key))
            selected = insert(found).from_select(["id", "code"], select(literal(2), parent.c.code))
            connection.execute(selected)
            assert connection.scalars(select(found.c.code)).all() == [key, key]
        engine.dispose()
