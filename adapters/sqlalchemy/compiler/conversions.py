"""Comparisons that fail for some values: of unlike types, and with malformed patterns.

MariaDB converts a text that is compared with a number or a time, and the message about a text that
is none quotes it, if the statement writes. PostgreSQL refuses a pattern that ends with its escape
character, but only if a row matches what stands before it, which tells whether there is one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from sqlalchemy import BindParameter
from sqlalchemy.sql import operators
from sqlalchemy.sql.compiler import ilike_case_insensitive
from sqlalchemy.sql.elements import (
    BinaryExpression,
    ClauseList,
    ColumnClause,
    ExpressionClauseList,
    Grouping,
)
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import (
    Boolean,
    Date,
    DateTime,
    Enum,
    Integer,
    Interval,
    NullType,
    Numeric,
    String,
    Time,
    TupleType,
    TypeEngine,
)

from ..errors import UnguardedStatementError
from ..ownership.limits import undecorated

__all__ = [
    "PATTERNS",
    "compares_alike",
    "ends_pattern",
    "has_given_pattern",
    "is_text",
    "name_of",
    "pattern_of",
]

PATTERNS: Final = frozenset(
    {
        operators.like_op,
        operators.not_like_op,
        operators.ilike_op,
        operators.not_ilike_op,
        operators.startswith_op,
        operators.not_startswith_op,
        operators.endswith_op,
        operators.not_endswith_op,
        operators.contains_op,
        operators.not_contains_op,
    }
)
"""Operators that compare a text with a pattern."""

_IS: Final = frozenset(
    {
        operators.is_,
        operators.is_not,
        operators.is_true,
        operators.is_false,
        operators.concat_op,
        operators.comma_op,
        operators.and_,
        operators.or_,
    }
)
"""Operators that convert nothing."""

_KINDS: Final[tuple[tuple[type[TypeEngine[Any]] | tuple[type[TypeEngine[Any]], ...], str], ...]] = (
    (Enum, ""),
    (String, "text"),
    ((Boolean, Integer, Numeric), "number"),
    ((Date, DateTime, Interval, Time), "time"),
)
_NUMBERS: Final = frozenset({"length", "char_length", "count"})
_TEXTS: Final = frozenset({"lower", "upper"})
_UNKNOWN: Final = "unknown"


def compares_alike(comparison: BinaryExpression[Any]) -> bool:
    """Return whether no side of ``comparison`` is converted to the other's type."""
    operator: Any = comparison.operator
    if operator in _IS or operator in PATTERNS:
        return True
    left, right = comparison.left, comparison.right
    if isinstance(left.type, TupleType) or isinstance(right.type, TupleType):
        ours, theirs = (getattr(each.type, "types", ()) for each in (left, right))
        pairs = [{_kind_of(one), _kind_of(other)} for one, other in zip(ours, theirs, strict=False)]
        return all(map(_are_alike, pairs))
    return _are_alike({*_kinds(left), *_kinds(right)})


def _are_alike(kinds: set[str]) -> bool:
    kinds.discard("")
    # A column of a table() may have any type. If it is a number, only the other text is converted.
    return kinds != {_UNKNOWN} and (len(kinds) <= 1 or kinds == {_UNKNOWN, "text"})


def _kinds(side: Any) -> Iterator[str]:
    if isinstance(side, Grouping):
        yield from _kinds(side.element)
    elif isinstance(side, ClauseList | ExpressionClauseList):
        for each in side.clauses:
            yield from _kinds(each)
    elif isinstance(side, FunctionElement) and (name := name_of(side)):
        if name in _NUMBERS:
            yield "number"
        elif name in _TEXTS:
            yield "text"
        else:
            yield _kind_of(side.type)
    else:
        yield _kind_of(side.type)


def _kind_of(type_: TypeEngine[Any]) -> str:
    stored = undecorated(type_)
    if isinstance(stored, NullType):
        return _UNKNOWN
    return next((kind for types, kind in _KINDS if isinstance(stored, types)), "")


def name_of(function: Any) -> str:
    """Return the name of a function of the database's own, in lower case; empty for any other."""
    # One in a schema may have the name of another.
    if getattr(function, "packagenames", ()):
        return ""
    return str(getattr(function, "name", "")).lower()


def is_text(element: Any) -> bool:
    """Return whether ``element`` may be a text, of which MariaDB would make a truth value."""
    if isinstance(element, ColumnClause):
        return not element.is_literal and _kind_of(element.type) in ("text", _UNKNOWN)
    return isinstance(element, FunctionElement) and "text" in _kinds(element)


def has_given_pattern(comparison: BinaryExpression[Any]) -> bool:
    """Return whether ``comparison`` has no pattern, or one that no row has a part in."""
    return comparison.operator not in PATTERNS or pattern_of(comparison) is not None


def pattern_of(comparison: BinaryExpression[Any]) -> BindParameter[Any] | None:
    """Return the parameter with which the pattern of ``comparison`` ends; ``None`` if none does."""
    last: Any = comparison.right
    while True:
        if isinstance(last, Grouping | ilike_case_insensitive):
            last = last.element
        elif isinstance(last, BinaryExpression) and last.operator is operators.concat_op:
            last = last.right
        else:
            return last if isinstance(last, BindParameter) else None


def ends_pattern(value: Any, escape: str) -> None:
    """Refuse a pattern that ends with its escape character.

    Raises:
        UnguardedStatementError: it does. Whether PostgreSQL refuses it depends on rows that may be
            another tenant's.
    """
    text = value.decode("latin-1") if isinstance(value, bytes) else value
    if isinstance(text, str) and (len(text) - len(text.rstrip(escape))) % 2:
        raise UnguardedStatementError(
            "a pattern of LIKE ends with its escape character, and the database would refuse it or "
            "not depending on other tenants' rows: double the character, or use "
            "contains(..., autoescape=True) and its like"
        )
