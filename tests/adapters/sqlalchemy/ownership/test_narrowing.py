"""Which values a foreign key holds as its parent's key is written."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import (
    ARRAY,
    CHAR,
    REAL,
    BigInteger,
    DateTime,
    Double,
    Float,
    Integer,
    Interval,
    Numeric,
    SmallInteger,
    String,
    Uuid,
)
from sqlalchemy.dialects import mysql, postgresql
from sqlalchemy.types import UserDefinedType

from tenantshield_mw.adapters.sqlalchemy.ownership.narrowing import fits_of, is_kept, plain_number


class Amount(UserDefinedType[Any]):
    """A type whose representation does not say how it differs from another."""

    cache_ok = True

    def __init__(self, digits: int) -> None:
        self._digits = digits

    def get_col_spec(self, **_: Any) -> str:
        return f"numeric(10, {self._digits})"


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
        (Numeric(), BigInteger()),
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


def test_a_type_for_one_database_counts_as_well() -> None:
    own = String(20).with_variant(String(5), "mysql", "mariadb")
    fits = fits_of(own, String(20))
    assert fits is not None
    assert (fits("12345"), fits("123456")) == (True, False)


@pytest.mark.parametrize(
    ("text", "number"),
    [("7", 7), ("-7", -7), ("0", 0), ("01", None), ("1.0", None), (" 1", None), ("-0", None)],
)
def test_only_a_plain_number_is_one(text: str, number: int | None) -> None:
    assert plain_number(text) == number


@pytest.mark.parametrize(
    ("value", "kept"), [(1, True), ("1", True), (0, False), ("0", False), ("01", False)]
)
def test_a_0_may_become_a_new_number(value: Any, kept: bool) -> None:
    assert is_kept([value], [Integer()]) is kept
    assert is_kept([value], [String(5)])
