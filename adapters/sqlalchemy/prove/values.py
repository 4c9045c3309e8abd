"""Values for the columns of any table."""

from __future__ import annotations

import datetime as dt
import decimal
import itertools
import string
import uuid
from typing import Any, Final

from sqlalchemy import JSON, Column, Enum, Uuid
from sqlalchemy.types import TypeDecorator

__all__ = ["CannotMakeError", "Values"]

_DIGITS: Final = string.digits + string.ascii_lowercase
_DAY: Final = dt.date(2026, 1, 1)


class CannotMakeError(Exception):
    """There is no value for a column; the message names it."""


class Values:
    """Makes values, each of which is another one where its type has enough of them.

    Args:
        first: the first number; the texts have it, too.
    """

    def __init__(self, first: int) -> None:
        self._numbers = itertools.count(first)

    def of(self, column: Column[Any]) -> Any:
        """Return a value for ``column``.

        Raises:
            CannotMakeError: its type is none that is known.
        """
        number = next(self._numbers)
        type_ = column.type
        if isinstance(type_, Enum):
            members = type_.enums if type_.enum_class is None else type_.enum_class
            return next(iter(members))
        # Python's type of it is any that JSON has.
        kind = dict if isinstance(type_, JSON) else _python_type(type_)
        if isinstance(type_, Uuid) and not type_.as_uuid:
            return uuid.UUID(int=number).hex
        made = _made(kind, number, _length(type_))
        if made is None:
            raise CannotMakeError(
                f"{column.name} is a {type_!r}, of which the command can make no value: give the "
                "column a default"
            )
        return made


def _python_type(type_: Any) -> type:
    try:
        found: type = type_.python_type
    except NotImplementedError:
        found = object
    if found is object and isinstance(type_, TypeDecorator):
        # A decorator may declare what it takes itself; otherwise its impl does.
        return _python_type(type_.impl_instance)
    return found


def _length(type_: Any) -> int | None:
    if isinstance(type_, TypeDecorator):
        type_ = type_.impl_instance
    length: int | None = getattr(type_, "length", None)
    return length


def _text(number: int, length: int) -> str:
    text = f"row{number}"
    if len(text) <= length:
        return text
    # Short texts of base 36 still differ.
    digits = ""
    while number and len(digits) < length:
        number, digit = divmod(number, len(_DIGITS))
        digits = _DIGITS[digit] + digits
    return digits


def _made(kind: type, number: int, length: int | None) -> Any:
    # bool is an int, and datetime a date.
    if issubclass(kind, bool):
        return True
    if issubclass(kind, str):
        return _text(number, 255 if length is None else length)
    if issubclass(kind, bytes):
        return number.to_bytes(8, "big")[-(length or 8) :]
    if issubclass(kind, dt.datetime):
        return dt.datetime.combine(_DAY, dt.time()) + dt.timedelta(number % 999)
    made = {
        int: number,
        float: float(number),
        decimal.Decimal: decimal.Decimal(number % 100),
        uuid.UUID: uuid.UUID(int=number),
        dt.date: _DAY,
        dt.time: dt.time(1),
        dt.timedelta: dt.timedelta(1),
        dict: {"row": number},
        list: [],
    }
    return next((value for type_, value in made.items() if issubclass(kind, type_)), None)
