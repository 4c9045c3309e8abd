"""What a statement reads: the tables, aliases, joins, subqueries and CTEs in its ``FROM``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from sqlalchemy import and_
from sqlalchemy.sql.elements import _truncated_label
from sqlalchemy.sql.expression import FromClause, TableClause

from ..databases import Database, Risk
from ..errors import UnguardedStatementError
from ..ownership.model import Ownership, table_label
from .cte_names import CteNames
from .evaluation import conjuncts
from .fences import Fences, least
from .joins import base_table
from .placement import Plan
from .rewriting import own_criteria, parenthesize

__all__ = ["Sources"]


class Guard(Protocol):
    """The part of the statement's guard that is needed here."""

    database: Database
    is_rendering: bool

    def plan(self) -> Plan | None: ...

    def enclosing(self) -> Any: ...

    def ownership_of(self, table: TableClause) -> Ownership | None: ...


class Sources:
    """Renders what one statement reads.

    Args:
        guard: the statement's guard.
        compiler: the compiler that renders it.
        scans: whether tables that cannot be confined are refused.

    Attributes:
        fences: the fences around the subqueries.
    """

    def __init__(self, guard: Guard, compiler: Any, *, scans: bool) -> None:
        self._guard = guard
        self._compiler = compiler
        self._scans = scans
        self._cte_names = CteNames(guard.database)
        self._without_schema: set[FromClause] = set()
        self._ctes: dict[str, Risk] = {}
        self.fences = Fences(guard.database)

    def enter(self, plan: Plan) -> None:
        """Take note of the plan of a part of the statement."""
        for each in plan.derived:
            if getattr(each, "schema", None):
                self._without_schema.add(each)
                self._compiler.visit_column = self._compiler.tenantshield_visit_column

    def confined_join(self, join: Any) -> Any:
        """Return ``join`` with the predicates in its ``ON``."""
        plan = self._guard.plan()
        if plan is None:
            return join
        criteria = plan.on.get(join, ())
        # The sides of a full join are derived tables with this tenant's rows alone, and PostgreSQL
        # merges or hashes them by ON as it is.
        is_settled = join.full and join not in plan.on
        own = None if is_settled else own_criteria([join.onclause], plan, join)
        if criteria or own is not None:
            on = join.onclause
            join = join._clone()  # private: a shallow copy
            join.onclause = and_(*criteria, *(parenthesize(conjuncts(on)) if own is None else own))
        return join

    def render_table(
        self, table: TableClause, render: Callable[[], str], place: Mapping[str, Any]
    ) -> str:
        """Return the text of ``table``, as a filtered derived table if the plan requires it.

        Args:
            table: the table.
            render: renders it.
            place: SQLAlchemy's arguments, which describe its place in the statement.

        Raises:
            UnguardedStatementError: the table cannot be confined in this place.
        """
        is_from, in_tstring = place.get("asfrom"), place.get("within_tstring")
        if not is_from and not place.get("ashint") and not in_tstring:
            return render()
        compiler = self._compiler
        owned = self._guard.ownership_of(table) is not None
        if is_from and owned:
            self._cte_names.add_table(table, compiler.preparer.schema_for_object(table))
        text: str = compiler.preparer.as_table(render) if self._guard.is_rendering else render()
        self._refuse_long_name(table)
        if not owned or not (is_from or in_tstring):
            return text
        plan = self._guard.plan()
        if not is_from or plan is None or table not in plan.covered:
            self._refuse_place(table)
        # An alias of the table becomes a derived table in render_alias(). The argument may also
        # be an alias of the subquery that this FROM is part of, which is ignored.
        alias = place.get("enclosing_alias")
        if plan is not None and not plan.renders((table, alias, place.get("iscrud"))):
            self._refuse_place(table)
        is_aliased = alias is not None and alias.element is table
        if plan is not None and table in plan.derived and not is_aliased:
            return self._derived(text, plan.derived[table], table.name)
        return text

    def render_alias(self, alias: Any, render: Callable[[], str], place: Mapping[str, Any]) -> str:
        """Return the text of ``alias``, see :meth:`render_table`."""
        is_from, in_tstring = place.get("asfrom"), place.get("within_tstring")
        if base_table(alias) is None and (is_from or in_tstring):
            with self.fences.around(Risk.FIRST if in_tstring else self._risk()):
                return render()
        text = render()
        plan = self._guard.plan()
        if is_from:
            if plan is not None and alias in plan.derived:
                return self._derived(text, plan.derived[alias], alias.name)
        elif in_tstring:
            table = base_table(alias)
            if table is not None and self._guard.ownership_of(table) is not None:
                self._refuse_place(table)
        return text

    def _risk(self) -> Risk:
        plan = self._guard.plan()
        return Risk.FIRST if plan is None else plan.risk()

    def render_cte(
        self, cte: Any, render: Callable[[], str | None], place: Mapping[str, Any]
    ) -> str | None:
        """Return the text of a reference to a CTE, and render the CTE once.

        Raises:
            UnguardedStatementError: it would be read instead of a table with tenants' rows.
        """
        self._cte_names.add_cte(cte)
        with self.fences.around(Risk.NONE, is_recursive=cte.recursive) as level:
            text = render()
        body, source, name = cte, text, text
        # private: the CTE of which this one is an alias.
        while body._cte_alias is not None:
            body = body._cte_alias
        reached_by = least(self._ctes.get(body.name, Risk.NONE), level.reached_by)
        self._ctes[body.name] = reached_by
        if cte.recursive or not place.get("asfrom") or not text:
            return text
        if not Risk.NONE < reached_by <= self._risk():
            return text
        if body is not cte:
            source, _, name = text.rpartition(" AS ")
        return f"(SELECT * FROM {source} {self._guard.database.fence}) AS {name}"

    def render_compound(self, compound: Any, render: Callable[[], str]) -> str:
        """Return the text of a set operation."""
        self.fences.enter(self._guard.enclosing())
        text = render()
        fence = self.fences.leave(compound)
        if fence and self._guard.database.moves_past_limit_of_union:
            return f"SELECT * FROM ({text}) AS tenantshield_fenced{fence}"
        return text + fence

    def has_no_schema(self, column: Any, place: Mapping[str, Any]) -> bool:
        """Return whether the table of ``column`` has a schema but is rendered without it."""
        table = column.table
        return bool(place.get("include_table", True) and table in self._without_schema)

    def _refuse_long_name(self, table: TableClause) -> None:
        database = self._guard.database
        if database.cuts(table.name):
            raise UnguardedStatementError(
                f"PostgreSQL cuts a table's name to {database.cuts_names_at} bytes, and a longer "
                "one may become the name of another table: use at most that many bytes"
            )

    def _refuse_place(self, table: TableClause) -> None:
        if self._scans:
            raise UnguardedStatementError(
                f"{table_label(table)} holds tenants' rows and is used in a place of the "
                "statement where it cannot be confined to the tenant; select from it in a "
                "subquery instead"
            )

    def _derived(self, text: str, criteria: Any, name: Any) -> str:
        compiler = self._compiler
        filtered = compiler.process(and_(*criteria))
        plan = self._guard.plan()
        if plan is not None and plan.settles_tied:
            filtered = f"{filtered} {self._guard.database.fence}"
        # private: the name with which the element's columns are rendered.
        if isinstance(name, _truncated_label):
            name = compiler._truncated_identifier("alias", name)
        return f"(SELECT * FROM {text} WHERE {filtered}) AS {compiler.preparer.quote(name)}"
