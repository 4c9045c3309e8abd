"""Every type comes back exactly, and what is not understood is refused by name."""

from __future__ import annotations

import datetime as dt
import enum
import json
import math
from collections.abc import Generator
from decimal import Decimal
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import (
    ARRAY,
    JSON,
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Double,
    Engine,
    Enum,
    Integer,
    Interval,
    LargeBinary,
    MetaData,
    Numeric,
    String,
    Table,
    Text,
    Time,
    TypeDecorator,
    Uuid,
    insert,
    null,
    select,
)
from sqlalchemy.dialects import mysql, postgresql
from sqlalchemy.dialects.postgresql import INT4RANGE, JSONB, NUMRANGE, TSTZRANGE, Range
from sqlalchemy.types import UserDefinedType

from tenantshield_mw import ConfigurationError, system_scope, tenant_scope
from tenantshield_mw.adapters.sqlalchemy import tenant_aware
from tenantshield_mw.adapters.sqlalchemy.lifecycle.rows import TableRows
from tenantshield_mw.adapters.sqlalchemy.lifecycle.values import UnfitValueError, values_of
from tests.databases import database, memory_engine


class Colour(enum.Enum):
    RED = "r"
    GREEN = "g"


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
FLOATS = st.floats()
NUMBERS = st.integers(-(2**63), 2**63 - 1)
MOMENTS = st.datetimes()
ZONED = st.datetimes(
    min_value=dt.datetime.fromisoformat("0002-01-01"),
    max_value=dt.datetime.fromisoformat("9998-01-01"),
    timezones=st.just(dt.UTC),
)
DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
DECIMALS = st.decimals(min_value=-(10**9), max_value=10**9, places=6, allow_nan=False)

COMMON: dict[str, tuple[Any, st.SearchStrategy[Any]]] = {
    "text": (Text, TEXTS),
    "flag": (Boolean, st.booleans()),
    "number": (BigInteger, NUMBERS),
    "data": (LargeBinary, st.binary(max_size=20)),
    "day": (Date, st.dates()),
    "clock": (Time, st.times()),
    "moment": (DateTime, MOMENTS),
    "period": (Interval, st.timedeltas(dt.timedelta(days=-700), dt.timedelta(days=9000))),
    "key": (Uuid, st.uuids()),
    "text_key": (Uuid(as_uuid=False), st.uuids().map(str)),
    "colour": (Enum(Colour, name="values_colour"), st.sampled_from(Colour)),
    "word": (Enum("a", "b", name="values_word"), st.sampled_from("ab")),
    "document": (JSON, DOCUMENTS),
}
SQLITE = {
    **COMMON,
    # Not a NaN, for which SQLite stores NULL.
    "real": (Double, st.floats(allow_nan=False)),
    # It stores numbers of 64 bits.
    "amount": (Numeric(14, 4), st.decimals(-(10**9), 10**9, places=4)),
}
POSTGRESQL = {
    **COMMON,
    "real": (Double, FLOATS),
    "amount": (Numeric, DECIMALS | st.just(Decimal("NaN"))),
    "zoned": (DateTime(timezone=True), ZONED),
    "binary": (JSONB, DOCUMENTS),
    "numbers": (ARRAY(Integer), st.lists(st.integers(-9, 9) | st.none(), max_size=4)),
    "matrix": (ARRAY(Text, dimensions=2), st.just([["a", None], ["b", "c"]])),
    "documents": (ARRAY(JSONB, dimensions=1), st.lists(st.lists(st.integers()), max_size=2)),
    "address": (postgresql.INET, st.sampled_from(["10.0.0.1", "fe80::1"]).map(ip_address)),
    "network": (postgresql.CIDR, st.just(ip_network("10.0.0.0/8"))),
    "span": (INT4RANGE, st.sampled_from([Range(1, 5), Range(None, 3), Range(empty=True)])),
    "prices": (NUMRANGE, st.just(Range(Decimal("1.50"), None, bounds="(]"))),
    "times": (TSTZRANGE, st.just(Range(dt.datetime(2026, 1, 1, tzinfo=dt.UTC), None))),
}


def table_of(name: str, types: dict[str, tuple[Any, Any]]) -> Table:
    table = Table(
        name,
        MetaData(),
        Column("id", Integer, primary_key=True, autoincrement=False),
        Column("tenant_id", String(20)),
        *(Column(each, type_) for each, (type_, _) in types.items()),
    )
    return tenant_aware(table)


TABLES = {
    "sqlite": table_of("values_sqlite", SQLITE),
    "postgresql": table_of("values_postgresql", POSTGRESQL),
}


@pytest.fixture(scope="module")
def sqlite() -> Generator[Engine]:
    engine = memory_engine()
    with system_scope("create"):
        TABLES["sqlite"].create(engine)
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def server() -> Generator[Engine]:
    with database("postgresql") as here:
        engine = here.engine()
        with system_scope("create"):
            TABLES["postgresql"].create(engine)
        yield engine
        engine.dispose()


