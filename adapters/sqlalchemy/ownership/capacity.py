"""What a column holds as it is, by its type on one database."""

from __future__ import annotations

import math
import re
import uuid
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import CHAR, NCHAR, NVARCHAR
from sqlalchemy.types import BINARY, BigInteger, Enum, Integer, Numeric, SmallInteger, String

__all__ = [
    "bytes_check",
    "decimal_check",
    "digits_of",
    "looks_like_number",
    "member_check",
    "number_range",
    "plain_number",
    "range_check",
    "text_check",
    "text_length",
    "text_of",
]

# -- numbers -----------------------------------------------------------------------

_BITS: Final = {"TINYINT": 8, "MEDIUMINT": 24}
"""Integers that only some databases have, by the name under which SQLAlchemy renders them."""


_PLAIN_NUMBER: Final = re.compile(r"-?[1-9][0-9]{0,17}|0")


def plain_number(value: str) -> int | None:
    """Return the number that every database takes ``value`` for; ``None`` if that is not certain.

    Databases differ in how they read ``01`` or ``1.0``.
    """
    return int(value) if _PLAIN_NUMBER.fullmatch(value) else None


def looks_like_number(text: str) -> bool:
    """Return whether SQLite might take a text for a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def number_range(type_: Integer) -> tuple[int, int]:
    """Return the least and the greatest number that fits."""
    bits = _BITS.get(type_.__visit_name__.upper(), 32)
    if isinstance(type_, SmallInteger):
        bits = 16
    elif isinstance(type_, BigInteger):
        bits = 64
    if getattr(type_, "unsigned", False):
        return 0, 2**bits - 1
    return -(2 ** (bits - 1)), 2 ** (bits - 1) - 1


def range_check(low: int, high: int, step: int = 1) -> Callable[[Any], bool]:
    """Return the check of whether a value is a whole number from ``low`` to ``high``.

    Args:
        low: the least number.
        high: the greatest number.
        step: what a number is rounded to a multiple of.
    """

    def check(value: Any) -> bool:
        # Every guarded statement of a tenant that is a number comes through here.
        number = value if type(value) is int else _whole_number(value)
        return number is not None and low <= number <= high and (step == 1 or number % step == 0)

    return check


def _whole_number(value: Any) -> int | None:
    """Return the whole number that a value is to every database; ``None`` if it is none."""
    if isinstance(value, int):
        return value
    if isinstance(value, str):
        return plain_number(value)
    if isinstance(value, float | Decimal):
        return int(value) if math.isfinite(value) and value == int(value) else None
    return None


_DIGITS: Final = 10
"""How many digits a ``DECIMAL`` has on MySQL and MariaDB if it does not say it."""


def digits_of(type_: Numeric[Any], *, is_limited: bool = True) -> tuple[int | None, int, bool]:
    """Return how many digits a ``Numeric`` has, how many behind the point, and if it is unsigned.

    Args:
        type_: the type.
        is_limited: whether it has a precision if it does not say it, as on MySQL and MariaDB.
    """
    precision = type_.precision
    # A scale alone is not rendered.
    scale = 0 if precision is None else type_.scale or 0
    if precision is None and is_limited:
        precision = _DIGITS
    return precision, scale, bool(getattr(type_, "unsigned", False))


def decimal_check(type_: Numeric[Any], *, is_limited: bool = True) -> Callable[[Any], bool] | None:
    """Return the check of whether a ``Numeric`` holds a whole number; ``None`` if it holds all."""
    precision, scale, is_unsigned = digits_of(type_, is_limited=is_limited)
    if precision is None:
        return None
    # PostgreSQL rounds to tens if the scale is -1.
    step = 10 ** max(-scale, 0)
    high = max(10 ** max(precision - scale, 0) - 1, 0)
    return range_check(0 if is_unsigned else -high, high, step)


# -- texts -------------------------------------------------------------------------


def text_of(value: Any) -> str:
    """Return a value as the text that a column gets for it."""
    return value.hex if isinstance(value, uuid.UUID) else str(value)


def text_length(type_: String) -> int | None:
    """Return how many characters a text column holds; ``None`` if it does not say it."""
    return 1 if type_.length is None and isinstance(type_, CHAR | NCHAR) else type_.length


def member_check(type_: Enum) -> Callable[[Any], bool]:
    """Return the check of whether a value is a member of an ``Enum``.

    MySQL and MariaDB take another text for the number of a member, or write none.
    """
    members = frozenset(type_.enums)
    of_class = type_.enum_class
    return lambda value: (
        (isinstance(value, str) and value in members)
        or (of_class is not None and isinstance(value, of_class))
    )


_ENCODINGS: Final[Mapping[str, str]] = {
    "ascii": "ascii",
    "big5": "big5",
    **{name: name for name in ("cp1250", "cp1251", "cp1256", "cp1257", "cp850", "cp852", "cp866")},
    "gb18030": "gb18030",
    "gbk": "gbk",
    "greek": "iso8859_7",
    "hebrew": "iso8859_8",
    "koi8r": "koi8_r",
    "koi8u": "koi8_u",
    # What it calls latin1 is Windows' superset of it:
    # https://mariadb.com/kb/en/supported-character-sets-and-collations/
    "latin1": "cp1252",
    "latin2": "iso8859_2",
    "latin5": "iso8859_9",
    "latin7": "iso8859_13",
    "ucs2": "utf-16-be",
    "utf16": "utf-16-be",
    "utf16le": "utf-16-le",
    "utf32": "utf-32-be",
    "utf8": "utf-8",
    "utf8mb3": "utf-8",
    "utf8mb4": "utf-8",
}
"""Python's names of character sets of MySQL and MariaDB."""

