"""Decide where the tenant predicates of a statement go.

A :class:`Plan` is made once per ``SELECT``, ``UPDATE`` or ``DELETE``, from the elements of its
``FROM``. It uses only SQLAlchemy's public constructs; the compiler puts the predicates into the
SQL.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeAlias

from sqlalchemy import ColumnElement, and_, or_
from sqlalchemy.sql import operators
from sqlalchemy.sql.elements import BinaryExpression, BooleanClauseList, ColumnClause, Grouping
from sqlalchemy.sql.expression import Alias, FromClause, Join, TableClause, TableSample
from sqlalchemy.sql.selectable import FromGrouping

from ..ownership.model import ColumnOwnership, Ownership, ParentKey, ParentOwnership
from .chains import chain_along
from .predicates import Predicates, column_of

__all__ = ["Plan", "base_table", "leaves"]

OwnershipOf: TypeAlias = Callable[[TableClause], Ownership | None]
Criteria: TypeAlias = list[ColumnElement[bool]]


def base_table(element: FromClause) -> TableClause | None:
    """Return the table that ``element`` is, or is an alias of; ``None`` for anything else.

    Subqueries and CTEs are separate statements with their own plans.
    """
    while isinstance(element, Alias | TableSample):
        element = element.element
    return element if isinstance(element, TableClause) else None


class Plan:
    """Where the predicates of one statement go.

    Attributes:
        where: criteria for the statement's own ``WHERE``.
        on: criteria for the ``ON`` of outer joins, by join.
        derived: elements to replace by a filtered derived table, with the criteria.
        covered: every tenant-aware element that one of these confines.
        tied: the elements whose rows belong to a tenant through a parent, with their ownership.
        keeps_tables: whether to avoid derived tables where possible.
        is_joined: whether the guard built the statement and joined tied tables to their parents.
    """

    __slots__ = (
        "_predicates",
        "_rendered",
        "_rule_for",
        "covered",
        "derived",
        "is_joined",
        "keeps_tables",
        "on",
        "tied",
        "where",
    )

    def __init__(self, ownership_of: OwnershipOf, predicates: Predicates) -> None:
        self._rule_for = ownership_of
        self._predicates = predicates
        self.where: Criteria = []
        self.on: dict[Join, Criteria] = {}
        self.derived: dict[FromClause, Criteria] = {}
        self.covered: set[FromClause] = set()
        self.tied: list[tuple[FromClause, ParentOwnership]] = []
        self.keeps_tables = False
        self.is_joined = False
        self._rendered: set[tuple[object, ...]] = set()

    def renders(self, place: tuple[object, ...]) -> bool:
        """Note that a table is rendered in a place; return whether this is the first time."""
        is_first = place not in self._rendered
        self._rendered.add(place)
        return is_first

    def add(
        self, elements: Iterable[FromClause], criteria: Iterable[ColumnElement[Any]] = ()
    ) -> Plan:
        """Add the elements of a ``FROM``, and return this plan.

        Args:
            elements: the comma-separated elements.
            criteria: the statement's own criteria, which may already join a foreign key to its
                parent.
        """
        elements = list(elements)
        proven = _Joined()
        for element in elements:
            proven.walk(element)
        for criterion in criteria:
            proven.inner(criterion)
        for element in elements:
            if not self._place_plain_full_join(element):
                self._place(element, self.where, proven)
        return self

    def _place_plain_full_join(self, element: FromClause) -> bool:
        """Confine a full join of two tables without derived tables.

        With the predicates in ``ON``, another tenant's rows match nothing and come out alone, and
        ``WHERE`` removes them. The result is the same, but the database must read both tables
        completely, so this is only for statements that need the tables themselves.
        """
        if not isinstance(element, Join) or not element.full:
            return False
        sides = (element.left, element.right)
        sampled = any(isinstance(side, TableSample) for side in sides)
        if not (self.keeps_tables or sampled):
            return False
        tables = [base_table(side) for side in sides]
        if any(table is None or self._rule_for(table) is None for table in tables):
            return False
        both = [and_(*self._criteria(side, None)) for side in sides]
        self.on[element] = both
        self.where.append(or_(*both))
        return True

    def _place(self, element: FromClause, sink: Criteria, proven: _Joined) -> None:
        if isinstance(element, FromGrouping):
            self._place(element.element, sink, proven)
        elif isinstance(element, Join):
            if element.full:
                # Neither WHERE nor ON would do: both change the rows of one side that match
                # nothing. So both sides are filtered before the join.
                self._derive(element)
                return
            self._place(element.left, sink, proven)
            if element.isouter:
                on: Criteria = []
                self._place(element.right, on, proven)
                if on:
                    self.on[element] = on
            else:
                self._place(element.right, sink, proven)
        else:
            sink.extend(self._criteria(element, proven))

    def _derive(self, element: FromClause) -> None:
        if isinstance(element, FromGrouping):
            self._derive(element.element)
        elif isinstance(element, Join):
            self._derive(element.left)
            self._derive(element.right)
        else:
            criteria = list(self._criteria(element, None))
            if criteria:
                self.derived[element] = criteria

    def _criteria(
        self, element: FromClause, proven: _Joined | None
    ) -> Iterator[ColumnElement[bool]]:
        table = base_table(element)
        if table is None:
            return
        rule = self._rule_for(table)
        if rule is None:
            return
        self._cover(element)
        if isinstance(rule, ColumnOwnership):
            yield self._predicates.own(element, rule)
            return
        if self.is_joined:
            return
        self.tied.append((element, rule))
        for tie in rule.parent_keys:
            if proven is None or not proven.has(element, tie):
                yield self._predicates.tied(element, chain_along(tie, self._rule_for))

    def settled(self, elements: Iterable[FromClause] | None = None) -> ColumnElement[bool] | None:
        """Return a condition that is true if each tied row is this tenant's or is missing.

        Args:
            elements: the elements of the ``FROM`` to consider; all of them if left out.
        """
        counts = None if elements is None else set(elements)
        found = [
            or_(
                column_of(element, tie.columns[0]).is_(None),
                self._predicates.tied(element, chain_along(tie, self._rule_for)),
            )
            for element, ownership in self.tied
            if counts is None or element in counts
            for tie in ownership.parent_keys
        ]
        return and_(*found) if found else None

    def _cover(self, element: FromClause) -> None:
        self.covered.add(element)
        while isinstance(element, Alias | TableSample):
            element = element.element
            self.covered.add(element)


class _Joined:
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


def leaves(element: FromClause) -> Iterator[FromClause]:
    """Yield the elements that ``element`` joins, or ``element`` itself if it is not a join."""
    if isinstance(element, FromGrouping):
        yield from leaves(element.element)
    elif isinstance(element, Join):
        yield from leaves(element.left)
        yield from leaves(element.right)
    else:
        yield element


def _equalities(
    criterion: Any,
) -> Iterator[tuple[ColumnClause[Any], ColumnClause[Any]]]:
    if isinstance(criterion, Grouping):
        yield from _equalities(criterion.element)
    elif isinstance(criterion, BooleanClauseList) and criterion.operator is operators.and_:
        for each in criterion.clauses:
            yield from _equalities(each)
    elif (
        isinstance(criterion, BinaryExpression)
        and criterion.operator is operators.eq
        and isinstance(criterion.left, ColumnClause)
        and isinstance(criterion.right, ColumnClause)
    ):
        yield criterion.left, criterion.right
