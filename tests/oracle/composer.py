"""Composes statements out of the schema, one choice after the other.

Only what every run must answer alike is composed: whatever has a ``LIMIT`` is ordered
by all that it selects, windows rank by values, and no two rows of a join can disagree
about what an ``UPDATE`` sets. No foreign key and no tenant is ever set.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any, Final

from hypothesis import strategies as st
from sqlalchemy import (
    and_,
    case,
    exists,
    func,
    literal,
    not_,
    or_,
    select,
    true,
)
from sqlalchemy.orm import aliased
from sqlalchemy.orm import join as orm_join

from tests.databases import DatabaseName

from .choices import NUMBERS, Choices
from .elements import JOINABLE, TABLES, Col, Kind, Node, columns_of, of_kind
from .schema import Vessel, table_of

__all__ = ["Composer"]

WIDTH: Final = (4, 3, 2, 1)
"""How many elements a ``FROM`` has at most, by how deep the subquery is."""

DEEPEST: Final = 3


class Composer(Choices):
    """Makes the choices of one example.

    Args:
        draw: Hypothesis' function.
        database: what the statement is for.
        entities: whether mapped classes stand in the ``FROM``, or tables.
        ctes: whether common table expressions may be used.
    """

    def __init__(
        self,
        draw: Callable[[st.SearchStrategy[Any]], Any],
        database: DatabaseName,
        *,
        entities: bool = False,
        ctes: bool = True,
    ) -> None:
        super().__init__(draw, database)
        self._entities = entities
        self._ctes = ctes
        # What has been used under its own name, in this statement: it may only stand
        # there once, or the inner one would be taken for the outer one.
        self._taken: set[str] = set()
        self._avoided: Any = None

    # -- FROM --------------------------------------------------------------------

    def take(self, table: Any) -> None:
        """Take note of a table or an entity that is used under its own name."""
        self._taken |= _names(table)

    def leaf(self, depth: int) -> Node:
        """Return a table, an entity, an alias, a subquery or a CTE."""
        kinds = ["table"] * 6 + ["alias"] * 4
        if depth < DEEPEST - 1:
            kinds += ["subquery"] * 3
            if self._ctes:
                kinds += ["cte", "cte"] if self._avoided is table_of(Vessel) else ["cte", "tree"]
        kind = self.pick(kinds)
        if kind in ("subquery", "cte"):
            made, types = self.select(depth + 1)
            element = made.subquery() if kind == "subquery" else made.cte()
            columns = tuple(
                Col(column, types[n], "number" if types[n] == "int" else "name")
                for n, column in enumerate(element.c)
            )
            return Node(element, columns, (element,))
        if kind == "tree":
            return self._tree()
        offered: list[Any] = list(JOINABLE if self._entities else TABLES)
        table = self.pick([each for each in offered if each is not self._avoided])
        names = _names(table)
        if kind == "alias" or self._taken & names:
            source = aliased(table) if self._entities else table.alias()
        else:
            source = table
            self._taken |= names
        return Node(source, columns_of(source, table), (source,))

    def _tree(self) -> Node:
        """Return a recursive CTE, up or down the vessels."""
        start, step = aliased(Vessel), aliased(Vessel)
        tree = (
            select(start.id.label("c0"), start.parent_id.label("c1"), literal(0).label("c2"))
            .where(self.comparison(columns_of(start, Vessel)))
            .cte(recursive=True)
        )
        on = step.parent_id == tree.c.c0 if self.chance(50) else step.id == tree.c.c1
        tree = tree.union(
            select(step.id, step.parent_id, tree.c.c2 + 1).where(on, tree.c.c2 < literal(4))
        )
        keys = (Col(tree.c.c0, "int", "vessel"), Col(tree.c.c1, "int", "vessel"))
        return Node(tree, (*keys, Col(tree.c.c2, "int", "number")), (tree,))

    def avoid(self, table: Any) -> None:
        """Keep ``table`` out of what is composed from here on; ``None`` to end that."""
        self._avoided = table

    def froms(self, depth: int) -> tuple[list[Node], list[Any]]:
        """Return the elements of a ``FROM``, and conditions that keep them from growing."""
        width = self.pick([n for n in (2, 1, 2, 3, 4) if n <= WIDTH[depth]])
        nodes = [self.leaf(depth) for _ in range(width)]
        while len(nodes) > 1 and not self.chance(12):
            position = self.upto(len(nodes) - 2)
            left, right = nodes[position], nodes.pop(position + 1)
            nodes[position] = self._join(left, right)
        if self.database == "postgresql" and depth < DEEPEST - 1 and self.chance(15):
            nodes[0] = self._lateral(nodes[0], depth)
        conditions = [
            self.equal(one, two) for one, two in pairwise(nodes) if width > 2 or not self.chance(20)
        ]
        return nodes, conditions

    def _lateral(self, left: Node, depth: int) -> Node:
        """Return ``left`` with a subquery that is about each of its rows."""
        nodes, conditions = self.froms(depth + 1)
        inner = _columns(nodes)
        made = select(
            self.aggregate(inner, "int").label("c0"), self.aggregate(inner, "str").label("c1")
        )
        made = made.select_from(*_elements(nodes))
        made = self._correlated(made, nodes, conditions, left.leaves, left.columns, depth)
        lateral = made.lateral()
        columns = (Col(lateral.c.c0, "int", "number"), Col(lateral.c.c1, "str", "name"))
        joined = orm_join(left.element, lateral, true(), isouter=self.chance(50))
        return Node(joined, left.columns + columns, (*left.leaves, lateral))

    def _join(self, left: Node, right: Node) -> Node:
        kind = self.pick(["inner", "left", "left", *self._full()])
        on = self.equal(left, right)
        columns, leaves = left.columns + right.columns, left.leaves + right.leaves
        if kind != "full" and self.chance(30):
            extra = self.condition(columns, leaves, DEEPEST - 1)
            on = and_(on, extra) if len(leaves) > 2 or self.chance(60) else or_(on, extra)
        element = orm_join(
            left.element, right.element, on, isouter=kind == "left", full=kind == "full"
        )
        return Node(element, columns, leaves)

    def _full(self) -> list[str]:
        return [] if self.database == "mariadb" else ["full", "full"]

    def equal(self, left: Node, right: Node) -> Any:
        """Return a condition that joins the two, along a foreign key if there is one."""
        one, two = of_kind(left.columns, "int"), of_kind(right.columns, "int")
        if not one or not two:
            one, two = list(left.columns), list(right.columns)
        pairs = [(a, b) for a in one for b in two if a.kind == b.kind]
        if not pairs:
            return true()
        along = [
            (a, b)
            for a, b in pairs
            if a.domain == b.domain and a.domain not in ("number", "name", "tenant")
        ]
        a, b = self.pick(along if along and not self.chance(25) else pairs)
        return a.expr == b.expr

    # -- expressions -------------------------------------------------------------

    def number(self, columns: tuple[Col, ...], leaves: tuple[Any, ...], depth: int) -> Any:
        offered = of_kind(columns, "int")
        kinds = ["column"] * 8 if offered else []
        kinds += ["literal"]
        if offered:
            kinds += ["sum", "coalesce", "case"]
        if depth < DEEPEST:
            kinds += ["subquery"]
        kind = self.pick(kinds)
        if kind == "literal":
            return literal(self.pick(NUMBERS))
        if kind == "subquery":
            return self.scalar(leaves, columns, depth)
        column = self.pick(offered).expr
        if kind == "sum":
            return column + self.pick(NUMBERS)
        if kind == "coalesce":
            return func.coalesce(column, self.pick(NUMBERS))
        if kind == "case":
            # Not deeper: conditions nest by themselves.
            condition = self.condition(columns, leaves, DEEPEST)
            return case((condition, column), else_=self.pick(NUMBERS))
        return column

    def scalar(self, leaves: tuple[Any, ...], columns: tuple[Col, ...], depth: int) -> Any:
        """Return a subquery of one value, correlated or not."""
        nodes, conditions = self.froms(min(depth + 1, DEEPEST))
        inner = _columns(nodes)
        made = select(self.aggregate(inner, "int")).select_from(*_elements(nodes))
        return self._correlated(made, nodes, conditions, leaves, columns, depth).scalar_subquery()

    def _correlated(
        self,
        made: Any,
        nodes: list[Node],
        conditions: list[Any],
        leaves: tuple[Any, ...],
        columns: tuple[Col, ...],
        depth: int,
    ) -> Any:
        inner = _columns(nodes)
        if self.chance(25):
            conditions = [*conditions, self.condition(inner, _leaves(nodes), depth + 1)]
        if columns and not self.chance(25):
            conditions = [*conditions, self.equal(Node(None, inner), Node(None, columns))]
        made = made.where(*conditions)
        return made.correlate(*leaves) if leaves else made.correlate(None)

    # -- conditions --------------------------------------------------------------

    def condition(self, columns: tuple[Col, ...], leaves: tuple[Any, ...], depth: int) -> Any:
        kinds = ["compare"] * 5
        if depth < DEEPEST:
            kinds += ["and", "or", "not", "exists", "in", "subquery", "not exists"]
        kind = self.pick(kinds)
        if kind in ("and", "or"):
            left = self.condition(columns, leaves, depth + 1)
            right = self.condition(columns, leaves, depth + 1)
            return and_(left, right) if kind == "and" else or_(left, right)
        if kind == "not":
            return not_(self.condition(columns, leaves, depth + 1))
        if kind in ("exists", "not exists"):
            found = self._exists(leaves, columns, depth)
            return found if kind == "exists" else ~found
        if kind == "in":
            return self._in(columns, leaves, depth)
        if kind == "subquery":
            return self.compared(
                self.number(columns, leaves, DEEPEST), self.scalar(leaves, columns, depth)
            )
        return self.comparison(columns)

    def _exists(self, leaves: tuple[Any, ...], columns: tuple[Col, ...], depth: int) -> Any:
        nodes, conditions = self.froms(min(depth + 1, DEEPEST))
        made = select(literal(1)).select_from(*_elements(nodes))
        return exists(self._correlated(made, nodes, conditions, leaves, columns, depth))

    def _in(self, columns: tuple[Col, ...], leaves: tuple[Any, ...], depth: int) -> Any:
        nodes, conditions = self.froms(min(depth + 1, DEEPEST))
        inner = _columns(nodes)
        pairs = [
            (a, b)
            for a in columns
            for b in inner
            if a.kind == b.kind and (a.domain == b.domain or a.kind == "int")
        ]
        if not pairs:
            return self.comparison(columns)
        wanted, offered = self.pick(pairs)
        made = select(offered.expr).select_from(*_elements(nodes))
        around = columns if self.chance(30) else ()
        made = self._correlated(made, nodes, conditions, leaves, around, depth)
        return wanted.expr.not_in(made) if self.chance(40) else wanted.expr.in_(made)

    # -- SELECT ------------------------------------------------------------------

    def select(self, depth: int, kinds: tuple[Kind, ...] | None = None) -> tuple[Any, list[Kind]]:
        """Return a ``SELECT``, or several combined, with labels ``c0``, ``c1``, ...

        Args:
            depth: 0 for the statement itself.
            kinds: the types of its columns; any, if left out.
        """
        kinds = kinds or tuple(self.pick(["int", "int", "str"]) for _ in range(1 + self.upto(2)))
        if self.chance(18 if depth == 0 else 8):
            made = self._set_operation(depth, kinds)
        else:
            made = self._single(depth, kinds)
            if self.chance(20):
                made = made.distinct()
        if self.chance(25):
            made = made.order_by(*(f"c{n}" for n in range(len(kinds))))
            made = made.limit(1 + self.upto(5))
            if self.chance(40):
                made = made.offset(self.upto(3))
        return made, list(kinds)

    def _set_operation(self, depth: int, kinds: tuple[Kind, ...]) -> Any:
        made = self._single(depth + 1, kinds)
        others = [self._single(depth + 1, kinds) for _ in range(1 + self.upto(1))]
        name = self.pick(["union", "union_all", "intersect", "except_"])
        return getattr(made, name)(*others)

    def _single(self, depth: int, kinds: tuple[Kind, ...]) -> Any:
        nodes, conditions = self.froms(min(depth, DEEPEST))
        columns, leaves = _columns(nodes), _leaves(nodes)
        if self.chance(60):
            conditions.append(self.condition(columns, leaves, min(depth + 1, DEEPEST)))
        shape = self.pick(["rows", "rows", "rows", "groups", "windows", "total"])
        if shape == "groups":
            made = self._groups(columns, kinds)
        elif shape == "total":
            made = select(*_labelled(self.aggregate(columns, kind) for kind in kinds))
        else:
            made = select(
                *_labelled(
                    self.window(columns)
                    if kind == "int" and shape == "windows" and self.chance(70)
                    else self._value(columns, leaves, kind, depth)
                    for kind in kinds
                )
            )
        return made.select_from(*_elements(nodes)).where(*conditions)

    def _value(
        self, columns: tuple[Col, ...], leaves: tuple[Any, ...], kind: Kind, depth: int
    ) -> Any:
        if kind == "str":
            return self.word(columns)
        return self.number(columns, leaves, min(depth + 1, DEEPEST))

    def _groups(self, columns: tuple[Col, ...], kinds: tuple[Kind, ...]) -> Any:
        keys: list[Any] = []
        values: list[Any] = []
        for kind in kinds:
            offered = of_kind(columns, kind)
            if offered and self.chance(50):
                keys.append(self.pick(offered).expr)
                values.append(keys[-1])
            else:
                values.append(self.aggregate(columns, kind))
        if not keys and columns:
            keys.append(self.pick(columns).expr)
        made = select(*_labelled(values)).group_by(*keys)
        if self.chance(30):
            made = made.having(self.compared(self.aggregate(columns, "int"), self.pick(NUMBERS)))
        return made


def _names(table: Any) -> set[str]:
    tables = getattr(table, "__mapper__", None)
    if tables is None:
        return {table.fullname}
    return {each.fullname for mapper in tables.self_and_descendants for each in mapper.tables}


def _labelled(values: Any) -> list[Any]:
    return [value.label(f"c{n}") for n, value in enumerate(values)]


def _elements(nodes: list[Node]) -> list[Any]:
    return [node.element for node in nodes]


def _columns(nodes: list[Node]) -> tuple[Col, ...]:
    return tuple(column for node in nodes for column in node.columns)


def _leaves(nodes: list[Node]) -> tuple[Any, ...]:
    return tuple(leaf for node in nodes for leaf in node.leaves)