def rows_of(types: dict[str, tuple[Any, st.SearchStrategy[Any]]]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries({name: st.none() | value for name, (_, value) in types.items()})


def come_back(engine: Engine, table: Table, row: dict[str, Any]) -> None:
    """Write a row, and write what was read of it once more: the database has the same twice."""
    rows = TableRows(table, engine.dialect)
    with tenant_scope("acme"), engine.connect() as connection:
        connection.execute(insert(table), {**row, "id": 1})
        (first,) = rows.written(connection)
        again = json.loads(json.dumps(first, allow_nan=False))
        read = {name: each.read(again[name]) for name, each in rows.columns.items()}
        connection.execute(insert(table), {**read, "id": 2})
        one, two = connection.execute(select(table).order_by(table.c.id)).mappings().all()
        for name in row:
            assert is_same(one[name], two[name]), name
            if name not in ("document", "binary", "address", "network"):
                assert is_same(one[name], row[name]), name
        # None of the two could be told from the other above.
        nulls = select(*(table.c[name].is_(None) for name in row)).order_by(table.c.id)
        assert len({*connection.execute(nulls)}) == 1
        connection.rollback()


def is_same(left: Any, right: Any) -> bool:
    if isinstance(left, float | Decimal) and math.isnan(left):
        return type(left) is type(right) and math.isnan(right)
    return type(left) is type(right) and bool(left == right)


@given(row=rows_of(SQLITE))
@settings(max_examples=50)
@pytest.mark.filterwarnings("ignore:Dialect sqlite")
def test_any_row_comes_back_on_sqlite(sqlite: Engine, row: dict[str, Any]) -> None:
    come_back(sqlite, TABLES["sqlite"], row)


@given(row=rows_of(POSTGRESQL))
@settings(max_examples=50)
def test_any_row_comes_back_on_postgresql(server: Engine, row: dict[str, Any]) -> None:
    come_back(server, TABLES["postgresql"], row)


@pytest.mark.parametrize("value", [null(), JSON.NULL, float("nan"), [float("inf")], {"json": 1}])
def test_null_and_what_json_has_no_name_for_come_back(sqlite: Engine, value: Any) -> None:
    row = dict.fromkeys(SQLITE) | {"document": value}
    rows, table = TableRows(TABLES["sqlite"], sqlite.dialect), TABLES["sqlite"]
    with tenant_scope("acme"), sqlite.connect() as connection:
        connection.execute(insert(table), {**row, "id": 1})
        (first,) = rows.written(connection)
        read = rows.columns["document"].read(
            json.loads(json.dumps(first, allow_nan=False))["document"]
        )
        connection.execute(insert(table), {**row, "id": 2, "document": read})
        raw = connection.exec_driver_sql(
            "SELECT document FROM values_sqlite",
            execution_options={"tenantshield_reviewed": "a test"},
        )
        one, two = raw.scalars()
        assert one == two
        connection.rollback()


class Vector(UserDefinedType[Any]):
    def get_col_spec(self, **options: Any) -> str:
        return "VECTOR"


class Behind(TypeDecorator[Any]):
    impl = Vector
    cache_ok = True


@pytest.mark.parametrize(
    "type_",
    [
        Vector(),
        Behind(),
        mysql.SET("a"),
        mysql.BIT(3),
        ARRAY(Vector()),
        postgresql.TSVECTOR(),
        ARRAY(JSON),
        ARRAY(Interval),
    ],
)
def test_a_type_that_is_not_understood_is_refused_by_name(sqlite: Engine, type_: Any) -> None:
    column, name = Table("odd", MetaData(), Column("place", type_)).c.place, type(type_).__name__
    with pytest.raises(ConfigurationError, match=rf"odd\.place has a type .*{name}\("):
        values_of(column, sqlite.dialect)


@pytest.mark.parametrize(
    ("type_", "value"),
    [(Integer(), True), (Text(), 1), (Boolean(), 1), (Numeric(), 1.5), (Date(), "x"), (Uuid(), 3)],
)
def test_a_value_of_another_type_is_refused_without_it(
    sqlite: Engine, type_: Any, value: Any
) -> None:
    values = values_of(Table("odd", MetaData(), Column("place", type_)).c.place, sqlite.dialect)
    with pytest.raises(UnfitValueError, match=r"odd\.place holds a value") as caught:
        values.write(value)
    assert repr(value) not in str(caught.value).partition(":")[2]


@pytest.mark.parametrize(
    ("type_", "written"),
    [
        (Integer(), "1"),
        (Integer(), 1.5),
        (Integer(), []),
        (Text(), 1),
        (LargeBinary(), "*"),
        (DateTime(), "yesterday"),
        (Enum(Colour), "BLUE"),
        (Uuid(), "x"),
        (Interval(), [1, 2]),
        (JSON(), {"other": 1}),
        (JSON(), 3),
        (ARRAY(Integer), 3),
    ],
)
def test_what_was_not_written_is_refused(sqlite: Engine, type_: Any, written: Any) -> None:
    values = values_of(Table("odd", MetaData(), Column("place", type_)).c.place, sqlite.dialect)
    with pytest.raises(UnfitValueError, match=r"odd\.place"):
        values.read(written)


def test_a_decorated_value_is_written_as_it_is_stored(sqlite: Engine) -> None:
    from .models import Note

    values = values_of(Note.__table__.c["secret"], sqlite.dialect)  # type: ignore[arg-type]
    assert (values.kind, values.write("terces")) == ("text", "terces")
