"""Conditions that could fail on a row before the guard's predicate has excluded the row.

A database evaluates the terms of a ``WHERE`` in any order, cheap ones first, and an ``EXISTS``
is expensive. ``CAST(price AS INTEGER) > 5`` next to the ``EXISTS`` of a tied table is therefore
evaluated on every tenant's rows, and the error that it raises on another tenant's row reveals
the value. So such a term is wrapped in ``CASE``, which guarantees that the predicate is evaluated
first. Subqueries, into which a database moves terms from outside, are fenced, see ``fences.py``.

https://www.postgresql.org/docs/current/sql-expressions.html#SYNTAX-EXPRESS-EVAL
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Any, Final

from sqlalchemy import BindParameter, Boolean, ColumnElement, case, false, func
from sqlalchemy.sql import operators
from sqlalchemy.sql.elements import (
    BinaryExpression,
    BooleanClauseList,
    Case,
    Cast,
    ClauseList,
    ColumnClause,
    ExpressionClauseList,
    False_,
    FunctionFilter,
    Grouping,
    Label,
    Null,
    Over,
    True_,
    UnaryExpression,
    WithinGroup,
)
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.selectable import FromClause, ScalarSelect, Select, SelectBase
from sqlalchemy.sql.visitors import iterate

from ..databases import Risk
from .conversions import PATTERNS, compares_alike, has_given_pattern, is_text, name_of

__all__ = [
    "conjuncts",
    "could_be_cheap",
    "kept_in_groups",
    "may_fail",
    "only_if",
    "risk_of",
    "risk_of_columns",
]


_COMPARISONS: Final = PATTERNS | frozenset(
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
    }
)
"""Operators that never raise, whatever the values in a row."""

_FUNCTIONS: Final = frozenset(
    {"coalesce", "lower", "upper", "length", "char_length", "nullif", "starts_with"}
)
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

_FREE: Final = frozenset(
    {
        operators.and_,
        operators.or_,
        operators.inv,
        operators.is_,
        operators.is_not,
        operators.is_distinct_from,
        operators.is_not_distinct_from,
        operators.is_true,
        operators.is_false,
    }
)
"""Operators that PostgreSQL does not count in the price of a condition."""

_PATTERNS: Final = frozenset({operators.regexp_match_op, operators.not_regexp_match_op})

_AGGREGATES: Final = frozenset(
    {
        *("any_value", "array_agg", "avg", "bit_and", "bit_or", "bit_xor", "bool_and", "bool_or"),
        *("count", "every", "group_concat", "json_agg", "json_arrayagg", "json_group_array"),
        *("json_group_object", "json_object_agg", "json_objectagg", "jsonb_agg"),
        *("jsonb_object_agg", "max", "min", "std", "stddev", "stddev_pop", "stddev_samp"),
        *("string_agg", "sum", "total", "var_pop", "var_samp", "variance", "xmlagg"),
    }
)
"""Functions of groups of rows."""


def may_fail(condition: Any, rows: Collection[FromClause] = ()) -> bool:
    """Return whether ``condition`` could raise for some value in a row.

    Everything could that is not known never to raise.

    Args:
        condition: the condition.
        rows: the elements of the ``FROM`` whose rows may be another tenant's.
    """
    # Also in subqueries, which may refer to the row of the enclosing statement.
    return not all(_is_harmless(part, rows) for part in iterate(condition))


def _is_harmless(part: Any, rows: Collection[FromClause]) -> bool:
    match part:
        case ColumnClause():
            return not part.is_literal or part.name in _ANYTHING
        case BinaryExpression():
            return (
                part.operator in _COMPARISONS and compares_alike(part) and has_given_pattern(part)
            )
        case BooleanClauseList() | UnaryExpression():
            if part.operator in (operators.and_, operators.or_, operators.inv):
                return not any(map(is_text, part.get_children()))
            return part.operator is None or part.operator in _COMPARISONS
        case FunctionElement():
            return name_of(part) in _FUNCTIONS
        case ScalarSelect():
            return not rows or _has_one_row(part.element) or not _refers_to(part, rows)
        case _:
            return isinstance(part, _PLAIN)


def _has_one_row(query: Any) -> bool:
    """Return whether ``query`` cannot raise by returning more than one row."""
    if query._has_row_limiting_clause:  # private: LIMIT, OFFSET or FETCH
        return True
    # A set operation may have more rows even so.
    columns = list(query.selected_columns) if isinstance(query, Select) else []
    # private: there is no public way to tell whether a SELECT has a GROUP BY.
    return bool(columns) and not query._group_by_clauses and all(map(_has_aggregate, columns))


def _refers_to(query: Any, rows: Collection[FromClause]) -> bool:
    return any(isinstance(part, ColumnClause) and part.table in rows for part in iterate(query))


def _has_aggregate(column: Any) -> bool:
    """Return whether ``column`` is computed from groups of rows or a window."""
    pending = [column]
    while pending:
        part = pending.pop()
        if isinstance(part, FunctionFilter | WithinGroup | Over):
            return True
        if isinstance(part, FunctionElement) and name_of(part) in _AGGREGATES:
            return True
        if not isinstance(part, SelectBase | ScalarSelect):
            pending.extend(part.get_children())
    return False


def risk_of_columns(columns: Iterable[Any], rows: Collection[FromClause]) -> Risk:
    """Return what ``columns`` could do if they were evaluated before a ``WHERE``.

    An aggregate is not: it is computed from the rows that are left.
    """
    return max(
        (_risk_of_value(each, rows) for each in columns if not _has_aggregate(each)),
        default=Risk.NONE,
    )


def risk_of(condition: Any, rows: Collection[FromClause] = ()) -> Risk:
    """Return what ``condition`` could do on a row that another condition excludes.

    Args:
        condition: the condition.
        rows: the elements of the ``FROM`` whose rows may be another tenant's.
    """
    return Risk.LATE if is_text(condition) else _risk_of_value(condition, rows)


def _risk_of_value(condition: Any, rows: Collection[FromClause]) -> Risk:
    if not may_fail(condition, rows):
        return Risk.NONE
    return Risk.FIRST if could_be_cheap(condition) and _is_cheap(condition) else Risk.LATE


def could_be_cheap(condition: Any) -> bool:
    """Return whether ``condition`` is more than a plain comparison; most are not."""
    if not isinstance(condition, BinaryExpression):
        return True
    if condition.operator in _PATTERNS:
        # One from a column may be malformed.
        return not isinstance(condition.right, BindParameter)
    return condition.operator in _FREE or _is_truth(condition)


def _is_cheap(condition: Any) -> bool:
    """Return whether a database that sorts conditions by their price may evaluate this one first.

    PostgreSQL does: a function has the price of a comparison, and more if it is compared with
    anything. Of equal conditions, a comparison with a constant comes last.

    https://github.com/postgres/postgres/blob/master/src/backend/optimizer/plan/createplan.c
    (``order_qual_clauses()``)
    """
    price = 0
    for part in iterate(condition):
        match part:
            case SelectBase():
                return False
            case BinaryExpression():
                price += part.operator not in _FREE and not _is_truth(part)
            case FunctionElement():
                # PostGIS declares higher prices, and finds an index for some of its functions.
                price += 2 if name_of(part).startswith("st_") else 1
            case Cast():
                price += 1
            case _:
                pass
    return price <= 1


def _is_truth(comparison: BinaryExpression[Any]) -> bool:
    """Return whether ``comparison`` is ``f(x) = true``, which is simplified to ``f(x)``."""
    if comparison.operator not in (operators.eq, operators.ne):
        return False
    sides = (comparison.left, comparison.right)
    return any(isinstance(side.type, Boolean) for side in sides)


def conjuncts(condition: Any) -> Iterator[Any]:
    """Yield the terms that ``AND`` joins in ``condition``."""
    if isinstance(condition, BooleanClauseList) and condition.operator is operators.and_:
        for each in condition.clauses:
            yield from conjuncts(each)
    else:
        yield condition


def only_if(settled: ColumnElement[bool], value: Any, otherwise: Any = None) -> ColumnElement[Any]:
    """Return ``value`` where ``settled`` is true, which is evaluated before it."""
    return case((settled, value), else_=otherwise)


def kept_in_groups(conditions: Iterable[Any]) -> list[ColumnElement[Any]]:
    """Return the conditions of a ``HAVING``, with those that may fail kept there.

    A condition without an aggregate is moved to the ``WHERE``. The number of rows is always at
    least 0.
    """
    counted = func.count() >= 0
    terms = [term for each in conditions for term in conjuncts(each)]
    return [only_if(counted, term, false()) if risk_of(term) else term for term in terms]
