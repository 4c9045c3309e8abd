"""The guard: a compiler that puts the tenant predicate into every statement.

Every statement that SQLAlchemy sends, ORM or Core, is rendered by a subclass of
``SQLCompiler``. For each such class ``dialects.py`` makes a subclass with
:class:`GuardedCompiler` before it. Where a private name of SQLAlchemy is used, a
comment says so; ``internals.py`` checks them at start-up.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Final, cast

from sqlalchemy import BindParameter, LargeBinary, and_, case, util
from sqlalchemy import cast as sql_cast
from sqlalchemy.sql.elements import (
    ColumnElement,
    _truncated_label,
)
from sqlalchemy.sql.expression import FromClause, TableClause

from ..errors import UnguardedStatementError
from ..ownership.cascades import is_cascading_parent, refuse_cascade
from ..ownership.model import ColumnOwnership, Ownership, Reference, TypedReference, table_label
from ..ownership.registry import registry
from ..raw_sql.marks import marking, without_marks
from . import writes
from .comparison import exactly, same
from .foreign_keys import ReferenceParameter, Target, notes_in
from .parameters import filled, processor_for, role_of
from .placement import Plan, Predicates, base_table, column_of, leaves
from .rawparts import RawParts
from .rendered import check_written
from .rewriting import (
    PreparedState,
    copy_of,
    default_schemas,
    further_tables,
    parenthesize,
    select_keys_first,
    state_of,
    with_criteria,
)
from .shadows import Shadows

__all__ = ["GuardedCompiler"]

MAX_NAME: Final = 63
"""The bytes of a name that PostgreSQL goes by (``NAMEDATALEN`` less one)."""


class GuardedCompiler(RawParts, Shadows):
    """Mixed in before a dialect's own ``SQLCompiler``."""

    _tenantshield_busy = False
    _tenantshield_writes = False

    # -- the whole statement -----------------------------------------------------

    def process(self, obj: Any, **kwargs: Any) -> Any:
        if self._tenantshield_busy:
            return super().process(obj, **kwargs)
        # private: Compiled.__init__() renders the statement with one call of this.
        self._tenantshield_busy = True
        self._tenantshield_plans: dict[Any, Plan] = {}
        self._tenantshield_binds: dict[tuple[int, str], BindParameter[Any]] = {}
        self._tenantshield_filtered: set[FromClause] = set()
        self._tenantshield_prefetched: list[tuple[ReferenceParameter, str]] = []
        self._tenantshield_schemas = default_schemas(self.dialect)
        self._tenantshield_changed: TableClause | None = None
        self._tenantshield_targets: dict[int, list[Target]] = {}
        plain = self.preparer
        raw_names: list[str] = []
        self.preparer = marking(plain, raw_names)
        try:
            text = super().process(obj, **kwargs)
        finally:
            self.preparer = plain
            self._tenantshield_busy = False
        for name in raw_names:
            self._tenantshield_part(name)
        if self._tenantshield_scans:
            covers = any(plan.covered for plan in self._tenantshield_plans.values())
            self._tenantshield_check(text, covers=covers, writes=self._tenantshield_writes)
        return self._tenantshield_unmark(text)

    def _tenantshield_unmark(self, text: str) -> str:
        # private: what SQLAlchemy cut out of the text for batched inserts.
        many = self._insertmanyvalues
        if many is not None:
            self._insertmanyvalues = many._replace(
                single_values_expr=without_marks(many.single_values_expr),
                insert_crud_params=[
                    (column, without_marks(name), without_marks(value), binds)
                    for column, name, value, binds in many.insert_crud_params
                ],
            )
        return without_marks(text)

    # private: name by parameter, applied to each value of each execution.
    @util.memoized_property
    def _bind_processors(self) -> Any:
        processors: dict[str, Any] = dict(super()._bind_processors)
        for bind, name in self.bind_names.items():
            role = role_of(bind)
            if role is not None:
                inner = bind.type._cached_bind_processor(self.dialect)
                processors[name] = processor_for(role, inner)
        return processors

    def render_literal_bindparam(self, bindparam: Any, *args: Any, **kw: Any) -> Any:
        role = role_of(bindparam)
        if role is not None:
            raise UnguardedStatementError(
                f"{role.operation} on {role.rule.label} would be stored with one tenant's "
                "identifier written into it (a view, or a table made from a query): do "
                'this inside system_scope("why")'
            )
        return super().render_literal_bindparam(bindparam, *args, **kw)

    # -- rules and predicates ----------------------------------------------------

    def _tenantshield_rule(self, table: TableClause) -> Ownership | None:
        return registry.ownership_of(table, self._tenantshield_schemas)

    def _tenantshield_plan(self, operation: str) -> Plan:
        def bind(rule: ColumnOwnership) -> BindParameter[Any]:
            # One parameter for all predicates of a type: less to fill and to send.
            key = (id(rule.type_), operation)
            if key not in self._tenantshield_binds:
                self._tenantshield_binds[key] = filled(rule, operation)
            return self._tenantshield_binds[key]

        exact = partial(exactly, dialect=self.dialect)
        return Plan(self._tenantshield_rule, Predicates(bind, exact, self._tenantshield_changed))

    # -- SELECT ------------------------------------------------------------------

    # private: tells what stands in the FROM, after the ORM and correlation have had
    # their say and before any part of the statement is rendered.
    def _setup_select_stack(self, select: Any, compile_state: Any, *args: Any, **kw: Any) -> Any:
        froms = super()._setup_select_stack(select, compile_state, *args, **kw)
        plan = self._tenantshield_plan("SELECT")
        # A derived table has no primary key that GROUP BY could go by.
        plan.keeps_tables = self.dialect.name == "postgresql" and bool(select._group_by_clauses)
        plan.add(froms, select._where_criteria)
        self._tenantshield_select_parts(select)
        self._tenantshield_enter(select, plan)
        return froms

    def _tenantshield_enter(self, statement: Any, plan: Plan) -> None:
        self._tenantshield_plans[statement] = plan
        self._tenantshield_filtered.update(plan.derived)

    # private: renders FROM, WHERE and what follows.
    def _compose_select_body(self, text: Any, select: Any, *args: Any, **kw: Any) -> Any:
        plan = self._tenantshield_plans[select]
        if plan.where:
            select = with_criteria(select, plan)
        return super()._compose_select_body(text, select, *args, **kw)

    def _tenantshield_current(self) -> Plan | None:
        # private: the stack of statements being rendered, innermost last.
        return self._tenantshield_plans.get(self.stack[-1]["selectable"]) if self.stack else None

    # -- FROM --------------------------------------------------------------------

    def visit_join(self, join: Any, *args: Any, **kw: Any) -> Any:
        plan = self._tenantshield_current()
        criteria = None if plan is None else plan.on.get(join)
        if criteria:
            join = join._clone()  # private: a shallow copy
            join.onclause = and_(*criteria, *parenthesize([join.onclause]))
        return super().visit_join(join, *args, **kw)

    def visit_table(self, table: Any, *args: Any, **kw: Any) -> Any:
        is_from = kw.get("asfrom")
        if not is_from and not kw.get("ashint") and not kw.get("within_tstring"):
            return super().visit_table(table, *args, **kw)
        if self._tenantshield_busy:
            text = cast("Any", self.preparer).as_table(super().visit_table, table, *args, **kw)
        else:
            text = super().visit_table(table, *args, **kw)
        self._tenantshield_check_length(table)
        if not is_from and not kw.get("within_tstring"):
            return text
        if self._tenantshield_rule(table) is None:
            return text
        plan = self._tenantshield_current()
        if not is_from or plan is None or table not in plan.covered:
            self._tenantshield_misplaced(table)
        # An alias of the table is derived as a whole, see visit_alias(). An alias of the
        # subquery that this FROM is part of comes down here as well, and is not meant.
        enclosing = kw.get("enclosing_alias")
        if plan is not None and not plan.renders((table, enclosing, kw.get("iscrud"))):
            self._tenantshield_misplaced(table)
        if (
            plan is not None
            and table in plan.derived
            and (enclosing is None or enclosing.element is not table)
        ):
            return self._tenantshield_derive(text, plan.derived[table], table.name)
        return text

    def visit_alias(self, alias: Any, *args: Any, **kw: Any) -> Any:
        text = super().visit_alias(alias, *args, **kw)
        plan = self._tenantshield_current()
        if kw.get("asfrom"):
            if plan is not None and alias in plan.derived:
                return self._tenantshield_derive(text, plan.derived[alias], alias.name)
        elif kw.get("within_tstring"):
            table = base_table(alias)
            if table is not None and self._tenantshield_rule(table) is not None:
                self._tenantshield_misplaced(table)
        return text

    def _tenantshield_check_length(self, table: TableClause) -> None:
        if self.dialect.name == "postgresql" and len(table.name.encode()) > MAX_NAME:
            raise UnguardedStatementError(
                f"PostgreSQL cuts a table's name to {MAX_NAME} bytes, and one is longer, so it "
                "may come to stand for another table: name it with that many"
            )

    def _tenantshield_misplaced(self, table: TableClause) -> None:
        if self._tenantshield_scans:
            raise UnguardedStatementError(
                f"{table_label(table)} holds tenants' rows and stands in a place of the "
                "statement that cannot be confined to the tenant; select from it in a "
                "subquery instead"
            )

    def _tenantshield_derive(self, text: str, criteria: Any, name: Any) -> str:
        filtered = self.process(and_(*criteria))
        # private: the name under which the element's columns are rendered.
        name = self.preparer.quote(
            self._truncated_identifier("alias", name)
            if isinstance(name, _truncated_label)
            else name
        )
        return f"(SELECT * FROM {text} WHERE {filtered}) AS {name}"

    def visit_column(self, column: Any, *args: Any, **kw: Any) -> Any:
        table = column.table
        if (
            kw.get("include_table", True)
            and table is not None
            and table in self._tenantshield_filtered
            and getattr(table, "schema", None)
        ):
            # A derived table has no schema, so its columns are not qualified by one.
            text = super().visit_column(column, *args, **{**kw, "include_table": False})
            return f"{self.preparer.quote(table.name)}.{text}"
        return super().visit_column(column, *args, **kw)

    # -- writes ------------------------------------------------------------------

    def visit_insert(self, insert_stmt: Any, *args: Any, **kw: Any) -> Any:
        state = state_of(insert_stmt, self, kw)
        target = self._tenantshield_target(state.statement.table)
        if target.rule is not None:
            self._tenantshield_writes = True
            if self._tenantshield_busy:
                cast("Any", self.preparer).targets.add(state.statement.table)
            self._tenantshield_refuse_returning_on_conflict(state, target.rule)
        if target.rule is not None or target.references:
            writes.complete_insert(state, target, self.column_keys)
        self._tenantshield_targets[id(state)] = [target]
        return super().visit_insert(PreparedState(state), *args, **kw)

    def visit_update(self, update_stmt: Any, *args: Any, **kw: Any) -> Any:
        state = self._tenantshield_state(update_stmt, "UPDATE", kw)
        table = state.statement.table
        target = self._tenantshield_target(table)
        # private: the further tables of the statement; of a join, its own as well.
        others = [
            self._tenantshield_target(each)
            for each in dict.fromkeys([*leaves(table), *state._extra_froms])
            if each is not table
        ]
        writes.complete_update(state, target, others, self.column_keys)
        self._tenantshield_targets[id(state)] = [target, *others]
        return super().visit_update(cast("Any", PreparedState(state)), *args, **kw)

    def tenantshield_rendered(self, state: Any, rendered: Any, operation: str) -> None:
        """Refuse what the statement of ``state`` writes without having been checked.

        Args:
            state: SQLAlchemy's compile state.
            rendered: its list of what is written.
            operation: ``INSERT`` or ``UPDATE``.
        """
        targets = self._tenantshield_targets.get(id(state))
        if targets is None:
            raise UnguardedStatementError(
                f"{operation}: this form of the statement was not seen by the guard"
            )
        check_written(rendered, targets, operation, self._tenantshield_schemas)

    def visit_delete(self, delete_stmt: Any, *args: Any, **kw: Any) -> Any:
        table = base_table(delete_stmt.table)
        self._tenantshield_cascade(table, None)
        if table is not None and self.dialect.name != "postgresql":
            key = registry.key_of_parent(table, self._tenantshield_schemas)
            if key:
                delete_stmt = select_keys_first(delete_stmt, key)
        state = self._tenantshield_state(delete_stmt, "DELETE", kw)
        return super().visit_delete(PreparedState(state), *args, **kw)

    def _tenantshield_cascade(self, table: TableClause | None, changed: list[Any] | None) -> None:
        if table is not None and self._tenantshield_scans:
            own = changed and [
                each for each in changed if not isinstance(each, str) or each in table.c
            ]
            refuse_cascade(table, own, self._tenantshield_schemas)

    def _tenantshield_target(self, element: FromClause) -> Target:
        table = base_table(element)
        if table is None:
            return Target(element, None, (), self._tenantshield_references_of, [])
        return Target(
            element,
            self._tenantshield_rule(table),
            self._tenantshield_references_of(table),
            self._tenantshield_references_of,
            self._tenantshield_prefetched,
        )

    @staticmethod
    def _tenantshield_is_sensitive(target: Target) -> bool:
        table = base_table(target.table)
        return (
            bool(target.sensitive)
            or target.rule is not None
            or (table is not None and is_cascading_parent(table))
        )

    def _tenantshield_references_of(self, table: TableClause) -> tuple[Reference, ...]:
        return registry.references_of(table, self._tenantshield_schemas)

    @util.memoized_property
    def tenantshield_references(self) -> dict[TypedReference, list[tuple[str, ...]]]:
        """The names of the parameters that hold foreign keys to be checked."""
        return notes_in(self.bind_names, self._tenantshield_prefetched)

    def _tenantshield_state(self, statement: Any, operation: str, kw: dict[str, Any]) -> Any:
        state = state_of(statement, self, kw)
        final = state.statement
        self._tenantshield_hints(final)
        if self.dialect.name in ("mysql", "mariadb"):
            self._tenantshield_changed = base_table(final.table)
        plan = self._tenantshield_plan(operation).add(
            [final.table, *further_tables(state)], final._where_criteria
        )
        if plan.covered:
            self._tenantshield_writes = True
        if plan.where:
            final = state.statement = with_criteria(final, plan)
        self._tenantshield_enter(final, plan)
        return state

    # -- INSERT over a row that is there already ---------------------------------

    def visit_on_conflict_do_update(self, on_conflict: Any, **kw: Any) -> Any:
        self._tenantshield_guarded_upserts += 1
        table = cast("Any", self.stack[-1]["selectable"]).table
        target = self._tenantshield_target(table)
        if self._tenantshield_is_sensitive(target):
            values = writes.complete_conflict(
                dict(on_conflict.update_values_to_set).items(), target
            )
            self._tenantshield_cascade(base_table(table), values)
            on_conflict = copy_of(on_conflict, update_values_to_set=list(values.items()))
            plan = self._tenantshield_conflict_plan(table)
            if plan.where:
                given = on_conflict.update_whereclause
                on_conflict.update_whereclause = and_(
                    *plan.where, *(() if given is None else parenthesize([given]))
                )
        return cast("Any", super()).visit_on_conflict_do_update(on_conflict, **kw)

    def visit_on_duplicate_key_update(self, on_duplicate: Any, **kw: Any) -> Any:
        self._tenantshield_guarded_upserts += 1
        # private: the INSERT, where it is not part of another statement.
        table = cast("Any", self.current_executable).table
        target = self._tenantshield_target(table)
        if self._tenantshield_is_sensitive(target):
            values = writes.complete_conflict(on_duplicate.update.items(), target)
            self._tenantshield_cascade(base_table(table), values)
            mine = self._tenantshield_is_mine(table, target.rule, on_duplicate)
            if mine is not None:
                # There is no WHERE here, so each column keeps its value where the row
                # in the way is another tenant's.
                values = {
                    key: case((mine, value), else_=table.c[key])
                    for key, value in values.items()
                    if key in table.c
                }
            on_duplicate = copy_of(on_duplicate, update=values)
        return cast("Any", super()).visit_on_duplicate_key_update(on_duplicate, **kw)

    def _tenantshield_refuse_returning_on_conflict(self, state: Any, rule: Ownership) -> None:
        # private: what stands behind the VALUES, and what is to come back.
        insert = state.statement
        if insert._post_values_clause is None or self.dialect.name not in ("mysql", "mariadb"):
            return
        if insert._returning or insert._return_defaults:
            raise UnguardedStatementError(
                f"INSERT ... ON DUPLICATE KEY UPDATE ... RETURNING on {rule.label}: the database "
                "would give back the row that is in the way, also where it is another tenant's; "
                "leave RETURNING out and select the row afterwards"
            )
        # private: SQLAlchemy must not ask for the key of that row by itself either.
        state._supports_implicit_returning = False

    def _tenantshield_is_mine(
        self, table: Any, rule: Ownership | None, on_duplicate: Any
    ) -> ColumnElement[bool] | None:
        if isinstance(rule, ColumnOwnership):
            # The new row has the tenant in scope. Without a parameter, since drivers
            # take none in this place where they send many rows at once.
            column = column_of(table, rule.column, rule.type_)
            new = column_of(on_duplicate.inserted_alias, rule.column, rule.type_)
            binary = same(sql_cast(column, LargeBinary), sql_cast(new, LargeBinary))
            return and_(same(column, new), binary)
        plan = self._tenantshield_conflict_plan(table)
        if plan.where and self.for_executemany:
            raise UnguardedStatementError(
                f"ON DUPLICATE KEY UPDATE of many rows of {table_label(table)}, which belong to a "
                "tenant through another table: give the rows to values([...]) instead of to "
                "execute()"
            )
        return and_(*plan.where) if plan.where else None

    def _tenantshield_conflict_plan(self, table: Any) -> Plan:
        # private: an INSERT has no FROM that a subquery could correlate to; here its
        # table stands for the row that is in the way.
        self.stack[-1]["correlate_froms"] = {table}
        return self._tenantshield_plan("INSERT").add([table])
