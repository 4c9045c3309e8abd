"""Copies of statements and compile states with small changes, by their private names.

Nothing here changes its arguments.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, cast

from sqlalchemy import BindParameter, false, select, tuple_
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import (
    BooleanClauseList,
    ClauseElement,
    False_,
    Grouping,
    Null,
    TextClause,
    True_,
)
from sqlalchemy.sql.expression import FromClause, Join, SelectBase
from sqlalchemy.sql.visitors import iterate

from .evaluation import conjuncts, only_if
from .joins import leaves
from .placement import Plan
from .predicates import column_of

__all__ = [
    "Parenthesized",
    "PreparedState",
    "copy_of",
    "further_tables",
    "is_extension_of",
    "own_criteria",
    "parenthesize",
    "parenthesize_value",
    "select_keys_first",
    "state_of",
    "with_criteria",
]


class PreparedState:
    """Passes a compile state that was already completed to ``visit_*``."""

    def __init__(self, state: Any) -> None:
        # private: SQLCompiler.visit_insert() and the like get their compile state from this
        # attribute of the statement, and everything else from the state.
        self._compile_state_factory = lambda *args, **kw: state


def is_extension_of(statement: Any, element: Any) -> bool:
    """Return whether a syntax extension put ``element`` after the criteria of ``statement``."""
    # private: new in 2.1.
    return any(
        getattr(statement, name, None) is element
        for name in ("_post_criteria_clause", "_post_body_clause")
    )


def further_tables(state: Any) -> list[FromClause]:
    """Return the other tables of ``UPDATE ... FROM`` and ``DELETE ... USING``."""
    # private: if the target is a join, this includes its own tables.
    own = set(leaves(state.statement.table))
    return [each for each in state._extra_froms if each not in own]


def with_criteria(statement: Any, plan: Plan) -> Any:
    """Return ``statement`` with the plan's criteria before its own.

    Args:
        statement: a statement with a ``WHERE``.
        plan: the plan with the criteria.
    """
    own = own_criteria(statement._where_criteria, plan)
    if not plan.where and own is None:
        return statement
    statement = statement._clone()  # private: a shallow copy
    own = parenthesize(statement._where_criteria) if own is None else own
    statement._where_criteria = (*plan.where, *own)
    return statement


def own_criteria(criteria: Iterable[Any], plan: Plan, join: Join | None = None) -> list[Any] | None:
    """Return the application's conditions, where one must not be evaluated before another.

    Args:
        criteria: the conditions.
        plan: the plan of the statement.
        join: the join in whose ``ON`` they are.

    Returns:
        ``None`` if the order does not matter for any of them.
    """
    if not plan.may_settle():
        return None
    terms = [(term, plan.settle(term, join)) for each in criteria for term in conjuncts(each)]
    if all(settled is None for _, settled in terms):
        return None
    wrapped = zip(parenthesize(term for term, _ in terms), terms, strict=True)
    return [
        term if settled is None else only_if(settled, term, false())
        for term, (_, settled) in wrapped
    ]


def select_keys_first(statement: Any, key: Sequence[str]) -> Any:
    """Return a ``DELETE`` that finds all its rows before it deletes the first one.

    SQLite (up to 3.40) and MariaDB delete while they search, and run a subquery when they first
    need its value. A subquery on a tied table also reads its parents, through the guard, and
    finds too few rows if these have already been deleted. The list of keys is needed for the
    first row, and so is complete before any row is deleted.

    Args:
        statement: the ``DELETE``.
        key: the names of the columns in its table's primary key.
    """
    table = statement.table
    if not any(
        isinstance(part, SelectBase) for each in statement._where_criteria for part in iterate(each)
    ):
        return statement
    columns = [column_of(table, name) for name in key]
    found = (
        select(*columns)
        .select_from(table)
        .where(*statement._where_criteria)
        .distinct()
        .correlate(None)
        .subquery()
    )
    statement = statement._clone()  # private: a shallow copy
    statement._where_criteria = (tuple_(*columns).in_(select(*found.c)),)
    return statement


class Parenthesized(Grouping[Any]):
    """Parentheses whose content the guard checks: it must not be able to close them."""

    __visit_name__ = "tenantshield_parenthesized"
    inherit_cache = False


def parenthesize(criteria: Iterable[Any]) -> list[Any]:
    """Return each of ``criteria`` in parentheses.

    SQLAlchemy adds none around raw SQL, and ``text("paid OR overdue")`` next to
    ``AND tenant = :tenant`` would return the overdue rows of every tenant.
    """
    return [
        each
        if isinstance(each, True_ | False_)
        or (isinstance(each, BooleanClauseList) and not each.clauses)
        else Parenthesized(each)
        for each in criteria
    ]


def parenthesize_value(value: Any) -> Any:
    """Return the value of a column, in parentheses if it is an expression.

    Otherwise ``text("1, tenant_id = 'other'")`` would set a second column.
    """
    if hasattr(value, "__clause_element__"):
        value = value.__clause_element__()
    if not isinstance(value, ClauseElement) or isinstance(value, BindParameter | Null):
        return value
    if isinstance(value, TextClause) and value.text.strip().upper() == "DEFAULT":
        return value
    return Parenthesized(cast("Any", value))


def copy_of(clause: Any, **changes: Any) -> Any:
    """Return a copy of ``clause`` with other attributes."""
    changed = copy.copy(clause)
    changed.__dict__.update(changes)
    return changed


_NOT_FOR_THE_STATE: Final = frozenset({"visiting_cte", "visited_bindparam"})
"""Arguments that ``visit_insert()`` and the like do not pass to the compile state."""


def state_of(statement: Any, compiler: SQLCompiler, kw: Mapping[str, Any]) -> Any:
    """Return the compile state that ``visit_insert()`` and the like would create."""
    own = {key: value for key, value in kw.items() if key not in _NOT_FOR_THE_STATE}
    return statement._compile_state_factory(statement, compiler, **own)
