"""What the ``FROM`` of a statement consists of, and what the statement itself joins in it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import ColumnElement
from sqlalchemy.sql import operators
from sqlalchemy.sql.elements import BinaryExpression, BooleanClauseList, ColumnClause, Grouping
from sqlalchemy.sql.expression import Alias, FromClause, Join, TableClause, TableSample
from sqlalchemy.sql.selectable import FromGrouping

from ..ownership.model import ParentKey

__all__ = ["Joined", "base_table", "conjuncts", "leaves", "ons"]


def base_table(element: FromClause) -> TableClause | None:
    """Return the table that ``element`` is, or is an alias of; ``None`` for anything else.

    Subqueries and CTEs are separate statements with their own plans.
    """
    while isinstance(element, Alias | TableSample):
        element = element.element
    return element if isinstance(element, TableClause) else None


class Joined:
    """The foreign keys that the statement itself joins to a guarded parent.

    A tied row that is joined to its parent cannot appear without it, and the parent has a
    predicate, so a second predicate on the parent is not needed. This holds for inner joins, and
    for an outer join with the tied table on its nullable side.
    """

    def __init__(self) -> None:
        self._leaves: set[FromClause] = set()
        self._pairs: set[tuple[FromClause, str, FromClause, str]] = set()

    def has(self, element: FromClause, tie: ParentKey) -> bool:
        # Only a parent in the same FROM is known to get a predicate.
        parents = {pair[2] for pair in self._pairs if pair[0] == element}
        return any(
            base_table(parent) is tie.parent
            and all(
                (element, ours, parent, theirs) in self._pairs
                for ours, theirs in zip(tie.columns, tie.parent_columns, strict=True)
            )
            for parent in parents
        )

    def walk(self, element: FromClause) -> None:
        if isinstance(element, FromGrouping):
            self.walk(element.element)
        elif isinstance(element, Join) and not element.full:
            self.walk(element.left)
            self.walk(element.right)
            if element.onclause is not None:
                nullable = set(leaves(element.right)) if element.isouter else None
                self._take(element.onclause, nullable)
        elif not isinstance(element, Join):
            self._leaves.add(element)

    def inner(self, criterion: ColumnElement[Any]) -> None:
        self._take(criterion, None)

    def _take(self, criterion: ColumnElement[Any], nullable: set[FromClause] | None) -> None:
        for left, right in _equalities(criterion):
            for child, parent in ((left, right), (right, left)):
                if child.table is None or parent.table is None:
                    continue
                if parent.table in self._leaves and (
                    nullable is None or (child.table in nullable and parent.table not in nullable)
                ):
                    self._pairs.add((child.table, child.name, parent.table, parent.name))


def ons(element: FromClause) -> Iterator[ColumnElement[Any]]:
    """Yield the ``ON`` of each join in ``element``."""
    if isinstance(element, FromGrouping):
        yield from ons(element.element)
    elif isinstance(element, Join):
        yield from ons(element.left)
        yield from ons(element.right)
        if element.onclause is not None:
            yield element.onclause


def leaves(element: FromClause) -> Iterator[FromClause]:
    """Yield the elements that ``element`` joins, or ``element`` itself if it is not a join."""
    if isinstance(element, FromGrouping):
        yield from leaves(element.element)
    elif isinstance(element, Join):
        yield from leaves(element.left)
        yield from leaves(element.right)
    else:
        yield element


def conjuncts(criterion: Any) -> Iterator[Any]:
    """Yield the conditions that ``AND`` combines in ``criterion``, or ``criterion`` itself."""
    if isinstance(criterion, Grouping):
        yield from conjuncts(criterion.element)
    elif isinstance(criterion, BooleanClauseList) and criterion.operator is operators.and_:
        for each in criterion.clauses:
            yield from conjuncts(each)
    else:
        yield criterion


def _equalities(
    criterion: ColumnElement[Any],
) -> Iterator[tuple[ColumnClause[Any], ColumnClause[Any]]]:
    for each in conjuncts(criterion):
        if (
            isinstance(each, BinaryExpression)
            and each.operator is operators.eq
            and isinstance(each.left, ColumnClause)
            and isinstance(each.right, ColumnClause)
        ):
            yield each.left, each.right
