"""Conditions that could fail on a row before the guard's predicate has excluded the row.

A database evaluates the terms of a ``WHERE`` in any order, cheap ones first, and an ``EXISTS``
is expensive. ``CAST(price AS INTEGER) > 5`` next to the ``EXISTS`` of a tied table is therefore
evaluated on every tenant's rows, and the error that it raises on another tenant's row reveals
the value. So such a term is wrapped in ``CASE``, which guarantees that the predicate is evaluated
first.

https://www.postgresql.org/docs/current/sql-expressions.html#SYNTAX-EXPRESS-EVAL
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from sqlalchemy import BindParameter, ColumnElement, case, false
from sqlalchemy.sql import operators
from sqlalchemy.sql.elements import (
    BinaryExpression,
    BooleanClauseList,
    Case,
    ClauseList,
    ColumnClause,
    ExpressionClauseList,
    False_,
    Grouping,
    Label,
    Null,
    True_,
    UnaryExpression,
)
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.selectable import FromClause, ScalarSelect, SelectBase
from sqlalchemy.sql.visitors import iterate

__all__ = ["conjuncts", "may_fail", "settled_first"]

_COMPARISONS: Final = frozenset(
    {
        operators.eq,
        operators.ne,
        operators.lt,
        operators.le,
        operators.gt,
        operators.ge,
        operators.is_,
        operators.is_not,
        operators.is_distinct_from,
        operators.is_not_distinct_from,
        operators.in_op,
        operators.not_in_op,
        operators.like_op,
        operators.not_like_op,
        operators.ilike_op,
        operators.not_ilike_op,
        operators.between_op,
        operators.not_between_op,
        operators.and_,
        operators.or_,
        operators.inv,
        operators.is_true,
        operators.is_false,
        operators.comma_op,
        operators.exists,
        operators.concat_op,
        operators.startswith_op,
        operators.not_startswith_op,
        operators.endswith_op,
        operators.not_endswith_op,
        operators.contains_op,
        operators.not_contains_op,
    }
)
"""Operators that never raise, whatever the values in a row."""

_FUNCTIONS: Final = frozenset({"coalesce", "lower", "upper", "length", "char_length", "nullif"})
"""Functions that never raise, and that may have an index."""

_PLAIN: Final = (
    BindParameter,
    Case,
    ClauseList,
    ExpressionClauseList,
    False_,
    FromClause,
    Grouping,
    Label,
    Null,
    ScalarSelect,
    SelectBase,
    True_,
)
"""Elements that only combine other elements."""

_ANYTHING: Final = frozenset({"*", "1"})
"""The literal columns in an ``EXISTS``."""


def may_fail(condition: Any) -> bool:
    """Return whether ``condition`` could raise for some value in a row.

    Everything could that is not known never to raise.
    """
    # Also in subqueries, which may refer to the row of the enclosing statement.
    return not all(map(_is_harmless, iterate(condition)))


def _is_harmless(part: Any) -> bool:
    match part:
        case ColumnClause():
            return not part.is_literal or part.name in _ANYTHING
        case BinaryExpression() | BooleanClauseList() | UnaryExpression():
            return part.operator is None or part.operator in _COMPARISONS
        case FunctionElement():
            return getattr(part, "name", "").lower() in _FUNCTIONS
        case _:
            return isinstance(part, _PLAIN)


def conjuncts(condition: Any) -> Iterator[Any]:
    """Yield the terms that ``AND`` joins in ``condition``."""
    if isinstance(condition, BooleanClauseList) and condition.operator is operators.and_:
        for each in condition.clauses:
            yield from conjuncts(each)
    else:
        yield condition


def settled_first(
    conditions: Iterable[Any], settled: ColumnElement[bool] | None
) -> list[ColumnElement[Any]]:
    """Return ``conditions``, with those that may fail evaluated only after ``settled``.

    Args:
        conditions: the application's own conditions.
        settled: a condition that is true for this tenant's rows; ``None`` if the order of
            evaluation does not matter.
    """
    if settled is None:
        return list(conditions)
    return [case((settled, term), else_=false()) if may_fail(term) else term for term in conditions]
