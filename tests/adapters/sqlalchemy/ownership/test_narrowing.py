"""Which values a foreign key holds as its parent's key is written."""

from __future__ import annotations

import enum
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import (
    ARRAY,
    BINARY,
    CHAR,
    REAL,
    VARBINARY,
    BigInteger,
    Date,
    DateTime,
    Double,
    Enum,
    Float,
    Integer,
    Interval,
    LargeBinary,
    Numeric,
    SmallInteger,
    String,
    TypeDecorator,
    Uuid,
)
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.types import UserDefinedType

from tenantshield_mw.adapters.sqlalchemy.databases import DATABASES
from tenantshield_mw.adapters.sqlalchemy.ownership.narrowing import fits_of, is_kept


class Amount(UserDefinedType[Any]):
    """A type whose representation does not say how it differs from another."""

    cache_ok = True

    def __init__(self, digits: int) -> None:
        self._digits = digits

    def get_col_spec(self, **_: Any) -> str:
        return f"numeric(10, {self._digits})"


class Small(TypeDecorator[int]):
    impl = Integer
    cache_ok = True

    def load_dialect_impl(self, dialect: Any) -> Any:
        return dialect.type_descriptor(SmallInteger())


class Counted(Small):
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        return value + 1


class Latin(TypeDecorator[str]):
    impl = String
    cache_ok = True

    def load_dialect_impl(self, dialect: Any) -> Any:
        return mysql.VARCHAR(9, charset="latin1")


class Plain(TypeDecorator[str]):
    impl: Any = String
    cache_ok = True

    def __init__(self, impl: Any) -> None:
        super().__init__()
        self.impl = impl if isinstance(impl, String) else String(impl)


SQLITE_DATE = sqlite.DATE()  # type: ignore[no-untyped-call]


class Shade(enum.Enum):
    DARK = 1


@pytest.mark.parametrize(
    ("own", "parent"),
    [
        (Integer(), Integer()),
        (BigInteger(), Integer()),
        (Integer(), SmallInteger()),
        (String(20), String(20)),
        (String(30), String(20)),
        (String(), String(20)),
        (CHAR(5), CHAR(5)),
        (Numeric(10), Integer()),
        (Numeric(), Integer()),
        (Numeric(10), mysql.DECIMAL(10, 0)),
        (Uuid(native_uuid=False), Uuid()),
        (CHAR(36), Uuid()),
        (Enum("a", "b"), Enum("a", "b")),
        (LargeBinary(), LargeBinary(16)),
        (Plain(20), String(20)),
        (Numeric(10, 2), Numeric(10, 2, asdecimal=False)),
        (Float(), Float(asdecimal=True)),
        (Uuid(), Uuid(as_uuid=False)),
        (Interval(), Interval()),
        (Interval(second_precision=3), Interval(second_precision=3)),
        (Amount(2), Amount(2)),
        (ARRAY(Amount(2)), ARRAY(Amount(2))),
        (mysql.VARCHAR(20, charset="latin1"), mysql.VARCHAR(20, charset="latin1")),
        (mysql.VARCHAR(20, charset="utf8mb4"), String(20)),
        (String(20, collation="C"), String(20)),
    ],
)
def test_a_key_that_holds_all_of_its_parents_is_not_checked(own: Any, parent: Any) -> None:
    assert fits_of(own, parent) is None


@pytest.mark.parametrize(
    ("own", "parent", "fitting", "other"),
    [
        (SmallInteger(), Integer(), 2**15 - 1, 2**15),
        (Integer(), BigInteger(), -(2**31), 2**31),
        (Integer(), Numeric(10, 2), 5, 5.5),
        (String(5), String(20), "12345", "123456"),
        (String(5), String(), "12345", "123456"),
        (CHAR(5), String(5), "a", "a "),
        (Numeric(2), Integer(), 99, 100),
        (SmallInteger(), Numeric(10), 2**15 - 1, 2**15),
        (mysql.VARCHAR(9, charset="latin1"), String(9), "\u00e9", "\u0142"),
        (String(9, collation="latin1_bin"), String(9), "\u00e9", "\u0142"),
        (mysql.VARCHAR(9, ascii=True), String(9), "a", "\u00e9"),
        (mysql.VARCHAR(9, charset="utf8mb3"), String(9), "\u0142", "\U0001f600"),
        (mysql.VARCHAR(9, charset="koi8r"), String(9), "\u0416", "\u0142"),
        (mysql.VARCHAR(9, charset="latin2"), String(9), "\u0142", "\u0416"),
        (mysql.VARCHAR(9, charset="utf32"), String(9), "\U0001f600", "\ud800"),
        (mysql.VARCHAR(9, charset="sjis"), String(9), "a", "\u00a5"),
        (mysql.NVARCHAR(9), String(9), "\u0142", "\U0001f600"),
        (mysql.TINYTEXT(), String(300), "\u0142" * 127, "\u0142" * 128),
        (Numeric(), BigInteger(), 10**10 - 1, 10**10),
        (Numeric(3, -2), Integer(), 1400, 1450),
        (Numeric(5, 2), Integer(), 999, 1000),
        (mysql.DECIMAL(12, unsigned=True), Integer(), 5, -5),
        (CHAR(), String(9), "k", "k2"),
        (CHAR(32), Uuid(), UUID(int=5).hex, str(UUID(int=5))),
        (postgresql.UUID(), Uuid(), UUID("123e4567e89b42d3a456426614174000"), UUID(int=5)),
        (Uuid(), postgresql.UUID(), UUID("123e4567e89b42d3a456426614174000"), UUID(int=5)),
        (Enum("a", "b"), String(5), "b", "2"),
        (Enum("b", "a"), Enum("a", "b", "c"), "b", "c"),
        (mysql.ENUM("a", "b"), mysql.ENUM("2", "b"), "b", "2"),
        (Enum(Shade), String(5), Shade.DARK, "2"),
        (BINARY(2), LargeBinary(), b"ab", b"a"),
        (VARBINARY(2), LargeBinary(), b"a", b"abc"),
        (Small(), Integer(), 2**15 - 1, 2**15),
        (Latin(9), String(9), "\u00e9", "\u0142"),
        (Plain(String(9).with_variant(String(2), "mysql")), String(9), "ab", "abc"),
        (Counted(), Integer(), 2**15 - 1, 2**15),
        (Counted(), Integer(), 5, "five"),
    ],
)
def test_a_value_that_would_be_changed_does_not_fit(
    own: Any, parent: Any, fitting: Any, other: Any
) -> None:
    fits = fits_of(own, parent)
    assert fits is not None
    assert (fits(fitting), fits(other)) == (True, False)


