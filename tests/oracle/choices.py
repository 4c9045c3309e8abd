"""One choice after the other, and what needs no subquery."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from hypothesis import strategies as st
from sqlalchemy import distinct, func, literal, true, tuple_

from tests.databases import DatabaseName

from .elements import Col, Kind, of_kind

__all__ = ["NUMBERS", "STRINGS", "Choices"]

T = TypeVar("T")

NUMBERS: Final = (0, 1, 2, 3, 4, 5, 7, 9, 11, 12, 101, 102, 111, 201)
STRINGS: Final = ("v1", "v0", "f1", "f2", "n1", "t1", "b1", "s0", "p1", "h1", "h2", "a1", "A", "B")
PATTERNS: Final = ("%1", "v%", "f%", "%2%", "b_")


class Choices:
    """Makes the choices of one example.

    Args:
        draw: Hypothesis' function.
        database: what the statement is for.
    """

    def __init__(
        self, draw: Callable[[st.SearchStrategy[Any]], Any], database: DatabaseName
    ) -> None:
        self._draw = draw
        self.database: DatabaseName = database

    def pick(self, choices: Sequence[T]) -> T:
        return choices[self.upto(len(choices) - 1)]

    def chance(self, percent: int) -> bool:
        """Say yes in ``percent`` of the cases; a smaller example has no for an answer."""
        return self.upto(99) >= 100 - percent

    def upto(self, most: int) -> int:
        return self._draw(st.integers(0, most)) if most > 0 else 0

    # -- expressions -------------------------------------------------------------

    def word(self, columns: tuple[Col, ...]) -> Any:
        offered = of_kind(columns, "str")
        if not offered:
            return literal(self.pick(STRINGS))
        column = self.pick(offered).expr
        return func.coalesce(column, self.pick(STRINGS)) if self.chance(10) else column

    def aggregate(self, columns: tuple[Col, ...], kind: Kind) -> Any:
        offered = of_kind(columns, kind)
        if not offered:
            return func.count() if kind == "int" else func.max(literal(self.pick(STRINGS)))
        column = self.pick(offered).expr
        if kind == "str":
            return func.max(column) if self.chance(50) else func.min(column)
        name = self.pick(["count", "all", "sum", "max", "min", "distinct"])
        if name == "all":
            return func.count()
        return func.count(distinct(column)) if name == "distinct" else getattr(func, name)(column)

    def window(self, columns: tuple[Col, ...]) -> Any:
        if not columns:
            return func.count().over()
        name = self.pick(["rank", "dense_rank", "count", "sum", "max"])
        by = self.pick(columns).expr if self.chance(60) else None
        if name in ("rank", "dense_rank"):
            order = [self.pick(columns).expr for _ in range(1 + self.upto(1))]
            return getattr(func, name)().over(partition_by=by, order_by=order)
        offered = of_kind(columns, "int")
        if name == "count" or not offered:
            return func.count().over(partition_by=by)
        return getattr(func, name)(self.pick(offered).expr).over(partition_by=by)

    # -- conditions --------------------------------------------------------------

    def comparison(self, columns: tuple[Col, ...]) -> Any:
        if not columns:
            return true()
        column = self.pick(columns)
        expr = column.expr
        if self.chance(15):
            return expr.is_(None) if self.chance(50) else expr.is_not(None)
        others = [each for each in columns if each.kind == column.kind and each is not column]
        if others and self.chance(25):
            return self.compared(expr, self.pick(others).expr)
        if column.kind == "str":
            kind = self.pick(["equal", "in", "like", "less"])
            if kind == "like":
                return expr.like(self.pick(PATTERNS))
            if kind == "in":
                return expr.in_([self.pick(STRINGS), self.pick(STRINGS)])
            word = self.pick(STRINGS)
            return expr == word if kind == "equal" else expr < word
        kind = self.pick(["compare", "compare", "in", "between", "tuple"])
        if kind == "in":
            return expr.in_([self.pick(NUMBERS) for _ in range(self.upto(3))])
        if kind == "between":
            return expr.between(self.pick(NUMBERS), self.pick(NUMBERS))
        if kind == "tuple" and self.database != "sqlite":
            return tuple_(expr, expr).in_([(self.pick(NUMBERS), 1), (2, 2)])
        return self.compared(expr, self.pick(NUMBERS))

    def compared(self, left: Any, right: Any) -> Any:
        operator = self.pick(["==", "!=", "<", ">=", ">", "=="])
        if operator == "==":
            return left == right
        if operator == "!=":
            return left != right
        if operator == "<":
            return left < right
        return left >= right if operator == ">=" else left > right
