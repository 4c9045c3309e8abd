"""Judge the values of a foreign key before they are looked up.

A database compares a value by other rules than those by which it stores it. MariaDB finds the
number 42 as ``"042"`` and stores it as ``"42"``; PostgreSQL finds the whole number 2**53 + 1 by the
float 2**53. And what Python takes for equal may be two keys: two times of different time zones are
one value of a set, and are stored with their own hours.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable
from decimal import Decimal
from enum import Enum as PythonEnum
from enum import auto
from numbers import Integral, Real
from typing import Any, Final, TypeAlias
from uuid import UUID

from sqlalchemy import ColumnElement, Enum, Float, Integer, Numeric, String, Uuid
from sqlalchemy.engine import Dialect
from sqlalchemy.sql.expression import FromClause
from sqlalchemy.types import NullType, TypeDecorator, TypeEngine

from ..compiler.key_types import (
    is_exact_number,
    is_sqlalchemys_own,
    parent_types,
)
from ..compiler.predicates import column_of
from ..errors import CrossTenantAccessError
from ..ownership.capacity import plain_number
from ..ownership.forms import form_on
from ..ownership.model import Reference, TypedReference

__all__ = ["KeyValues"]

Values: TypeAlias = tuple[Any, ...]

_PLAIN: Final[frozenset[type]] = frozenset(
    {type(None), int, str, bytes, UUID, dt.date, dt.timedelta}
)
"""Types of which equal values are the same, and equal to none of another of these types."""

_TIMES: Final = frozenset({dt.datetime, dt.time})
"""Those of different time zones may be equal."""

_IDENTITY: Final[Any] = object.__eq__
"""How objects compare that are equal only to themselves."""

_FLOAT_DIGITS: Final = 15
"""How many decimal digits every float keeps."""


class _Kind(PythonEnum):
    TEXT = auto()
    NUMBER = auto()
    OTHER = auto()


class KeyValues:
    """Judges the values of a foreign key in a statement.

    Args:
        written: the foreign key, with the types that convert its values.
        dialect: the dialect of the database.
    """

    __slots__ = ("_columns", "_is_plain", "_reference", "are_told_apart")

    def __init__(self, written: TypedReference, dialect: Dialect) -> None:
        self._reference = written.reference
        self._columns = [
            _Column(given, parent, dialect)
            for given, parent in zip(written.types, parent_types(written.reference), strict=True)
        ]
        # A type of the application may make two keys of equal values.
        self._is_plain = all(map(is_sqlalchemys_own, written.types))
        self.are_told_apart = all(each.is_told_apart for each in self._columns)
        """Whether a key that is found tells for which of several values it is."""

    def columns_of(self, parent: FromClause) -> list[ColumnElement[Any]]:
        """Return the columns to which the foreign key refers, read without the types' decorators.

        What a decorator makes of a key that is found may be equal to another value that was not.
        """
        names = self._reference.parent_columns
        return [
            column_of(parent, name, each.read_type)
            for name, each in zip(names, self._columns, strict=True)
        ]

    def as_looked_up(self, values: Values) -> Values:
        """Return ``values`` as they are read, if that is certain, such as 1 for "1"."""
        return tuple(
            column.as_stored(column.sent(each))
            for column, each in zip(self._columns, values, strict=True)
        )

    def as_found(self, values: Values) -> Values:
        """Return what :meth:`as_looked_up` returns for the same key."""
        return tuple(
            column.as_stored(each) for column, each in zip(self._columns, values, strict=True)
        )

    def sent(self, values: Values) -> Values:
        """Return what the decorators of the types make of ``values``."""
        return tuple(column.sent(each) for column, each in zip(self._columns, values, strict=True))

    def check(self, rows: list[Values], parts: Iterable[Values] = ()) -> bool:
        """Refuse values of which the database might store another key than it finds.

        Args:
            rows: the values of each row.
            parts: those of them that are parts of an expression with other values.

        Returns:
            whether equal values are the same key.

        Raises:
            CrossTenantAccessError: there is such a value.
        """
        is_plain = True
        for column, values in zip(self._columns, zip(*rows, strict=True), strict=True):
            # Most values are of one plain type.
            kinds = set(map(type, values))
            if column.plain is not None and not kinds <= column.plain:
                self._refuse_unless(column, all(map(column.holds, values)))
            is_plain = is_plain and kinds <= _PLAIN
        for row in parts:
            for column, value in zip(self._columns, row, strict=True):
                self._refuse_unless(column, not column.is_rounding(value))
        return self._is_plain and (is_plain or self.are_plain(rows))

    def spelled_otherwise(self, rows: Iterable[Values]) -> list[Values]:
        """Return those of ``rows`` that are equal to one before them and may be another key."""
        seen: dict[Values, Any] = {}
        others: dict[Any, Values] = {}
        for row in rows:
            spelled = tuple((type(each), repr(each)) for each in row)
            if seen.setdefault(row, spelled) != spelled:
                others[spelled] = row
        return list(others.values())

    def are_plain(self, rows: Iterable[Values]) -> bool:
        """Return whether values that are equal to one of ``rows`` are the same key."""
        return self._is_plain and all(
            type(each) in _PLAIN or column.is_same_if_equal(each)
            for row in rows
            for column, each in zip(self._columns, row, strict=True)
        )

    def accepts(self, values: Values) -> bool:
        """Return whether :meth:`check` accepts ``values``, and equal ones are the same key."""
        return self.are_plain([values]) and all(
            column.holds(each) for column, each in zip(self._columns, values, strict=True)
        )

    def _refuse_unless(self, column: _Column, is_held: bool) -> None:
        if is_held:
            return
        reference: Reference = self._reference
        names = ", ".join(reference.columns)
        if column.kind is _Kind.TEXT:
            raise CrossTenantAccessError(
                f"a foreign key of {reference.label} ({names}) is no text, unlike its column: "
                "which key the database would make of it is not known; give a string"
            )
        raise CrossTenantAccessError(
            f"a foreign key of {reference.label} ({names}) is a float, or another value that may "
            "be rounded, and its column holds exact numbers: which key the database would make of "
            "it is not known; give an int or a Decimal, without a type of its own"
        )


class _Column:
    """Judges the values for one column of a foreign key."""

    __slots__ = (
        "_digits",
        "_is_decorated",
        "_is_whole",
        "_scale",
        "_stored",
        "is_told_apart",
        "kind",
        "plain",
        "read_type",
        "sent",
    )

    def __init__(self, given: TypeEngine[Any], parent: TypeEngine[Any], dialect: Dialect) -> None:
        form = form_on(given, dialect)
        self._stored, self._is_decorated = form.stored, bool(form.layers)
        self.sent = form.sent
        """Returns what the decorators of the type make of a value."""
        self.read_type, self.is_told_apart = given, True
        if not is_sqlalchemys_own(given):
            self.read_type = layer = given.dialect_impl(dialect)
            while isinstance(layer, TypeDecorator) and not is_sqlalchemys_own(layer):
                self.is_told_apart = self.is_told_apart and not _converts(layer, "bind_expression")
                self.read_type = layer = layer.impl_instance
            self.is_told_apart = self.is_told_apart and not _converts(layer, *_CONVERSIONS)
        key = form_on(parent, dialect).stored
        self.kind = _kind(key)
        if self.kind is _Kind.OTHER:
            self.kind = _kind(self._stored)
        if self.kind is not _kind(key):
            key = self._stored
        # A parameter that is an integer is cast to one when it is written.
        self._is_whole = isinstance(key, Integer) or isinstance(self._stored, Integer)
        self._digits, self._scale = _digits_and_scale(key)
        self.plain = self._plain()
        """Types all of whose values are held; ``None`` if every value is."""

    def _plain(self) -> frozenset[type] | None:
        if self.kind is _Kind.OTHER:
            return None
        if self._is_decorated:
            return frozenset()
        if self.kind is _Kind.TEXT and isinstance(self._stored, String | NullType):
            return frozenset({type(None), str})
        if self.kind is _Kind.NUMBER and not isinstance(self._stored, Float):
            return frozenset({type(None), str, int})
        return frozenset()

    def as_stored(self, value: Any) -> Any:
        """Return ``value`` as the database stores it, if that is certain."""
        if isinstance(self._stored, Uuid):
            return str(value).replace("-", "") if isinstance(value, str | UUID) else value
        if type(value) is str and isinstance(self._stored, Integer):
            number = plain_number(value)
            return value if number is None else number
        return value

    def holds(self, value: Any) -> bool:
        """Return whether the database finds and stores the same key by ``value``."""
        if self.kind is _Kind.OTHER:
            return True
        if self.kind is _Kind.TEXT:
            return self._is_text(value)
        sent = self.sent(value)
        return sent is None or self._is_exact(sent)

    def _is_text(self, value: Any) -> bool:
        if isinstance(self._stored, Enum):
            # Its values are names to the database.
            return True
        if not isinstance(self._stored, String | NullType):
            return value is None
        sent = self.sent(value)
        return sent is None or isinstance(sent, str)

    def _is_exact(self, sent: Any) -> bool:
        if isinstance(self._stored, Float):
            return isinstance(sent, Real | Decimal) and self._is_kept_by_float(float(sent))
        if isinstance(sent, Decimal):
            return sent.is_finite() and not (self._is_whole and sent % 1)
        if isinstance(sent, str | Integral):
            return True
        return isinstance(sent, Real) and self._is_kept_by_float(float(sent))

    def _is_kept_by_float(self, sent: float) -> bool:
        """Return whether no other key is the same float, and the key is made of it again."""
        if sent.is_integer() and not self._scale:
            return abs(sent) < 10**_FLOAT_DIGITS
        is_short = len(Decimal(repr(sent)).as_tuple().digits) <= _FLOAT_DIGITS
        return not self._is_whole and self._digits <= _FLOAT_DIGITS and is_short

    def is_rounding(self, value: Any) -> bool:
        """Return whether other values in the same expression could be rounded like ``value``."""
        if self.kind is not _Kind.NUMBER:
            return False
        sent = self.sent(value)
        return isinstance(self._stored, Float) or not (
            sent is None or isinstance(sent, str | Integral | Decimal)
        )

    def is_same_if_equal(self, value: Any) -> bool:
        """Return whether each value that is equal to ``value`` is the same key."""
        if self.kind is _Kind.NUMBER:
            # All of them are held, and the same number.
            return isinstance(value, Real | Decimal)
        if type(value) in _TIMES:
            return value.tzinfo is None
        return type(value).__eq__ is _IDENTITY


_CONVERSIONS: Final = ("bind_processor", "bind_expression", "result_processor", "column_expression")


def _converts(type_: TypeEngine[Any], *ways: str) -> bool:
    """Return whether a type converts values in one of ``ways``, other than SQLAlchemy's types."""
    functions = (getattr(type(type_), way) for way in ways)
    return not all(each.__module__.startswith("sqlalchemy.") for each in functions)


def _digits_and_scale(type_: TypeEngine[Any]) -> tuple[float, float]:
    """Return how many digits a type stores, and how many of them behind the point."""
    if not isinstance(type_, Numeric):
        return math.inf, 0
    if type_.precision is None:
        return math.inf, math.inf
    return type_.precision, type_.scale or 0


def _kind(type_: TypeEngine[Any]) -> _Kind:
    if isinstance(type_, String):
        return _Kind.TEXT
    return _Kind.NUMBER if is_exact_number(type_) else _Kind.OTHER
