"""What is written: every kind of value that SQLAlchemy accepts for a column."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import (
    Integer,
    Table,
    and_,
    bindparam,
    case,
    cast,
    exists,
    func,
    literal,
    literal_column,
    not_,
    null,
    or_,
    select,
    text,
    type_coerce,
)
from sqlalchemy import (
    Sequence as DatabaseSequence,
)

from .literals import SHARED, Literals
from .schema import TABLES, TENANT_COLUMNS
from .spots import Place, Spot, bare_table_of, column_in, copy_of, spots_of

__all__ = ["Values"]

TEXTS: Final = {"number": ("7", "NULL", "3 + 4"), "word": ("'x'", "NULL", "'a' || 'b'")}


class Values(Literals):
    """Makes the values of one example."""

    # -- values --------------------------------------------------------------------

    def value(self, spot: Spot, place: Place) -> Any:
        """Return what may be written into a column."""
        if spot.kind in ("key", "tenant"):
            made = self._identity(spot, place)
        elif spot.kind in ("reference", "bench"):
            made = self._reference(spot, place)
        else:
            made = self._plain(spot, place)
        if spot.column.name == "badge" and not isinstance(made, str | None):
            self.collides = True
        return made

    def _identity(self, spot: Spot, place: Place) -> Any:
        kind = self.weighted([(70, "literal"), (10, "bound"), (10, "column"), (10, "expression")])
        if kind == "literal":
            return self.literal(spot)
        if kind == "bound":
            return self.bound(spot, self.literal(spot))
        if kind == "column" and (column := self.column(spot, place)) is not None:
            self.collides = True
            return column
        self.collides = True
        if spot.kind == "key":
            # It may be NULL, and then the database makes one.
            self.generates = True
            if self.database == "postgresql" and self.chance(50):
                return DatabaseSequence("guild_numbers").next_value()
            return self.scalar(spot, place) + 200
        return self.pick(
            [
                literal_column("'A'"),
                text("'A'"),
                null(),
                func.coalesce(null(), "A"),
                literal("A"),
                self.scalar(spot, place),
            ]
        )

    def _reference(self, spot: Spot, place: Place) -> Any:
        if spot.parent is not None and spot.parent.name in SHARED:
            return self._plain(spot, place)
        kind = self.weighted(
            [
                (34, "literal"),
                (14, "bound"),
                (18, "column"),
                (12, "parent"),
                (5, "child"),
                (6, "elsewhere"),
                (8, "expression"),
                (5, "raw"),
                (2, "null"),
                (2, "typed"),
            ]
        )
        match kind:
            case "bound":
                return self.bound(spot, self.literal(spot))
            case "column":
                found = self.column(spot, place)
                return self.literal(spot) if found is None else found
            case "parent":
                return self._of_parent(spot, place)
            case "child":
                return self._of_child(spot, place)
            case "elsewhere":
                return self.scalar(spot, place)
            case "expression":
                return self._expression(spot, place)
            case "raw":
                return self.one_of(text, literal_column)(self.pick(["101", "1"]))
            case "null":
                return null()
            case "typed":
                return self.one_of(literal, self._cast)(self.literal(spot) or 101)
            case _:
                return self.literal(spot)

    def _cast(self, value: Any) -> Any:
        return type_coerce(value, Integer)

    def _plain(self, spot: Spot, place: Place) -> Any:
        kind = self.weighted(
            [
                (30, "literal"),
                (12, "bound"),
                (16, "column"),
                (16, "expression"),
                (16, "subquery"),
                (3, "raw"),
                (4, "null"),
            ]
        )
        if kind == "bound":
            return self.bound(spot, self.literal(spot))
        if kind == "column":
            found = self.column(spot, place)
            return self.literal(spot) if found is None else found
        if kind == "expression":
            return self._expression(spot, place)
        if kind == "subquery":
            return self.scalar(spot, place)
        if kind == "raw":
            offered = TEXTS.get(spot.kind, TEXTS["number"])
            return self.one_of(text, literal_column)(self.pick(offered))
        return self.pick([None, null()]) if kind == "null" else self.literal(spot)

    def bound(self, spot: Spot, value: Any) -> Any:
        """Return a bound parameter, whose value may come with the execution."""
        name = f"given{self.number_of_parameter()}"
        kind = self.pick(["now", "later", "later", "called", "unique"])
        if kind == "later":
            self.parameters[name] = value
            # PostgreSQL takes one without a type for a text in a subquery, where the guard has
            # the rows of an INSERT come from.
            has_type = self.database == "postgresql" or self.chance(50)
            return bindparam(name, type_=spot.column.type if has_type else None)
        if kind == "called":
            return bindparam(name, callable_=lambda: value, type_=spot.column.type)
        return bindparam(name, value, type_=spot.column.type, unique=kind == "unique")

    def column(self, spot: Spot, place: Place) -> Any:
        """Return a column of what may be read that fits; ``None`` if there is none."""
        offered = []
        for element, table in place.readable():
            offered += [
                column_in(element, each.column)
                for each in spots_of(table)
                if _fits(each, spot) or _is_key_of(each, spot)
            ]
        if place.new is not None and place.target is not None:
            offered += [
                column_in(place.new, each.column)
                for each in spots_of(place.target[1])
                if _fits(each, spot)
            ] * 2
        return self.pick(offered) if offered else None

    # -- subqueries ----------------------------------------------------------------

    def table(self, place: Place, tables: Sequence[Table] = TABLES) -> Table | None:
        offered = [each for each in tables if each not in place.avoided]
        return self.pick(offered) if offered else None

    def element(self, table: Table, *, derived: bool = True) -> Any:
        """Return a construct of a table that stands in a ``FROM``."""
        kinds = [(45, "alias"), (35, "table"), (6, "copy"), (4, "bare")]
        if derived:
            kinds += [(6, "subquery"), (4, "cte")]
        kind = self.weighted(kinds)
        if kind == "alias":
            return table.alias()
        if kind == "copy":
            return copy_of(table).alias()
        if kind == "bare":
            return bare_table_of(table).alias()
        if kind == "subquery":
            return select(table).subquery()
        if kind == "cte" and self.database != "mariadb":
            return select(table).cte()
        return table.alias() if kind == "cte" else table

    def scalar(self, spot: Spot, place: Place) -> Any:
        """Return a subquery of one value, of any table."""
        table = self.table(place)
        fitting = [
            each
            for each in (spots_of(table) if table is not None else ())
            if _is_word(each) == _is_word(spot)
        ]
        if table is None or not fitting:
            return literal(self.literal(spot))
        element = self._own_element(table, place)
        column = column_in(element, self.pick(fitting).column)
        made = select(self.one_of(func.max, func.min)(column)).select_from(element)
        if self.chance(50):
            made = made.where(self.comparison_of(element, table))
        if self.chance(30):
            made = self._correlated(made, element, table, place)
        return made.scalar_subquery()

    def _own_element(self, table: Table, place: Place) -> Any:
        # Under its own name, a table that the statement reads already would be taken for it.
        element = self.element(table)
        read = [each for each, _ in place.readable()]
        return table.alias() if element is table and (read or place.new is not None) else element

    def _correlated(self, made: Any, element: Any, table: Table, place: Place) -> Any:
        readable = place.readable()
        if not readable:
            return made
        outer, outer_table = self.pick(readable)
        pairs = [
            (column_in(element, a.column), column_in(outer, b.column))
            for a in spots_of(table)
            for b in spots_of(outer_table)
            if _fits(a, b) or _is_key_of(a, b) or _is_key_of(b, a)
        ]
        if not pairs:
            return made
        inner, around = self.pick(pairs)
        return made.where(inner == around)

    def _of_parent(self, spot: Spot, place: Place) -> Any:
        parent = spot.parent
        if parent is None or parent in place.avoided:
            return self.literal(spot)
        element = self._own_element(parent, place)
        key = column_in(element, parent.c.id)
        if self.chance(50):
            return select(self.one_of(func.max, func.min)(key)).scalar_subquery()
        wanted = self.pick([101, 102, 103, 1, 2])
        return select(key).where(key == wanted).scalar_subquery()

    def _of_child(self, spot: Spot, place: Place) -> Any:
        """Return a subquery of a foreign key to the same table, of any table that has one."""
        children = [
            each
            for table in TABLES
            if table not in place.avoided
            for each in spots_of(table)
            if each.parent is not None and each.parent is spot.parent
        ]
        if not children:
            return self.literal(spot)
        found = self.pick(children)
        element = self._own_element(found.column.table, place)
        made = select(func.max(column_in(element, found.column)))
        if self.chance(40):
            made = made.where(self.comparison_of(element, found.column.table))
        return made.scalar_subquery()

    # -- expressions ---------------------------------------------------------------

    def _expression(self, spot: Spot, place: Place) -> Any:
        column = self.column(spot, place)
        inner = self.literal(spot) if column is None else column
        if _is_word(spot):
            return self.pick(
                [
                    func.coalesce(inner, "x"),
                    func.lower(inner),
                    func.concat(inner, "!"),
                    literal("x").concat(inner),
                    case((literal(1) == 1, inner), else_="z"),
                ]
            )
        offered = [
            lambda: func.coalesce(inner, self._of_parent(spot, place)),
            lambda: func.coalesce(inner, 3),
            lambda: literal(1) + self.upto(2),
            lambda: case((literal(1) == self.upto(1), inner), else_=inner),
            lambda: case((literal(1) == 2, inner)),
            lambda: literal(1) + inner,
            lambda: func.nullif(inner, 101),
            lambda: func.abs(inner),
            lambda: cast(inner, spot.column.type),
        ]
        return self.one_of(*offered)()

    # -- conditions ----------------------------------------------------------------

    def comparison_of(self, element: Any, table: Table) -> Any:
        """Return a condition on one column of an element."""
        spot = self.pick([each for each in spots_of(table) if each.kind != "computed"])
        column = column_in(element, spot.column)
        kind = self.weighted([(50, "equal"), (15, "in"), (15, "null"), (20, "unequal")])
        value = self.literal(spot)
        if kind == "equal":
            return column == value
        if kind == "in":
            return column.in_([value, self.literal(spot)])
        return column.is_not(None) if kind == "null" else column != value

    def condition(self, place: Place) -> Any:
        """Return a condition for a ``WHERE``, about anything that may be read."""
        element, table = self.pick(place.readable())
        kind = self.weighted(
            [
                (34, "key"),
                (28, "compared"),
                (8, "or"),
                (6, "exists"),
                (6, "subquery"),
                (4, "not"),
                (3, "raw"),
                (3, "tenant"),
            ]
        )
        key = next((each for each in spots_of(table) if each.column.primary_key), None)
        if kind == "key" and key is not None:
            return column_in(element, key.column) == self._wanted(key)
        if kind == "or":
            return or_(self.comparison_of(element, table), self.comparison_of(element, table))
        if kind == "not":
            return not_(self.comparison_of(element, table))
        if kind in ("exists", "subquery"):
            return self._by_subquery(kind, place)
        if kind == "raw":
            return text(self.pick(["1 = 1", "1 = 2"]))
        if kind == "tenant" and table.name in TENANT_COLUMNS:
            tenant = next(each for each in spots_of(table) if each.kind == "tenant")
            return column_in(element, tenant.column) == self.pick(["A", "B"])
        return self.comparison_of(element, table)

    def _wanted(self, key: Spot) -> Any:
        if key.column.name == "number" or key.column.table.name in SHARED:
            return 1 + self.upto(2)
        return self.pick([101, 102, 103, 104, 1, 2])

    def _by_subquery(self, kind: str, place: Place) -> Any:
        inner = self.table(place)
        element, table = self.pick(place.readable())
        if inner is None:
            return self.comparison_of(element, table)
        found = self._own_element(inner, place)
        made = select(literal(1)).select_from(found).where(self.comparison_of(found, inner))
        if kind == "exists":
            return exists(self._correlated(made, found, inner, place))
        numbers = [each for each in spots_of(inner) if not _is_word(each)]
        mine = [each for each in spots_of(table) if not _is_word(each)]
        offered = select(column_in(found, self.pick(numbers).column))
        conditions = [self.comparison_of(found, inner)]
        return column_in(element, self.pick(mine).column).in_(offered.where(and_(*conditions)))


def _is_word(spot: Spot) -> bool:
    return spot.kind in ("word", "tenant")


def _fits(offered: Spot, wanted: Spot) -> bool:
    if wanted.kind == "reference":
        return offered.kind == "reference" and offered.parent is wanted.parent
    if wanted.kind in ("key", "tenant"):
        return offered.kind == wanted.kind
    return _is_word(offered) == _is_word(wanted)


def _is_key_of(offered: Spot, wanted: Spot) -> bool:
    return offered.kind == "key" and wanted.parent is offered.column.table
