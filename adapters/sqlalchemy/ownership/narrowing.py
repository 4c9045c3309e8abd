"""Foreign keys that cannot hold every key of their parent unchanged.

What is looked up is the value that a statement gives. A database may write another one: it rounds a
number or a time to the column's precision, and cuts the spaces at the end of a text, or all that is
too long if it is not strict. The key that it makes of the value may be another tenant's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias
from uuid import UUID

from sqlalchemy import CHAR, NCHAR
from sqlalchemy.engine import Dialect
from sqlalchemy.types import (
    BINARY,
    VARBINARY,
    Enum,
    Float,
    Integer,
    Interval,
    LargeBinary,
    NullType,
    Numeric,
    String,
    TypeDecorator,
    TypeEngine,
    Uuid,
)

from ..databases import DATABASES, ExactText, database_for
from .capacity import (
    bytes_check,
    decimal_check,
    digits_of,
    looks_like_number,
    member_check,
    number_range,
    plain_number,
    range_check,
    text_check,
    text_length,
    text_of,
)
from .forms import ddl_of, forms_of, state_of
from .limits import undecorated

__all__ = ["Fits", "all_fit", "fits_of", "is_kept"]

Check: TypeAlias = Callable[[Any], bool]
"""Returns whether a foreign key holds a value as it is, on some databases."""


@dataclass(frozen=True, slots=True)
class Fits:
    """The checks of whether a foreign key holds a value as it is, on all databases.

    They are of values that decorators have converted already.
    """

    checks: tuple[tuple[ExactText, Check], ...]
    """Each with the databases that it is for, which are told apart by how they compare texts."""

    def __call__(self, value: Any) -> bool:
        return all(check(value) for _, check in self.checks)

    def on(self, exact_text: ExactText) -> Fits | None:
        """Return those that count on a database; ``None`` if it holds every key there."""
        counting = tuple(each for each in self.checks if each[0] is exact_text)
        return Fits(counting) if counting else None


_SQLITE: Final = DATABASES["sqlite"].exact_text
_MARIADB: Final = DATABASES["mariadb"].exact_text

_BYTES: Final = (LargeBinary, BINARY, VARBINARY)


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
    if not _varies(type_) and not _varies(parent) and _are_alike(type_, parent):
        return None
    pairs: dict[tuple[Any, ...], _Pair] = {}
    for own, other in zip(forms_of(type_), forms_of(parent), strict=True):
        kind = database_for(own.dialect).exact_text
        key = (kind, id(own.stored), id(other.stored))
        pairs.setdefault(key, _Pair(kind, own.stored, other.stored)).dialects.append(own.dialect)
    checks = ((each.kind, _check(each)) for each in pairs.values())
    found = tuple((kind, check) for kind, check in checks if check is not None)
    return Fits(found) if found else None


def _varies(type_: TypeEngine[Any]) -> bool:
    """Return whether a type may be another one on some databases."""
    # private: the types that replace this one on some databases.
    return isinstance(type_, TypeDecorator) or bool(type_._variant_mapping)


@dataclass(frozen=True, slots=True)
class _Pair:
    """A foreign key's type and its parent's, and the databases where it is these."""

    kind: ExactText
    own: TypeEngine[Any]
    other: TypeEngine[Any]
    dialects: list[Dialect] = field(default_factory=list)


def all_fit(checks: Iterable[Fits | None]) -> Fits | None:
    """Return all checks of several; ``None`` if none of them refuses a value."""
    some = tuple(check for each in checks if each is not None for check in each.checks)
    return Fits(some) if some else None


def _check(pair: _Pair) -> Check | None:
    own, other = pair.own, pair.other
    if isinstance(own, NullType) or _are_alike(own, other):
        return None
    unlike = [each for each in pair.dialects if not _are_written_alike(own, other, each)]
    return _check_of_stored(own, other, pair.kind) if unlike else None


def _check_of_stored(own: TypeEngine[Any], other: TypeEngine[Any], kind: ExactText) -> Check | None:
    """Return the check for two types that are not alike on the databases of a kind."""
    if isinstance(own, Uuid) and isinstance(other, Uuid):
        return _is_no_number if kind is _SQLITE else None
    if isinstance(own, Enum):
        return member_check(own)
    if isinstance(own, String) and isinstance(other, String | Uuid):
        return _check_of_text(own, other)
    if isinstance(own, Integer) and isinstance(other, Integer):
        # SQLite has one kind of them.
        return None if kind is _SQLITE else _check_of_number(own, other)
    if isinstance(own, Integer) and isinstance(other, Numeric):
        return range_check(*number_range(own))
    # In SQLAlchemy 2.0, a Float is a Numeric.
    if isinstance(own, Numeric) and not isinstance(own, Float):
        is_limited = kind is _MARIADB
        if isinstance(other, Integer):
            return _check_of_decimal(own, other, is_limited=is_limited)
        if isinstance(other, Numeric) and not isinstance(other, Float):
            ours, theirs = (digits_of(each, is_limited=is_limited) for each in (own, other))
            return None if ours == theirs else _holds_nothing
    if isinstance(own, _BYTES) and isinstance(other, _BYTES):
        return bytes_check(own)
    # What is not known to be alike holds nothing.
    return _holds_nothing


def _holds_nothing(value: Any) -> bool:
    return False


def _is_no_number(value: Any) -> bool:
    """Return whether no UUID's column makes a number of it; see ``kept_on()``."""
    return not looks_like_number(text_of(value).replace("-", ""))


