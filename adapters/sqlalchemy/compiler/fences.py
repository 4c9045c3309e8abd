"""Fences around subqueries: they keep a statement's conditions out of the rows of other tenants.

A database merges a subquery or CTE into the statement around it, or moves conditions from there
into it. There they would be evaluated next to the guard's predicate, maybe before it, see
``evaluation.py``. No database does so with a subquery that has a ``LIMIT`` or ``OFFSET``. A
subquery gets one, without effect, if it reads rows that could be another tenant's and something
outside of it, or one of its columns, could fail.

https://www.sqlite.org/optoverview.html#subquery_flattening
https://www.postgresql.org/docs/current/sql-select.html (``WITH`` queries)
https://mariadb.com/kb/en/condition-pushdown-into-derived-table-optimization/
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy.sql.expression import CompoundSelect, Delete, FromClause, Update

from ..databases import Database, Risk
from .evaluation import only_if, risk_of_columns
from .joins import leaves
from .placement import Plan

__all__ = ["Fences", "least", "settle_columns", "sorts_by_risk"]


@dataclass(slots=True)
class _Level:
    """A ``SELECT`` or set operation that is being rendered.

    Attributes:
        is_nested: whether the statement around it could evaluate its columns early.
        is_from: whether it is a subquery in ``FROM`` or a CTE, or a part of one.
        is_part: whether it is a part of a set operation, whose syntax allows no fence here.
        is_recursive: whether it is a recursive CTE, which no database merges.
        is_fenced: whether it has a fence.
        risk: what its columns, or conditions outside, could do on the rows that it reads.
        reached_by: the least risk with which they could do it on another tenant's row;
            ``NONE`` if it reads no rows of tenants.
    """

    is_nested: bool = False
    is_from: bool = False
    is_part: bool = False
    is_recursive: bool = False
    is_fenced: bool = False
    risk: Risk = Risk.NONE
    reached_by: Risk = Risk.NONE

    def is_exposed(self) -> bool:
        """Return whether something could be evaluated on another tenant's row."""
        return Risk.NONE < self.reached_by <= self.risk


class Fences:
    """Puts fences into one statement.

    Args:
        database: the database that it is for.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._levels: list[_Level] = []
        self._next: _Level | None = None

    @contextmanager
    def around(self, risk: Risk, *, is_recursive: bool = False) -> Generator[_Level, None, None]:
        """Render a subquery in ``FROM``, or the body of a CTE, within this context.

        Args:
            risk: what the conditions outside could do in it.
            is_recursive: whether it is a recursive CTE.
        """
        outer = self._next
        level = _Level(is_nested=True, is_from=True, is_recursive=is_recursive, risk=risk)
        self._next = level
        try:
            yield level
        finally:
            self._next = outer

    def enter(self, enclosing: Any) -> None:
        """Begin a ``SELECT`` or set operation.

        Args:
            enclosing: the statement that it is a part of; ``None`` if it is the whole.
        """
        level, self._next = self._next, None
        if level is None:
            level = self._within(enclosing)
        self._levels.append(level)

    def _within(self, enclosing: Any) -> _Level:
        outer = self._levels[-1] if self._levels else None
        if isinstance(enclosing, CompoundSelect) and outer is not None:
            return _Level(is_nested=outer.is_nested, is_from=outer.is_from, is_part=True)
        # The rows of a SELECT in an INSERT are computed like those of one that stands alone.
        return _Level(is_nested=outer is not None or isinstance(enclosing, Update | Delete))

    def read_columns(self, state: Any, froms: Iterable[FromClause]) -> Risk:
        """Note what the columns of the innermost ``SELECT`` could do.

        Args:
            state: SQLAlchemy's compile state.
            froms: the elements of its ``FROM``.

        Returns:
            the risk that no fence removes, since the database allows none in this place.
        """
        level = self._levels[-1]
        if not level.is_nested:
            return Risk.NONE
        rows = frozenset(leaf for each in froms for leaf in leaves(each))
        risk = risk_of_columns(_columns_of(state), rows)
        if not (level.is_from or self._database.fences_everywhere):
            return risk
        level.risk = max(level.risk, risk)
        return Risk.NONE

    def read_rows(self, plan: Plan) -> None:
        """Note which rows the innermost ``SELECT`` reads."""
        level = self._levels[-1]
        if plan.tied:
            level.reached_by = Risk.LATE
        elif plan.owned:
            level.reached_by = self._database.owned_reached_by

    def fence(self, statement: Any) -> str:
        """Return the fence of the innermost ``SELECT`` or set operation, or an empty text.

        Call it when everything but a lock has been rendered.
        """
        level = self._levels[-1]
        if level.is_recursive or level.is_part or level.is_fenced or not level.is_exposed():
            return ""
        # private: LIMIT, OFFSET or FETCH.
        if statement._has_row_limiting_clause:
            return ""
        level.is_fenced = True
        return f" {self._database.fence}"

    def leave(self, statement: Any) -> str:
        """End the innermost ``SELECT`` or set operation, and return its :meth:`fence`."""
        fence = self.fence(statement)
        level = self._levels.pop()
        if not self._levels or level.is_fenced or statement._has_row_limiting_clause:
            return fence
        outer = self._levels[-1]
        if level.is_part:
            outer.risk = max(outer.risk, level.risk)
        outer.reached_by = least(outer.reached_by, level.reached_by)
        return fence


def least(first: Risk, second: Risk) -> Risk:
    """Return the lower of two risks of which ``NONE`` stands for no rows of tenants."""
    return min(first, second) or max(first, second)


def settle_columns(state: Any, plan: Plan) -> None:
    """Have the columns of a ``SELECT`` computed for this tenant's rows only."""

    def settled(column: Any) -> Any:
        condition = plan.settle(column)
        return column if condition is None else only_if(condition, column)

    # private: the columns, each with its names, of a state that is used once.
    state.columns_plus_names = [
        (*names, settled(column), repeated) for *names, column, repeated in state.columns_plus_names
    ]


def sorts_by_risk(select: Any, state: Any) -> bool:
    """Return whether the rows of ``select`` are sorted by something that could fail.

    Args:
        select: the ``SELECT``.
        state: SQLAlchemy's compile state.
    """
    sorted_by = (*select._order_by_clauses, *select._group_by_clauses)
    if not sorted_by and not select._distinct:
        return False
    # Columns may be named by a label.
    return risk_of_columns((*sorted_by, *_columns_of(state)), ()) is not Risk.NONE


def _columns_of(state: Any) -> Iterator[Any]:
    # private: the columns of the compile state of a SELECT, each with its names.
    return (column for *_, column, _ in state.columns_plus_names)
