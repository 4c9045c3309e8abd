"""The guard of one statement: its state while it is rendered, and the changes to it.

The compiler (``compiler.py``) calls it wherever a table is read or written or raw SQL is
rendered. ``placement.py`` decides where the predicates go, ``predicates.py`` builds them, and
``writes.py``, ``foreign_keys.py`` and ``upserts.py`` check what is written.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Any

from sqlalchemy import BindParameter, and_
from sqlalchemy.sql.elements import _truncated_label
from sqlalchemy.sql.expression import FromClause, TableClause

from ..databases import database_for, default_schemas
from ..errors import UnguardedStatementError
from ..ownership.cascades import refuse_cascade
from ..ownership.model import ColumnOwnership, Ownership, Reference, TypedReference, table_label
from ..ownership.registry import registry
from ..raw_sql.marks import marking, without_marks
from . import writes
from .cte_names import CteNames
from .evaluation import conjuncts, may_fail, settled_first
from .foreign_keys import ReferenceParameter, ReferenceRows, Target, notes_in
from .parameters import filled
from .placement import Plan, base_table, leaves
from .predicates import Predicates, exactly, is_joined
from .raw_parts import RawParts
from .rendered import check_written
from .rewriting import (
    further_tables,
    parenthesize,
    select_keys_first,
    state_of,
    with_criteria,
)
from .upserts import refuse_returning_on_conflict

__all__ = ["StatementGuard"]


class StatementGuard:
    """Confines one statement.

    Args:
        compiler: the compiler that renders it.
        scans: whether raw SQL is checked; it is not in statements that are marked as reviewed.

    Attributes:
        raw: the raw SQL in the statement.
        database: the database that the statement is for.
        is_rendering: whether the statement is being rendered.
        has_rendered: whether rendering has begun at least once.
    """

    def __init__(self, compiler: Any, *, scans: bool) -> None:
        self._compiler = compiler
        self._scans = scans
        self.database = database_for(compiler.dialect)
        self.raw = RawParts(compiler.dialect, scans=scans)
        self.is_rendering = False
        self.has_rendered = False
        self._cte_names = CteNames(self.database)
        self._schemas = default_schemas(compiler.dialect)
        self._plans: dict[Any, Plan] = {}
        self._binds: dict[tuple[int, str], BindParameter[Any]] = {}
        self._without_schema: set[FromClause] = set()
        self._prefetched: list[tuple[ReferenceParameter, str]] = []
        self._changed: TableClause | None = None
        self._targets: dict[int, list[Target]] = {}
        self._writes = False

    # -- the whole statement -----------------------------------------------------

    def render(self, render: Callable[[], str]) -> str:
        """Return the text that ``render`` returns, after checking that it is confined.

        Raises:
            UnguardedStatementError: the statement cannot be confined.
        """
        compiler = self._compiler
        plain = compiler.preparer
        raw_names: list[str] = []
        compiler.preparer = marking(plain, raw_names)
        self.is_rendering = self.has_rendered = True
        try:
            text = render()
        finally:
            compiler.preparer = plain
            self.is_rendering = False
        for name in raw_names:
            self.raw.add(name)
        covers = any(plan.covered for plan in self._plans.values())
        self.raw.check(text, covers=covers, writes=self._writes)
        return self._without_marks(text)

    def _without_marks(self, text: str) -> str:
        # private: the parts of the text that SQLAlchemy uses for batched inserts.
        many = self._compiler._insertmanyvalues
        if many is not None:
            self._compiler._insertmanyvalues = many._replace(
                single_values_expr=without_marks(many.single_values_expr),
                insert_crud_params=[
                    (column, without_marks(name), without_marks(value), binds)
                    for column, name, value, binds in many.insert_crud_params
                ],
            )
        return without_marks(text)

    def references(self) -> dict[TypedReference, ReferenceRows]:
        """Return the names of the parameters that hold foreign keys to be checked."""
        return notes_in(self._compiler.bind_names, self._prefetched)

    def enclosing(self) -> Any:
        """Return the innermost statement that is being rendered, or ``None``."""
        # private: the stack of statements being rendered, innermost last.
        stack = self._compiler.stack
        return stack[-1]["selectable"] if stack else None

    # -- ownership and predicates ------------------------------------------------

    def _ownership_of(self, table: TableClause) -> Ownership | None:
        return registry.ownership_in_statement(table, self._schemas)

    def _references_of(self, table: TableClause) -> tuple[Reference, ...]:
        return registry.references_of(table, self._schemas)

    def new_plan(self, operation: str) -> Plan:
        """Return an empty plan for a part of the statement, named ``operation`` in errors."""

        def bind(rule: ColumnOwnership) -> BindParameter[Any]:
            # One parameter for all predicates of the same type: fewer to fill and to send.
            key = (id(rule.type_), operation)
            if key not in self._binds:
                self._binds[key] = filled(rule, operation)
            return self._binds[key]

        exact = partial(exactly, dialect=self._compiler.dialect)
        return Plan(self._ownership_of, Predicates(bind, exact, self._changed))

    def _enter(self, statement: Any, plan: Plan) -> None:
        self._plans[statement] = plan
        for each in plan.derived:
            if getattr(each, "schema", None):
                self._without_schema.add(each)
                self._compiler.visit_column = self._compiler.tenantshield_visit_column

    def _plan(self) -> Plan | None:
        return self._plans.get(self.enclosing())

    # -- SELECT ------------------------------------------------------------------

    def enter_select(self, select: Any, froms: Any) -> None:
        """Decide where the predicates of ``select`` go.

        Args:
            select: the ``SELECT``.
            froms: the elements of its ``FROM``.
        """
        plan = self.new_plan("SELECT")
        plan.keeps_tables = self.database.groups_by_key and bool(select._group_by_clauses)
        plan.is_joined = is_joined(select)
        plan.add(froms, select._where_criteria)
        self.raw.add_select(select)
        self._enter(select, plan)

    def confined(self, select: Any) -> Any:
        """Return ``select`` with the predicates in its ``WHERE``."""
        return self._with_criteria(select, self._plans[select])

    def _with_criteria(self, statement: Any, plan: Plan) -> Any:
        criteria = statement._where_criteria
        settled = None
        if plan.tied and self.database.fails_on_any_row and any(map(may_fail, criteria)):
            settled = plan.settled()
        if plan.where or settled is not None:
            return with_criteria(statement, plan, settled)
        return statement

    # -- FROM --------------------------------------------------------------------

    def confined_join(self, join: Any) -> Any:
        """Return ``join`` with the predicates in its ``ON``."""
        plan = self._plan()
        if plan is None:
            return join
        criteria = plan.on.get(join, ())
        settled = None
        if plan.tied and self.database.fails_on_any_row and may_fail(join.onclause):
            settled = plan.settled(leaves(join))
        if criteria or settled is not None:
            own = settled_first(parenthesize(conjuncts(join.onclause)), settled)
            join = join._clone()  # private: a shallow copy
            join.onclause = and_(*criteria, *own)
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
        owned = self._ownership_of(table) is not None
        if is_from and owned:
            self._cte_names.add_table(table, compiler.preparer.schema_for_object(table))
        text: str = compiler.preparer.as_table(render) if self.is_rendering else render()
        self._refuse_long_name(table)
        if not owned or not (is_from or in_tstring):
            return text
        plan = self._plan()
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
        text = render()
        plan = self._plan()
        if place.get("asfrom"):
            if plan is not None and alias in plan.derived:
                return self._derived(text, plan.derived[alias], alias.name)
        elif place.get("within_tstring"):
            table = base_table(alias)
            if table is not None and self._ownership_of(table) is not None:
                self._refuse_place(table)
        return text

    def enter_cte(self, cte: Any) -> None:
        """Refuse a CTE that would be read instead of a table with tenants' rows."""
        self._cte_names.add_cte(cte)

    def has_no_schema(self, column: Any, place: Mapping[str, Any]) -> bool:
        """Return whether the table of ``column`` has a schema but is rendered without it."""
        table = column.table
        return bool(place.get("include_table", True) and table in self._without_schema)

    def _refuse_long_name(self, table: TableClause) -> None:
        if self.database.cuts(table.name):
            raise UnguardedStatementError(
                f"PostgreSQL cuts a table's name to {self.database.cuts_names_at} bytes, and a "
                "longer one may become the name of another table: use at most that many bytes"
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
        # private: the name with which the element's columns are rendered.
        if isinstance(name, _truncated_label):
            name = compiler._truncated_identifier("alias", name)
        return f"(SELECT * FROM {text} WHERE {filtered}) AS {compiler.preparer.quote(name)}"

    # -- INSERT, UPDATE and DELETE -----------------------------------------------

    def insert_state(self, statement: Any, kw: Mapping[str, Any]) -> Any:
        """Return the compile state of an ``INSERT`` that writes the tenant in scope."""
        compiler = self._compiler
        state = state_of(statement, compiler, kw)
        target = self.target(state.statement.table, is_plain=_is_plain(state.statement))
        if target.rule is not None:
            self._writes = True
            if self.is_rendering:
                compiler.preparer.targets.add(state.statement.table)
            refuse_returning_on_conflict(state, target.rule, self.database)
        if target.rule is not None or target.references:
            writes.complete_insert(state, target, compiler.column_keys)
        self._targets[id(state)] = [target]
        return state

    def update_state(self, statement: Any, kw: Mapping[str, Any]) -> Any:
        """Return the compile state of a confined ``UPDATE``, with its foreign keys noted."""
        state = self._confined_state(statement, "UPDATE", kw)
        table = state.statement.table
        target = self.target(table)
        # private: the further tables of the statement, including those of a joined target.
        tables = dict.fromkeys([*leaves(table), *state._extra_froms])
        others = [self.target(each) for each in tables if each is not table]
        writes.complete_update(state, target, others, self._compiler.column_keys)
        self._targets[id(state)] = [target, *others]
        return state

    def check_rendered(self, state: Any, rendered: Any, operation: str) -> None:
        """Refuse a statement that writes columns whose values were not checked.

        Args:
            state: SQLAlchemy's compile state.
            rendered: SQLAlchemy's list of the rendered columns and values.
            operation: ``INSERT`` or ``UPDATE``.

        Raises:
            CrossTenantAccessError: it writes an unchecked tenant column.
            UnguardedStatementError: it writes an unchecked foreign key, or something that the
                guard does not understand.
        """
        targets = self._targets.get(id(state))
        if targets is None:
            raise UnguardedStatementError(
                f"{operation}: this statement was rendered without the guard; execute it through "
                "SQLAlchemy's own compiler"
            )
        for table, names in check_written(rendered, targets, operation, scans=self._scans):
            if operation == "UPDATE":
                self.refuse_cascade(table, names)

    def delete_state(self, statement: Any, kw: Mapping[str, Any]) -> Any:
        """Return the compile state of a confined ``DELETE``."""
        table = base_table(statement.table)
        self.refuse_cascade(table, None)
        if table is not None and self.database.deletes_while_reading:
            key = registry.key_of_parent(table, self._schemas)
            if key:
                statement = select_keys_first(statement, key)
        return self._confined_state(statement, "DELETE", kw)

    def _confined_state(self, statement: Any, operation: str, kw: Mapping[str, Any]) -> Any:
        state = state_of(statement, self._compiler, kw)
        final = state.statement
        self.raw.add_hints(final)
        if not self.database.reads_changed_table:
            self._changed = base_table(final.table)
        tables = [final.table, *further_tables(state)]
        plan = self.new_plan(operation).add(tables, final._where_criteria)
        if plan.covered:
            self._writes = True
        final = state.statement = self._with_criteria(final, plan)
        self._enter(final, plan)
        return state

    def target(self, element: FromClause, *, is_plain: bool = False) -> Target:
        """Return the table that is written, with its ownership and foreign keys.

        Args:
            element: the construct in the statement.
            is_plain: whether the statement is an ``INSERT`` that fails on a conflict.
        """
        table = base_table(element)
        if table is None:
            return Target(element, None, (), self._references_of, [])
        return Target(
            element,
            self._ownership_of(table),
            self._references_of(table),
            self._references_of,
            self._prefetched,
            row_ids=self.database.row_ids,
            is_plain=is_plain,
        )

    def refuse_cascade(self, table: TableClause | None, changed: Collection[str] | None) -> None:
        """Refuse a write that the database would cascade to other tenants' rows.

        Args:
            table: the table that is written; ``None`` for anything else.
            changed: the keys of the columns that are set; ``None`` for a ``DELETE``.
        """
        if table is not None and self._scans:
            refuse_cascade(table, changed, self._schemas)

    def upsert_plan(self, table: Any) -> Plan:
        """Return the plan for the existing row in an upsert."""
        # private: an INSERT has no FROM to which a subquery could correlate; here its table
        # stands for the existing row.
        self._compiler.stack[-1]["correlate_froms"] = {table}
        return self.new_plan("INSERT").add([table])


def _is_plain(insert: Any) -> bool:
    # private: clauses after VALUES, and prefixes between INSERT and INTO.
    return insert._post_values_clause is None and not insert._prefixes
