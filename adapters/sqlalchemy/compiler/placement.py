"""Decide where the tenant predicates of a statement go.

A :class:`Plan` is made once per ``SELECT``, ``UPDATE`` or ``DELETE``, from the elements of its
``FROM``. It uses only SQLAlchemy's public constructs; the compiler puts the predicates into the
SQL.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any, Final, NoReturn, TypeAlias, cast

from sqlalchemy import ColumnElement, and_, or_
from sqlalchemy.sql.elements import (
    ColumnClause,
    TextClause,
)
from sqlalchemy.sql.expression import Alias, FromClause, Join, Lateral, TableClause, TableSample
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.selectable import FromGrouping, TableValuedAlias
from sqlalchemy.sql.visitors import iterate

from ..databases import Risk
from ..errors import UnguardedStatementError
from ..ownership.model import (
    ColumnOwnership,
    Ownership,
    ParentKey,
    ParentOwnership,
    may_be_shared,
    table_label,
)
from .chains import chain_along
from .evaluation import could_be_cheap, may_fail, risk_of
from .joins import Joined, base_table, leaves, ons
from .predicates import Predicates, column_of

__all__ = ["Plan"]

OwnershipOf: TypeAlias = Callable[[TableClause], Ownership | None]
Criteria: TypeAlias = list[ColumnElement[bool]]

_COMPUTED: Final = (Lateral, TableValuedAlias, FunctionElement)
"""What may be computed from each row of other elements in the same ``FROM``."""


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
        columns: what the columns could do on a row that a condition excludes.
        is_own: whether the tenant's own rows are meant, without those that every tenant reads.
        settles_tied: whether tied tables are replaced by derived tables, since something else in
            the ``FROM`` is computed from each of their rows and could fail.
    """

    __slots__ = (
        "_criteria_given",
        "_elements",
        "_predicates",
        "_rendered",
        "_rule_for",
        "_sorts_by_price",
        "_written",
        "columns",
        "covered",
        "derived",
        "is_joined",
        "is_own",
        "keeps_tables",
        "on",
        "owned",
        "settles_tied",
        "tied",
        "where",
    )

    def __init__(
        self, ownership_of: OwnershipOf, predicates: Predicates, *, sorts_by_price: bool = False
    ) -> None:
        self._rule_for = ownership_of
        self._predicates = predicates
        self._sorts_by_price = sorts_by_price
        self._elements: list[FromClause] = []
        self._criteria_given: tuple[ColumnElement[Any], ...] = ()
        self._written: Collection[FromClause] = ()
        self.where: Criteria = []
        self.on: dict[Join, Criteria] = {}
        self.derived: dict[FromClause, Criteria] = {}
        self.covered: set[FromClause] = set()
        self.owned: list[tuple[FromClause, ColumnOwnership]] = []
        self.tied: list[tuple[FromClause, ParentOwnership]] = []
        self.keeps_tables = False
        self.is_joined = False
        self.is_own = False
        self.columns = Risk.NONE
        self.settles_tied = False
        self._rendered: set[tuple[object, ...]] = set()

    def renders(self, place: tuple[object, ...]) -> bool:
        """Note that a table is rendered in a place; return whether this is the first time."""
        is_first = place not in self._rendered
        self._rendered.add(place)
        return is_first

    def add(
        self,
        elements: Iterable[FromClause],
        criteria: Iterable[ColumnElement[Any]] = (),
        written: Collection[FromClause] = (),
    ) -> Plan:
        """Add the elements of a ``FROM``, and return this plan.

        Args:
            elements: the comma-separated elements.
            criteria: the statement's own criteria, which may already join a foreign key to its
                parent.
            written: the elements that the statement changes.

        Raises:
            UnguardedStatementError: something in the ``FROM`` is computed from each row of a tied
                table that the statement changes.
        """
        self._elements = elements = list(elements)
        self._criteria_given = criteria = tuple(criteria)
        self._written = written
        is_single = len(elements) == 1 and isinstance(elements[0], TableClause | Alias)
        if is_single and not self.settles_tied:
            # Nothing else is joined to it.
            self.where.extend(self._criteria(elements[0], None))
            return self
        self.settles_tied = self.settles_tied or self._computes_from_tied()
        proven = Joined()
        for element in elements:
            proven.walk(element)
        for criterion in criteria:
            proven.inner(criterion)
        for element in elements:
            if not self._place_plain_full_join(element):
                self._place(element, self.where, proven)
        return self

    def _computes_from_tied(self) -> bool:
        rows = self._rows()
        computed = [each for each in rows if isinstance(each, _COMPUTED)]
        if not computed:
            return False
        tied = {each for each in rows if self._is_tied(each)}
        return bool(tied) and any(may_fail(each) and _may_refer_to(each, tied) for each in computed)

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
        rules = [None if table is None else self._rule_for(table) for table in tables]
        if any(rule is None or self._may_be_shared(rule) for rule in rules):
            # A row that comes out alone would look as if the other table had one of everybody.
            return False
        both = [and_(*self._criteria(side, None)) for side in sides]
        self.on[element] = both
        self.where.append(or_(*both))
        return True

    def _place(self, element: FromClause, sink: Criteria, proven: Joined) -> None:
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
        elif self.settles_tied and self._is_tied(element):
            if element in self._written:
                _refuse_computed(element)
            self._derive(element)
        else:
            sink.extend(self._criteria(element, proven))

    def _is_tied(self, element: FromClause) -> bool:
        table = base_table(element)
        return table is not None and isinstance(self._rule_for(table), ParentOwnership)

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
        self, element: FromClause, proven: Joined | None
    ) -> Iterator[ColumnElement[bool]]:
        table = base_table(element)
        if table is None:
            return
        rule = self._rule_for(table)
        if rule is None:
            return
        self._cover(element)
        if isinstance(rule, ColumnOwnership):
            self.owned.append((element, rule))
            yield self._own(element, rule)
            return
        if self.is_joined:
            return
        self.tied.append((element, rule))
        if self._means_own(element) and self._may_be_shared(rule):
            # What it is joined to in this statement may be a row of everybody.
            proven = None
        for tie in rule.parent_keys:
            if proven is None or not proven.has(element, tie):
                yield self._tied(element, rule, tie)

    def _own(self, element: FromClause, rule: ColumnOwnership) -> ColumnElement[bool]:
        if rule.shared_rows is None or self._means_own(element):
            return self._predicates.own(element, rule)
        return self._predicates.visible(element, rule)

    def _tied(
        self, element: FromClause, rule: ParentOwnership, tie: ParentKey
    ) -> ColumnElement[bool]:
        chain = chain_along(tie, self._rule_for)
        return self._predicates.tied(
            element,
            chain,
            own=self._means_own(element) and self._may_be_shared(rule),
            is_joined=isinstance(self._rule_for(chain[-1].parent), ColumnOwnership),
        )

    def _means_own(self, element: FromClause) -> bool:
        """Return whether rows that every tenant reads are left out: no tenant writes them."""
        return self.is_own or element in self._written

    def _may_be_shared(self, rule: Ownership) -> bool:
        return may_be_shared(rule.table, self._rule_for)

    def terms(self) -> list[ColumnElement[Any]]:
        """Return the statement's own conditions, in ``WHERE`` and ``ON``."""
        return [*self._criteria_given, *(on for each in self._elements for on in ons(each))]

    def risk(self) -> Risk:
        """Return what the conditions in ``WHERE`` and ``ON`` could do in a subquery."""
        rows = self._rows()
        return max((self.columns, *(risk_of(each, rows) for each in self.terms())))

    def reads_rows(self) -> bool:
        """Return whether the rows of tenants are read, here or maybe in a subquery."""
        plain = (base_table(leaf) for each in self._elements for leaf in leaves(each))
        return bool(self.covered) or any(table is None for table in plain)

    def _rows(self) -> frozenset[FromClause]:
        return frozenset(leaf for each in self._elements for leaf in leaves(each))

    def may_settle(self) -> bool:
        """Return whether :meth:`settle` could return anything."""
        return bool(self.tied) or (self._sorts_by_price and bool(self.owned))

    def settle(
        self, term: ColumnElement[Any], join: Join | None = None
    ) -> ColumnElement[bool] | None:
        """Return what must be true before ``term`` is evaluated; ``None`` if nothing must.

        Args:
            term: a condition of the application.
            join: the join in whose ``ON`` it is.
        """
        may_come_first = self._sorts_by_price and self.owned and could_be_cheap(term)
        if not self.tied and not may_come_first:
            return None
        risk = risk_of(term, self._rows())
        if risk is Risk.NONE:
            return None
        counts = None if join is None else set(leaves(join))
        found = [
            or_(column_of(element, name).is_(None), criterion)
            for element, name, criterion in self._owners(risk)
            if counts is None or element in counts
        ]
        return and_(*found) if found else None

    def _owners(self, risk: Risk) -> Iterator[tuple[FromClause, str, ColumnElement[bool]]]:
        """Yield the elements that could be another tenant's, with a key and a predicate."""
        for element, ownership in self.tied:
            for tie in ownership.parent_keys:
                yield element, tie.columns[0], self._tied(element, ownership, tie)
        if risk is Risk.FIRST and self._sorts_by_price:
            for element, rule in self.owned:
                yield element, rule.column, self._own(element, rule)

    def _cover(self, element: FromClause) -> None:
        self.covered.add(element)
        while isinstance(element, Alias | TableSample):
            element = element.element
            self.covered.add(element)


def _may_refer_to(element: FromClause, rows: Collection[FromClause]) -> bool:
    return any(
        part.is_literal or part.table in rows
        if isinstance(part, ColumnClause)
        else isinstance(part, TextClause)
        for part in iterate(element)
    )


def _refuse_computed(element: FromClause) -> NoReturn:
    label = table_label(cast("TableClause", base_table(element)))
    raise UnguardedStatementError(
        f"the FROM computes something from each row of {label}, which the statement changes, so "
        "it would see other tenants' rows; compute it in a subquery that selects from the table"
    )
