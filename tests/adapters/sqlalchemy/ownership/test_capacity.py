"""What a column holds as it is."""

from __future__ import annotations

import enum
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import BINARY, CHAR, NCHAR, VARBINARY, Enum, LargeBinary, Numeric, String
from sqlalchemy.dialects import mysql

from tenantshield_mw.adapters.sqlalchemy.ownership.capacity import (
    bytes_check,
    decimal_check,
    digits_of,
    looks_like_number,
    member_check,
    plain_number,
    range_check,
    text_length,
    text_of,
)


class Shade(enum.Enum):
    DARK = 1


@pytest.mark.parametrize(
    ("check", "held", "others"),
    [
        (range_check(-5, 5), [5, -5, "5", 5.0, Decimal(5)], [6, "05", "x", 5.5, None, b"5"]),
        (range_check(0, 900, 100), [0, 900, "200"], [1, 950, -100]),
        (decimal_check(Numeric(3)), [999, -999, "7"], [1000, -1000]),
        (decimal_check(Numeric(3, 2)), [9], [10]),
        (decimal_check(Numeric(2, 5)), [0], [1]),
        (decimal_check(mysql.DECIMAL(3, unsigned=True)), [0, 999], [-1]),
        (decimal_check(Numeric()), [10**10 - 1], [10**10]),
        (member_check(Enum("a", "b")), ["a", "b"], ["c", "2", "", "A", 2, None]),
        (member_check(Enum(Shade)), ["DARK", Shade.DARK], ["1", 1]),
        (bytes_check(BINARY(2)), [b"ab"], [b"a", b"abc", "ab"]),
        (bytes_check(BINARY()), [b"a"], [b"", b"ab"]),
        (bytes_check(VARBINARY(2)), [b"", b"ab"], [b"abc"]),
        (bytes_check(mysql.TINYBLOB()), [b"a" * 255], [b"a" * 256]),
    ],
)
def test_a_column_holds_what_it_does_not_change(check: Any, held: Any, others: Any) -> None:
    assert all(map(check, held))
    assert not any(map(check, others))


def test_a_column_without_a_limit_has_no_check() -> None:
    assert decimal_check(Numeric(), is_limited=False) is None
    assert bytes_check(LargeBinary()) is None


def test_a_scale_without_a_precision_is_none() -> None:
    assert digits_of(Numeric(scale=2)) == (10, 0, False)
    assert digits_of(Numeric(scale=2), is_limited=False) == (None, 0, False)
    assert digits_of(Numeric(5, 2)) == (5, 2, False)


def test_a_char_without_a_length_holds_one_character() -> None:
    lengths = [text_length(each) for each in (CHAR(), NCHAR(), CHAR(5), String(), String(5))]
    assert lengths == [1, 1, 5, None, 5]


def test_a_uuid_is_sent_without_hyphens() -> None:
    assert text_of(UUID(int=5)) == UUID(int=5).hex
    assert text_of(5) == "5"


@pytest.mark.parametrize(
    ("text", "number"),
    [("1" * 32, True), ("1e31", True), (" 1 ", True), ("1e", False), ("12a", False), ("", False)],
)
def test_sqlite_takes_some_texts_for_numbers(text: str, number: bool) -> None:
    assert looks_like_number(text) is number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("42", 42),
        ("042", None),
        ("4.0", None),
        ("7", 7),
        ("-7", -7),
        ("0", 0),
        ("01", None),
        ("1.0", None),
        (" 1", None),
        ("-0", None),
    ],
)
def test_only_a_plain_number_is_one(text: str, number: int | None) -> None:
    assert plain_number(text) == number
