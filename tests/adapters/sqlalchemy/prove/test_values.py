"""Values for the columns of any table."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import uuid
from typing import Any

import pytest
from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Date,
    DateTime,
    Enum,
    Float,
    Integer,
    Interval,
    LargeBinary,
    Numeric,
    String,
    Text,
    Time,
    TypeDecorator,
    Uuid,
)
from sqlalchemy.types import UserDefinedType

from tenantshield_mw.adapters.sqlalchemy.prove.values import CannotMakeError, Values


class Color(enum.Enum):
    RED = "red"


class Wrapped(TypeDecorator[Any]):
    impl = String
    cache_ok = True


class Unknown(UserDefinedType[Any]):
    cache_ok = True


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        (Integer(), 10_001),
        (String(), "row10001"),
        (Text(), "row10001"),
        (Wrapped(20), "row10001"),
        (Boolean(), True),
        (Float(), 10_001.0),
        (Numeric(), decimal.Decimal(1)),
        (Date(), dt.date(2026, 1, 1)),
        (DateTime(), dt.datetime.fromisoformat("2026-01-12")),
        (Time(), dt.time(1)),
        (Interval(), dt.timedelta(1)),
        (LargeBinary(), (10_001).to_bytes(8, "big")),
        (Uuid(), uuid.UUID(int=10_001)),
        (Uuid(as_uuid=False), uuid.UUID(int=10_001).hex),
        (JSON(), {"row": 10_001}),
        (Enum(Color), Color.RED),
        (Enum("a", "b"), "a"),
    ],
)
def test_each_type_has_its_values(type_: Any, value: Any) -> None:
    assert Values(10_001).of(Column("c", type_)) == value


def test_short_texts_differ() -> None:
    column = Column("c", String(3))
    mine, theirs = Values(10_001), Values(20_001)
    made = {side.of(column) for side in (mine, theirs) for _ in range(100)}
    assert len(made) == 200
    assert {len(each) for each in made} == {3}


def test_a_type_that_is_not_known_is_an_error() -> None:
    with pytest.raises(CannotMakeError, match="c is a Unknown"):
        Values(1).of(Column("c", Unknown()))