def _check_of_number(own: Integer, other: Integer) -> Check | None:
    low, high = number_range(own)
    least, greatest = number_range(other)
    return None if low <= least and greatest <= high else range_check(low, high)


def _check_of_decimal(own: Numeric[Any], other: Integer, *, is_limited: bool) -> Check | None:
    precision, scale, is_unsigned = digits_of(own, is_limited=is_limited)
    least, greatest = number_range(other)
    if precision is None or (
        scale >= 0
        and (least >= 0 or not is_unsigned)
        and max(-least, greatest) < 10 ** max(precision - scale, 0)
    ):
        return None
    return decimal_check(own, is_limited=is_limited)


def _are_alike(own: TypeEngine[Any], other: TypeEngine[Any]) -> bool:
    """Return whether two types are one and the same to every database."""
    if own is other:
        return True
    if type(own) is not type(other) or repr(own) != repr(other):
        return False
    # The representation of another library's type may leave out what makes the difference, and so
    # does that of an Interval, and of a type within any other.
    is_told = type(own).__module__.startswith("sqlalchemy.") and not isinstance(own, Interval)
    ours, theirs = state_of(own), state_of(other)
    return ours.keys() == theirs.keys() and all(
        fits_of(value, theirs[name]) is None
        if isinstance(value, TypeEngine) and isinstance(theirs[name], TypeEngine)
        else is_told or bool(value == theirs[name])
        for name, value in ours.items()
    )


def _are_written_alike(own: TypeEngine[Any], other: TypeEngine[Any], dialect: Dialect) -> bool:
    """Return whether two types are the same in a table's definition."""
    ddl = ddl_of(own, dialect)
    return ddl is not None and ddl == ddl_of(other, dialect)


def _check_of_text(own: String, other: String | Uuid[Any]) -> Check | None:
    length = text_length(own)
    # Either spelling of a UUID.
    most = text_length(other) if isinstance(other, String) else 36
    # Spaces at the end of a CHAR do not count.
    is_padded = isinstance(own, CHAR | NCHAR) and not isinstance(other, CHAR | NCHAR | Uuid)
    is_shorter = length is not None and (most is None or length < most)
    if not is_padded and not is_shorter and text_check(own) is None:
        return None
    holds = text_check(own, length)

    def check(value: Any) -> bool:
        text = text_of(value) if isinstance(value, UUID) else value
        if not isinstance(text, str) or (is_padded and text.endswith(" ")):
            return False
        return holds is None or holds(text)

    return check
