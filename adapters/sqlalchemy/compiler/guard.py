"""The guard of one statement: its state while it is rendered, and the changes to it.

The compiler (``compiler.py``) calls it wherever a table is read or written or raw SQL is
rendered. ``placement.py`` decides where the predicates go, ``predicates.py`` builds them, and
``writes.py``, ``foreign_keys.py`` and ``upserts.py`` check what is written.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from typing import Any, Final

from sqlalchemy import BindParameter, ColumnElement, and_
from sqlalchemy.sql.expression import (
    FromClause,
    SelectBase,
    TableClause,
    TextClause,
    UpdateBase,
)

from ..databases import Risk, database_for, default_schemas, search_path
from ..errors import UnguardedStatementError
from ..ownership.cascades import refuse_cascade
from ..ownership.model import ColumnOwnership, Ownership, Reference, TypedReference
from ..ownership.registry import registry
from ..raw_sql.marks import marking, without_marks
from . import writes
from .conversions import pattern_of
from .evaluation import kept_in_groups
from .fences import settle_columns, sorts_by_risk
from .foreign_keys import Target
from .joins import base_table, leaves
from .notes import Notes, ReferenceRows
from .parameters import filled
from .placement import Plan
from .predicates import Predicates, exactly, is_joined, is_own
from .raw_parts import RawParts
from .rendered import check_written
from .rewriting import copy_of, further_tables, select_keys_first, state_of, with_criteria
from .sources import Sources
from .upserts import refuse_returning_on_conflict

__all__ = ["StatementGuard"]

# As it is rendered, since the application may have replaced a part of the text.
_SKIPS_ROWS: Final = re.compile(
    r"\bINSERT\s+(?:\w+\s+){0,3}?(?:OR\s+\w+|IGNORE)\s|\bON\s+(?:CONFLICT|DUPLICATE)\b",
    re.IGNORECASE,
)


USED: Final = "_tenantshield_used"
"""The key in a dialect's ``__dict__`` for the tables with a namesake in another database that were
used on its engine."""


class StatementGuard:
    """Confines one statement.

    Args:
        compiler: the compiler that renders it.
        scans: whether raw SQL is checked; it is not in statements that are marked as reviewed.

    Attributes:
        raw: the raw SQL in the statement.
        sources: what the statement reads.
        database: the database that the statement is for.
        is_rendering: whether the statement is being rendered.
        has_rendered: whether rendering has begun at least once.
        skips_rows: whether the statement may insert fewer rows than it is given.
    """

    def __init__(self, compiler: Any, *, scans: bool) -> None:
        self._compiler = compiler
        self._scans = scans
        self.database = database_for(compiler.dialect)
        self.raw = RawParts(compiler.dialect, scans=scans)
        self.sources = Sources(self, compiler, scans=scans)
        self.is_rendering = False
        self.has_rendered = False
        self.skips_rows = False
        self._schemas = default_schemas(compiler.dialect)
        self._path = search_path(compiler.dialect)
        self._used = compiler.dialect.__dict__.setdefault(USED, {})
        self._plans: dict[Any, Plan] = {}
        self._binds: dict[tuple[int, str], BindParameter[Any]] = {}
        self._notes = Notes()
        self.fails_on_null = self._notes.fails_on_null
        self._changed: TableClause | None = None
        self._targets: dict[int, list[Target]] = {}
        self._writes = False
        self._patterns: list[tuple[BindParameter[Any], str]] = []

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
        if self._targets and _SKIPS_ROWS.search(text):
            self.skips_rows = self._notes.skips_rows = True
        self._notes.check_text(text)
        covers = any(plan.covered for plan in self._plans.values())
        is_own = not isinstance(compiler.statement, SelectBase | UpdateBase | TextClause)
        self.raw.check(text, covers=covers, writes=self._writes, is_own=is_own)
        text = self._without_marks(text)
        self._release()
        return text

    def _release(self) -> None:
        """Let go of what is only needed to render: SQLAlchemy's cache keeps the compiler.

        What refers to the compiler, or back to this guard, would also have to wait for the
        garbage collector.
        """
        del self._compiler, self.sources
        self._plans.clear()
        self._binds.clear()
        self._targets.clear()

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

    def check_literal(self, text: str) -> None:
        """Check a value that a type of the application's own has written into the text.

        Args:
            text: the rendered value.

        Raises:
            UnguardedStatementError: it could affect the SQL around it, or reach rows.
        """
        if self.is_rendering:
            self.raw.add_parenthesized(text)
        else:
            # The statement was checked when it was compiled, without this value.
            self.raw.check_later(text, writes=self._writes)

    def note_pattern(self, comparison: Any) -> None:
        """Note the parameter with which the pattern of a ``LIKE`` ends, to be checked."""
        pattern = pattern_of(comparison) if self.database.refuses_patterns else None
        if pattern is not None:
            self._patterns.append((pattern, str(comparison.modifiers.get("escape") or "\\")))

    def check_parameter(self, bind: BindParameter[Any]) -> None:
        """Check a parameter that is about to be rendered, if it holds a foreign key."""
        self._notes.check(bind, self._compiler.dialect)

    def patterns_in(
        self, bind_names: Mapping[BindParameter[Any], str]
    ) -> Iterator[tuple[str, str]]:
        """Yield the names of the parameters that end a pattern, with the escape character."""
        for pattern, escape in self._patterns:
            for bind, name in bind_names.items():
                if bind is pattern or bind.key == pattern.key:
                    yield name, escape

    def references(
        self, bind_names: Mapping[BindParameter[Any], str]
    ) -> dict[TypedReference, ReferenceRows]:
        """Return the names of the parameters that hold foreign keys to be checked."""
        return self._notes.rows(bind_names)

    def enclosing(self) -> Any:
        """Return the innermost statement that is being rendered, or ``None``."""
        # private: the stack of statements being rendered, innermost last.
        stack = self._compiler.stack
        return stack[-1]["selectable"] if stack else None

    # -- ownership and predicates ------------------------------------------------

    def ownership_of(self, table: TableClause) -> Ownership | None:
        """Return who owns the rows of ``table``."""
        registry.check_engine(table, self._schemas, self._used)
        return registry.ownership_in_statement(table, self._schemas, self._path)

    def _references_of(self, table: TableClause) -> tuple[Reference, ...]:
        return registry.references_of(table, self._schemas, self.database.exact_text)

    def new_plan(self, operation: str) -> Plan:
        """Return an empty plan for a part of the statement, named ``operation`` in errors."""

        def bind(rule: ColumnOwnership) -> BindParameter[Any]:
            # One parameter for all predicates of the same type: fewer to fill and to send.
            key = (id(rule.type_), operation)
            if key not in self._binds:
                self._binds[key] = filled(rule, operation)
            return self._binds[key]

        exact = partial(exactly, dialect=self._compiler.dialect)
        predicates = Predicates(bind, exact, self._changed)
        return Plan(self.ownership_of, predicates, sorts_by_price=self.database.sorts_by_price)

    def _enter(self, statement: Any, plan: Plan) -> None:
        self._plans[statement] = plan
        self.sources.enter(plan)

    def plan(self) -> Plan | None:
        """Return the plan of the innermost statement that is being rendered."""
        return self._plans.get(self.enclosing())

    # -- SELECT ------------------------------------------------------------------

    def enter_select(self, select: Any, froms: Any, state: Any) -> None:
        """Decide where the predicates of ``select`` go.

        Args:
            select: the ``SELECT``.
            froms: the elements of its ``FROM``.
            state: SQLAlchemy's compile state.
        """
        # private: the statement around this one.
        stack = self._compiler.stack
        fences = self.sources.fences
        fences.enter(stack[-2]["selectable"] if len(stack) > 1 else None)
        plan = self.new_plan("SELECT")
        groups = bool(select._group_by_clauses)
        plan.keeps_tables = self.database.groups_by_key and groups
        plan.is_joined = is_joined(select)
        plan.is_own = is_own(select)
        if not plan.is_joined:
            plan.columns = fences.read_columns(state, froms)
            plan.settles_tied = (groups and plan.columns is not Risk.NONE) or (
                self.database.sorts_first and sorts_by_risk(select, state)
            )
        plan.add(froms, select._where_criteria)
        fences.read_rows(plan)
        if plan.columns is not Risk.NONE and not groups:
            settle_columns(state, plan)
        self.raw.add_select(select)
        self._enter(select, plan)

    def confined(self, select: Any) -> Any:
        """Return ``select`` with the predicates in its ``WHERE``."""
        plan = self._plans[select]
        confined = with_criteria(select, plan)
        if select._having_criteria and select._group_by_clauses and plan.reads_rows():
            having = tuple(kept_in_groups(select._having_criteria))
            confined = copy_of(confined, _having_criteria=having)
        return confined

    def fenced(self, select: Any, text: str) -> str:
        """Return ``text``, the body of ``select``, with a fence if it needs one."""
        return text + self.sources.fences.leave(select)

    # -- INSERT, UPDATE and DELETE -----------------------------------------------

    def insert_state(self, statement: Any, kw: Mapping[str, Any]) -> Any:
        """Return the compile state of an ``INSERT`` that writes the tenant in scope."""
        compiler = self._compiler
        state = state_of(statement, compiler, kw)
        target = self.target(state.statement.table, is_plain=_is_plain(state.statement))
        table = base_table(state.statement.table)
        is_apart = table is not None and registry.is_apart(table)
        if self.is_rendering and (target.rule is not None or is_apart):
            compiler.preparer.targets.add(state.statement.table)
        if target.rule is not None:
            self._writes = True
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
        written = set(leaves(final.table))
        plan = self.new_plan(operation).add(tables, final._where_criteria, written)
        if plan.covered:
            self._writes = True
        final = state.statement = with_criteria(final, plan)
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
            return Target(element, None, (), self._references_of, self._notes)
        return Target(
            element,
            self.ownership_of(table),
            self._references_of(table),
            self._references_of,
            self._notes,
            row_ids=self.database.row_ids,
            cut=self.database.cut,
            is_plain=is_plain,
            database=self.database,
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
        return self.new_plan("INSERT").add([table], written=(table,))

    def own_rows(self, table: FromClause) -> ColumnElement[bool]:
        """Return the predicate for the tenant's own rows, without those that every tenant reads."""
        plan = self.new_plan("SELECT")
        plan.is_own = True
        return and_(*plan.add([table]).where)


def _is_plain(insert: Any) -> bool:
    # private: clauses after VALUES, and prefixes between INSERT and INTO.
    return insert._post_values_clause is None and not insert._prefixes
