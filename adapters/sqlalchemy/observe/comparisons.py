"""Whether a statement compares the tenant itself, as code without the guard must."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, Table
from sqlalchemy.sql import operators
from sqlalchemy.sql.elements import BinaryExpression, ColumnClause
from sqlalchemy.sql.expression import FromClause

from ..compiler.joins import base_table, conjuncts
from ..ownership.model import ColumnOwnership, Ownership
from ..snapshots import foreign_keys_of

__all__ = ["Comparisons"]

IsTenants = Callable[[ColumnOwnership, BindParameter[Any]], bool]


@dataclass
class Comparisons:
    """The elements of a statement that are compared with the tenant.

    An element counts as compared if ``AND`` combines, in ``WHERE`` or ``ON``, its tenant column
    with a value, or if it is joined by a whole foreign key, or by the tenant, to one that is.

    Args:
        owned: the elements with tenants' rows.
        is_tenants: whether a parameter holds the tenant in scope.

    Attributes:
        others: the elements that are compared with another tenant.
    """

    owned: dict[FromClause, Ownership]
    is_tenants: IsTenants
    others: set[FromClause] = field(default_factory=set)
    _compared: set[FromClause] = field(default_factory=set)
    _pairs: set[tuple[FromClause, str, FromClause, str]] = field(default_factory=set)

    def add(self, terms: Iterable[ColumnElement[Any]]) -> None:
        """Take in the conditions of one ``SELECT``, ``UPDATE`` or ``DELETE``."""
        for term in terms:
            for each in conjuncts(term):
                if isinstance(each, BinaryExpression):
                    self._take(each)

    def missing(self) -> list[FromClause]:
        """Return the elements that are not compared with the tenant."""
        reached = set(self._compared)
        waiting = list(reached)
        while waiting:
            element = waiting.pop()
            for other in self._joined_to(element):
                if other not in reached:
                    reached.add(other)
                    waiting.append(other)
        return [each for each in self.owned if each not in reached]

    def _take(self, comparison: BinaryExpression[Any]) -> None:
        if comparison.operator not in {operators.eq, operators.in_op}:
            return
        left, right = comparison.left, comparison.right
        if isinstance(left, ColumnClause) and isinstance(right, ColumnClause):
            if left.table is not None and right.table is not None:
                self._pairs.add((left.table, left.name, right.table, right.name))
                self._pairs.add((right.table, right.name, left.table, left.name))
            return
        for column, value in ((left, right), (right, left)):
            if not isinstance(column, ColumnClause):
                continue
            element: Any = column.table
            rule = self.owned.get(element)
            if isinstance(rule, ColumnOwnership) and column.name == rule.column:
                self._compared.add(element)
                if isinstance(value, BindParameter) and not self.is_tenants(rule, value):
                    self.others.add(element)

    def _joined_to(self, element: FromClause) -> Iterator[FromClause]:
        for other in {pair[2] for pair in self._pairs if pair[0] == element}:
            if (
                self._is_joined_by_tenant(element, other)
                or self._is_joined_by_key(element, other)
                or self._is_joined_by_key(other, element)
            ):
                yield other

    def _is_joined_by_tenant(self, element: FromClause, other: FromClause) -> bool:
        rules = (self.owned.get(element), self.owned.get(other))
        if not all(isinstance(each, ColumnOwnership) for each in rules):
            return False
        ours, theirs = (getattr(each, "column", "") for each in rules)
        return (element, ours, other, theirs) in self._pairs

    def _is_joined_by_key(self, child: FromClause, parent: FromClause) -> bool:
        table, theirs = base_table(child), base_table(parent)
        if not isinstance(table, Table) or theirs is None:
            return False
        return any(
            each.referred_table is theirs
            and all(
                (child, key.parent.name, parent, key.column.name) in self._pairs
                for key in each.elements
            )
            for each in foreign_keys_of(table)
        )