_BASIC_ONLY: Final = frozenset({"ucs2", "utf8", "utf8mb3"})
"""Those that cannot hold characters beyond U+FFFF."""

_TINY: Final = 255
"""How many bytes a ``TINYTEXT`` holds."""


def text_check(type_: String, length: int | None = None) -> Callable[[str], bool] | None:
    """Return the check of whether a text column can hold a text.

    A MySQL or MariaDB that is not strict writes ``?`` for a character that the column's character
    set lacks, and cuts what is too long.

    Args:
        type_: the type of the column.
        length: how many characters it holds; ``None`` if any that are asked for.

    Returns:
        The check; ``None`` if it holds all.
    """
    charset = _charset(type_)
    is_tiny = type_.__visit_name__ == "TINYTEXT"
    if not is_tiny and charset in {None, "utf8mb4"}:
        return None if length is None else lambda text: len(text) <= length
    # Of a character set that is not known here, only what is the same in all of them.
    encoding = _ENCODINGS.get(charset or "utf8mb4", "ascii")

    def holds(text: str) -> bool:
        if length is not None and len(text) > length:
            return False
        try:
            stored = text.encode(encoding)
            is_same = stored.decode(encoding) == text
        except UnicodeError:
            return False
        if charset in _BASIC_ONLY and max(text, default="") > "\uffff":
            return False
        return is_same and (not is_tiny or len(stored) <= _TINY)

    return holds


def _charset(type_: String) -> str | None:
    """Return the character set that a type names, itself or by its collation."""
    if getattr(type_, "ascii", False):
        return "ascii"
    if getattr(type_, "unicode", False):
        return "ucs2"
    if getattr(type_, "national", False) or isinstance(type_, NCHAR | NVARCHAR):
        return "utf8mb3"
    named: str | None = getattr(type_, "charset", None)
    if named is not None:
        return named.lower()
    # Other databases have collations of other names, which limit nothing.
    prefix = (type_.collation or "").partition("_")[0].lower()
    return prefix if prefix in _ENCODINGS else None


# -- bytes -------------------------------------------------------------------------


def bytes_check(type_: Any) -> Callable[[Any], bool] | None:
    """Return the check of whether a column holds bytes; ``None`` if it holds all.

    A ``BINARY`` fills up what is too short.
    """
    length = 1 if type_.length is None and isinstance(type_, BINARY) else type_.length
    if type_.__visit_name__ == "TINYBLOB":
        length = _TINY
    if length is None:
        return None
    is_filled = isinstance(type_, BINARY)
    return lambda value: (
        isinstance(value, bytes) and (len(value) == length if is_filled else len(value) <= length)
    )
