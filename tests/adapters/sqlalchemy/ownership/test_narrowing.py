"""Which values a foreign key holds as its parent's key is written."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import CHAR, BigInteger, DateTime, Integer, Numeric, SmallInteger, String
from sqlalchemy.dialects import mysql

from tenantshield_mw.adapters.sqlalchemy.ownership.narrowing import fits_of, is_kept, plain_number


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
    ],
)
def test_a_value_that_would_be_changed_does_not_fit(
    own: Any, parent: Any, fitting: Any, other: Any
) -> None:
    fits = fits_of(own, parent)
    assert fits is not None
    assert (fits(fitting), fits(other)) == (True, False)


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
