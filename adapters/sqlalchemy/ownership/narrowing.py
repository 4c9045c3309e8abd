"""Foreign keys that cannot hold every key of their parent unchanged.

What is looked up is the value that a statement gives. A database may write another one: it rounds a
number or a time to the column's precision, and cuts the spaces at the end of a text, or all that is
too long if it is not strict. The key that it makes of the value may be another tenant's.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from typing import Any, Final, TypeAlias

from sqlalchemy import CHAR, NCHAR
from sqlalchemy.types import (
    Boolean,
    Enum,
    Float,
    Integer,
    Interval,
    NullType,
    Numeric,
    String,
    TypeEngine,
    Uuid,
)

from .limits import number_range, stored_type, text_check, undecorated

__all__ = ["Fits", "all_fit", "fits_of", "is_kept", "plain_number"]

Fits: TypeAlias = Callable[[Any], bool]
"""Returns whether a foreign key holds a value as it is, once decorators have converted it."""


_PLAIN_NUMBER: Final = re.compile(r"-?[1-9][0-9]{0,17}|0")


def plain_number(value: str) -> int | None:
    """Return the number that every database takes ``value`` for; ``None`` if that is not certain.

    Databases differ in how they read ``01`` or ``1.0``.
    """
    return int(value) if _PLAIN_NUMBER.fullmatch(value) else None


def is_kept(key: Iterable[Any], types: Iterable[TypeEngine[Any]]) -> bool:
    """Return whether a database that makes a new number of a 0 writes a new row's key as it is.

    Args:
        key: the values of the key.
        types: the types of its columns.
    """
    for value, type_ in zip(key, types, strict=True):
        if isinstance(undecorated(type_), Integer | Numeric):
            number = plain_number(value) if isinstance(value, str) else value
            if not isinstance(number, int) or not number:
                return False
    return True


def fits_of(type_: TypeEngine[Any], parent: TypeEngine[Any]) -> Fits | None:
    """Return the check of whether a foreign key holds a value; ``None`` if it holds every key.

    Args:
        type_: the type of the foreign key's column.
        parent: the type of the column that it refers to.
    """
    return all_fit(
        _check_of_stored(stored_type(ours), stored_type(theirs))
        for ours, theirs in _pairs(type_, parent)
    )


def all_fit(checks: Iterable[Fits | None]) -> Fits | None:
    """Return one check for several; ``None`` if none of them refuses a value."""
    some = [each for each in checks if each is not None]
    return (lambda value: all(check(value) for check in some)) if some else None


def _pairs(
    type_: TypeEngine[Any], parent: TypeEngine[Any]
) -> Iterator[tuple[TypeEngine[Any], TypeEngine[Any]]]:
    # private: the types that replace these on some databases.
    ours, theirs = type_._variant_mapping, parent._variant_mapping
    yield type_, parent
    for name in {**ours, **theirs}:
        yield ours.get(name, type_), theirs.get(name, parent)


def _check_of_stored(own: TypeEngine[Any], other: TypeEngine[Any]) -> Fits | None:
    if isinstance(own, NullType | Enum) or _are_alike(own, other):
        return None
    if isinstance(own, String) and isinstance(other, String):
        return _check_of_text(own, other)
    if isinstance(own, Integer) and isinstance(other, Integer):
        least, greatest = number_range(other)
        return _check_of_number(*number_range(own), least, greatest)
    if isinstance(own, Integer) and isinstance(other, Numeric):
        return _check_of_range(*number_range(own))
    # In SQLAlchemy 2.0, a Float is a Numeric.
    if isinstance(own, Numeric) and not isinstance(own, Float) and isinstance(other, Integer):
        if own.precision is None:
            return None
        high = 10 ** (own.precision - (own.scale or 0)) - 1
        return _check_of_number(-high, high, *number_range(other))
    # What is not known to be alike holds nothing.
    return lambda value: False


def _check_of_number(low: int, high: int, least: int, greatest: int) -> Fits | None:
    """Return the check of the numbers that fit, where keys are those from least to greatest."""
    if low <= least and greatest <= high:
        return None
    return _check_of_range(low, high)


def _check_of_range(low: int, high: int) -> Fits:
    def check(value: Any) -> bool:
        number = _whole_number(value)
        return number is not None and low <= number <= high

    return check


def _whole_number(value: Any) -> int | None:
    """Return the whole number that a value is to every database; ``None`` if it is none."""
    if isinstance(value, str):
        return plain_number(value)
    if isinstance(value, float | Decimal):
        return int(value) if math.isfinite(value) and value == int(value) else None
    return value if isinstance(value, int) else None


def _are_alike(own: TypeEngine[Any], other: TypeEngine[Any]) -> bool:
    """Return whether two types are one and the same to a database."""
    if own is other:
        return True
    if type(own) is not type(other):
        return False
    if isinstance(own, Uuid | Boolean):
        return True
    if isinstance(own, Numeric | Float) and type(own).__module__ == Numeric.__module__:
        # They may differ in what SQLAlchemy makes of what it reads.
        return _precision(own) == _precision(other)
    if repr(own) != repr(other):
        return False
    # The representation of another library's type may leave out what makes the difference, and so
    # does that of an Interval, and of a type within any other.
    is_told = type(own).__module__.startswith("sqlalchemy.") and not isinstance(own, Interval)
    ours, theirs = _state(own), _state(other)
    return ours.keys() == theirs.keys() and all(
        all(_are_alike(*pair) for pair in _pairs(value, theirs[name]))
        if isinstance(value, TypeEngine) and isinstance(theirs[name], TypeEngine)
        else is_told or bool(value == theirs[name])
        for name, value in ours.items()
    )


def _state(type_: TypeEngine[Any]) -> dict[str, Any]:
    """Return what an instance of a type holds, without what SQLAlchemy remembers in it."""
    of_class = type(type_)
    return {
        name: value
        for name, value in vars(type_).items()
        # private: the types for other databases, which are compared by themselves.
        if name != "_variant_mapping" and not hasattr(getattr(of_class, name, None), "__get__")
    }


def _check_of_text(own: String, other: String) -> Fits | None:
    length = own.length
    # Spaces at the end of a CHAR do not count.
    is_padded = isinstance(own, CHAR | NCHAR) and not isinstance(other, CHAR | NCHAR)
    is_shorter = length is not None and (other.length is None or length < other.length)
    if not is_padded and not is_shorter and text_check(own) is None:
        return None
    holds = text_check(own, length)

    def check(value: Any) -> bool:
        if not isinstance(value, str) or (is_padded and value.endswith(" ")):
            return False
        return holds is None or holds(value)

    return check


def _precision(type_: TypeEngine[Any]) -> tuple[Any, ...]:
    """Return what a type says of its precision; empty if it says nothing."""
    names = ("precision", "scale")
    return tuple(each for name in names if (each := getattr(type_, name, None)) is not None)