@pytest.mark.parametrize(
    ("own", "parent"),
    [
        (Interval(second_precision=0), Interval()),
        (Interval(second_precision=1), Interval(second_precision=6)),
        (Interval(native=False), Interval()),
        (postgresql.INTERVAL(fields="DAY"), postgresql.INTERVAL()),
        (DateTime(), DateTime(timezone=True)),
        (Float(), Integer()),
        (Double(), BigInteger()),
        (REAL(), Integer()),
        (mysql.DECIMAL(10, unsigned=True), mysql.DECIMAL(10)),
        (Numeric(2), Numeric(scale=2)),
        (Integer(), String(9)),
        (String(9), Integer()),
        (
            postgresql.DOMAIN("whole", Numeric(10, 0)),
            postgresql.DOMAIN("tenths", Numeric(10, 1)),
        ),
        (Amount(0), Amount(1)),
        (ARRAY(Amount(0)), ARRAY(Amount(1))),
    ],
)
def test_what_is_not_known_to_be_alike_fits_nothing(own: Any, parent: Any) -> None:
    fits = fits_of(own, parent)
    assert fits is not None
    assert not fits(1)


def test_another_precision_fits_nothing() -> None:
    fits = fits_of(mysql.DATETIME(fsp=0), mysql.DATETIME(fsp=6))
    assert fits is not None
    assert not fits(datetime(2026, 1, 1))  # noqa: DTZ001
    assert fits_of(DateTime(), DateTime()) is None


@pytest.mark.parametrize(
    ("own", "parent", "database"),
    [
        (postgresql.UUID(), Uuid(), "postgresql"),
        (postgresql.UUID(), Uuid(), "mariadb"),
        (Numeric(), BigInteger(), "postgresql"),
        (SmallInteger(), Integer(), "sqlite"),
        (BigInteger().with_variant(Integer(), "sqlite"), BigInteger(), "postgresql"),
        (BigInteger().with_variant(Integer(), "sqlite"), BigInteger(), "sqlite"),
        (String(20).with_variant(String(5), "mysql"), String(20), "postgresql"),
        (SQLITE_DATE, Date(), "sqlite"),
        (postgresql.BYTEA(), LargeBinary(), "postgresql"),
        (mysql.DATETIME(), DateTime(), "mariadb"),
    ],
)
def test_a_limit_counts_on_its_databases_alone(own: Any, parent: Any, database: str) -> None:
    fits = fits_of(own, parent)
    assert fits is None or fits.on(DATABASES[database].exact_text) is None


def test_a_limit_of_a_database_counts_there() -> None:
    fits = fits_of(mysql.DATETIME(), Date())
    assert fits is not None
    on_it = fits.on(DATABASES["mysql"].exact_text)
    assert on_it is not None
    assert not on_it(datetime(2026, 1, 1, 12))  # noqa: DTZ001  # naive, like the column.


def test_a_type_for_one_database_counts_as_well() -> None:
    own = String(20).with_variant(String(5), "mysql", "mariadb")
    fits = fits_of(own, String(20))
    assert fits is not None
    assert (fits("12345"), fits("123456")) == (True, False)


@pytest.mark.parametrize(
    ("value", "kept"), [(1, True), ("1", True), (0, False), ("0", False), ("01", False)]
)
def test_a_0_may_become_a_new_number(value: Any, kept: bool) -> None:
    assert is_kept([value], [Integer()]) is kept
    assert is_kept([value], [String(5)])
