"""The compiler, which renders every statement with the tenant predicate in it.

Every statement that SQLAlchemy sends, from the ORM or Core, is rendered by a subclass of
``SQLCompiler``. For each such class, ``execution/dialects.py`` creates a subclass with
:class:`GuardedCompiler` as its first base. The overridden methods call the statement's guard
(``guard.py``). Comments mark the private names of SQLAlchemy; ``internals.py`` checks them at
start-up.
"""

from __future__ import annotations

from copy import copy
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, cast

from sqlalchemy import String, util
from sqlalchemy.sql.compiler import SQLCompiler

from ..errors import UnguardedStatementError
from ..ownership.limits import kept_on, undecorated
from ..ownership.model import Reference, TypedReference
from ..raw_sql.marks import without_marks
from .conversions import ends_pattern
from .guard import StatementGuard
from .literals import renders_safely
from .notes import ReferenceRows, refuse_shared_names
from .parameters import TenantParameter, processor_for, role_of, tell_tenant
from .rewriting import PreparedState
from .upserts import confined_on_conflict, confined_on_duplicate_key

__all__ = ["GuardedCompiler"]

if TYPE_CHECKING:
    _Base = SQLCompiler
else:
    _Base = object


class GuardedCompiler(_Base):
    """Mixed in before a dialect's own ``SQLCompiler``."""

    scans_raw_sql: ClassVar[bool] = True
    """Whether raw SQL is checked; it is not for statements that are marked as reviewed."""

    guard_class: ClassVar[type[StatementGuard]] = StatementGuard

    @util.memoized_property
    def _guard(self) -> StatementGuard:
        return self.guard_class(self, scans=self.scans_raw_sql)

    # -- the whole statement -----------------------------------------------------

    def process(self, obj: Any, **kwargs: Any) -> Any:
        # private: Compiled.__init__() renders the statement by calling this once.
        if self._guard.has_rendered and not self._guard.is_rendering:
            return self._another().process(obj, **kwargs)
        render = partial(super().process, obj, **kwargs)
        if not self._guard.is_rendering:
            return self._guard.render(render)
        text = render()
        self._guard.raw.add_rendered(obj, text, self._guard.enclosing())
        return text

    def _another(self) -> GuardedCompiler:
        """Return a compiler that renders something else as this one does.

        This one keeps its guard, which has noted what is checked at each execution, and which
        other threads may be using.
        """
        another = copy(self)
        util.memoized_property.reset(another, "_guard")
        return another

    @util.memoized_property
    def tenantshield_references(self) -> dict[TypedReference, ReferenceRows]:
        """The names of the parameters that hold foreign keys to be checked."""
        found = self._guard.references(self.bind_names)
        if found:
            refuse_shared_names(found, self.bind_names, self.dialect)
        return found

    @util.memoized_property
    def tenantshield_skips_rows(self) -> bool:
        """Whether the statement may insert fewer rows than it is given."""
        return self._guard.skips_rows

    @property
    def tenantshield_fails_on_null(self) -> list[Reference]:
        """The foreign keys for which the statement fails where they are ``NULL``."""
        return self._guard.fails_on_null

    @util.memoized_property
    def tenantshield_is_checked(self) -> bool:
        """Whether there is something to check before each execution."""
        return bool(self.tenantshield_references) or self.tenantshield_skips_rows

    # private: the processors by parameter name, called for each value of each execution.
    #
    # Threads share a compiled statement as soon as it is in SQLAlchemy's cache. SQLAlchemy's own
    # processors, which neither fill nor check the tenant, come to stand in __dict__ under this
    # name before the guard's are made. A property takes precedence over __dict__, so that no
    # thread finds them.
    @property
    def _bind_processors(self) -> Any:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self._tenantshield_processors

    @util.memoized_property
    def _tenantshield_processors(self) -> dict[str, Any]:
        processors: dict[str, Any] = dict(super()._bind_processors)
        for bind, name in self.bind_names.items():
            role = role_of(bind)
            if role is not None:
                inner = bind.type._cached_bind_processor(self.dialect)
                kept = kept_on(role.rule.type_, role.rule.others, self.dialect)
                processors[name] = processor_for(role, inner, kept)
        for name, escape in self._guard.patterns_in(self.bind_names):
            processors[name] = partial(_checked_pattern, escape, processors.get(name))
        if self._guard.database.converts_texts and self._reads_and_writes():
            for bind, name in self.bind_names.items():
                if isinstance(undecorated(bind.type), String):
                    processors[name] = partial(_as_text, processors.get(name))
        return processors

    def construct_params(self, *args: Any, **kw: Any) -> Any:
        values = super().construct_params(*args, **kw)
        if self.isinsert:
            tell_tenant(values, self._tenantshield_filled)
        return values

    @util.memoized_property
    def _tenantshield_filled(self) -> list[tuple[str, TenantParameter]]:
        """The parameters of an ``INSERT`` that the guard has added, with their roles."""
        roles = [(name, role_of(bind)) for bind, name in self.bind_names.items()]
        return [(name, role) for name, role in roles if role is not None and role.kind == "fill"]

    def _reads_and_writes(self) -> bool:
        if self.isupdate or self.isdelete:
            return True
        return self.isinsert and getattr(self.statement, "select", None) is not None

    def visit_bindparam(self, bindparam: Any, *args: Any, **kw: Any) -> str:
        self._guard.check_parameter(bindparam)
        text: str = super().visit_bindparam(bindparam, *args, **kw)
        return text

    def render_literal_bindparam(self, bindparam: Any, *args: Any, **kw: Any) -> Any:
        role = role_of(bindparam)
        if role is not None:
            raise UnguardedStatementError(
                f"{role.operation} on {role.rule.label} would be stored with one tenant's "
                "identifier in it (a view, or a table created from a query): do this inside "
                'system_scope("why")'
            )
        return super().render_literal_bindparam(bindparam, *args, **kw)

    # Called while the statement is rendered, or before each execution for literal_execute=True.
    def render_literal_value(self, value: Any, type_: Any) -> str:
        text: str = super().render_literal_value(value, type_)
        if not renders_safely(type_):
            self._guard.check_literal(text)
        return text

    # The linter for missing joins does not need this comparison.
    def visit_tenantshield_equality(
        self, element: Any, from_linter: Any = None, lateral_from_linter: Any = None, **kw: Any
    ) -> str:
        column: str = element.left._compiler_dispatch(self, **kw)
        tenant: str = element.right._compiler_dispatch(self, **kw)
        compared = f"{element.before_column}{column}{element.after_column}"
        if element.shared is None:
            return f"{compared} = {tenant}"
        shared: str = element.shared._compiler_dispatch(self, **kw)
        return f"{compared} IN ({tenant}, {shared})"

    def visit_tenantshield_own_rows(self, element: Any, **kw: Any) -> str:
        predicate = self._guard.own_rows(element.left.table)
        text: str = predicate.self_group()._compiler_dispatch(self, **kw)
        return text

    # -- SELECT ------------------------------------------------------------------

    # private: determines the FROM, after the ORM and correlation, and before any part of the
    # statement is rendered.
    def _setup_select_stack(self, select: Any, compile_state: Any, *args: Any, **kw: Any) -> Any:
        froms = super()._setup_select_stack(select, compile_state, *args, **kw)
        self._guard.enter_select(select, froms, compile_state)
        return froms

    # private: renders FROM, WHERE and the following clauses.
    def _compose_select_body(self, text: Any, select: Any, *args: Any, **kw: Any) -> Any:
        text = super()._compose_select_body(text, self._guard.confined(select), *args, **kw)
        return self._guard.fenced(select, text)

    # A lock comes last.
    def for_update_clause(self, select: Any, *args: Any, **kw: Any) -> Any:
        fence = self._guard.sources.fences.fence(select)
        return fence + super().for_update_clause(select, *args, **kw)

    def visit_compound_select(self, cs: Any, *args: Any, **kw: Any) -> Any:
        render = partial(super().visit_compound_select, cs, *args, **kw)
        return self._guard.sources.render_compound(cs, render)

    # -- FROM --------------------------------------------------------------------

    def visit_join(self, join: Any, *args: Any, **kw: Any) -> Any:
        return super().visit_join(self._guard.sources.confined_join(join), *args, **kw)

    def visit_table(self, table: Any, *args: Any, **kw: Any) -> Any:
        render = partial(super().visit_table, table, *args, **kw)
        return self._guard.sources.render_table(table, render, kw)

    def visit_alias(self, alias: Any, *args: Any, **kw: Any) -> Any:
        render = partial(super().visit_alias, alias, *args, **kw)
        return self._guard.sources.render_alias(alias, render, kw)

    def visit_cte(self, cte: Any, *args: Any, **kw: Any) -> Any:
        render = partial(super().visit_cte, cte, *args, **kw)
        return self._guard.sources.render_cte(cte, render, kw)

    def tenantshield_visit_column(self, column: Any, *args: Any, **kw: Any) -> Any:
        """Replace ``visit_column()`` in a statement with derived tables for tables in a schema.

        A derived table has no schema. Other statements do without this override, since they have
        many columns.
        """
        if not self._guard.sources.has_no_schema(column, kw):
            return super().visit_column(column, *args, **kw)
        text = super().visit_column(column, *args, **{**kw, "include_table": False})
        return f"{self.preparer.quote(column.table.name)}.{text}"

    # -- INSERT, UPDATE and DELETE -----------------------------------------------

    def visit_insert(self, insert_stmt: Any, *args: Any, **kw: Any) -> Any:
        state = self._guard.insert_state(insert_stmt, kw)
        return super().visit_insert(cast("Any", PreparedState(state)), *args, **kw)

    def visit_update(self, update_stmt: Any, *args: Any, **kw: Any) -> Any:
        state = self._guard.update_state(update_stmt, kw)
        return super().visit_update(cast("Any", PreparedState(state)), *args, **kw)

    def visit_delete(self, delete_stmt: Any, *args: Any, **kw: Any) -> Any:
        state = self._guard.delete_state(delete_stmt, kw)
        return super().visit_delete(cast("Any", PreparedState(state)), *args, **kw)

    def tenantshield_rendered(self, state: Any, rendered: Any, operation: str) -> None:
        """Check what an INSERT or UPDATE writes, see ``StatementGuard.check_rendered()``."""
        self._guard.check_rendered(state, rendered, operation)

    def visit_on_conflict_do_update(self, on_conflict: Any, **kw: Any) -> Any:
        self._guard.raw.guarded_upserts += 1
        table = self._guard.enclosing().table
        on_conflict = confined_on_conflict(on_conflict, table, self._guard)
        return cast("Any", super()).visit_on_conflict_do_update(on_conflict, **kw)

    def visit_on_duplicate_key_update(self, on_duplicate: Any, **kw: Any) -> Any:
        self._guard.raw.guarded_upserts += 1
        # private: the INSERT, if it is not part of another statement.
        table = cast("Any", self.current_executable).table
        on_duplicate = confined_on_duplicate_key(
            on_duplicate, table, self._guard, for_executemany=self.for_executemany
        )
        return cast("Any", super()).visit_on_duplicate_key_update(on_duplicate, **kw)

    # -- patterns ----------------------------------------------------------------

    def visit_like_op_binary(self, binary: Any, *args: Any, **kw: Any) -> Any:
        self._guard.note_pattern(binary)
        return super().visit_like_op_binary(binary, *args, **kw)

    def visit_not_like_op_binary(self, binary: Any, *args: Any, **kw: Any) -> Any:
        self._guard.note_pattern(binary)
        return super().visit_not_like_op_binary(binary, *args, **kw)

    def visit_ilike_op_binary(self, binary: Any, *args: Any, **kw: Any) -> Any:
        self._guard.note_pattern(binary)
        return super().visit_ilike_op_binary(binary, *args, **kw)

    def visit_not_ilike_op_binary(self, binary: Any, *args: Any, **kw: Any) -> Any:
        self._guard.note_pattern(binary)
        return super().visit_not_ilike_op_binary(binary, *args, **kw)

    # -- raw SQL -----------------------------------------------------------------

    def visit_tenantshield_parenthesized(self, element: Any, **kw: Any) -> str:
        text: str = element.element._compiler_dispatch(self, **kw)
        self._guard.raw.add_parenthesized(text)
        return f"({text})"

    def visit_textclause(self, textclause: Any, *args: Any, **kw: Any) -> Any:
        self._guard.raw.add_text(textclause, self._guard.enclosing())
        return super().visit_textclause(textclause, *args, **kw)

    def visit_tstring(self, tstring: Any, *args: Any, **kw: Any) -> Any:
        render = partial(super().visit_tstring, tstring, *args, **kw)
        return self._guard.raw.render_tstring(tstring, self._guard.enclosing(), render)

    # private: renders the text of a literal column and of the operators below.
    def escape_literal_column(self, text: str) -> str:
        # MySQL's upserts put rendered names, which have marks, into literal columns.
        self._guard.raw.add(without_marks(text))
        escaped: str = super().escape_literal_column(text)
        return escaped

    # private: renders infix and prefix operators from op() and custom_op.
    def visit_custom_op_binary(self, element: Any, operator: Any, **kw: Any) -> Any:
        self._guard.raw.add_operator(operator.opstring)
        return super().visit_custom_op_binary(element, operator, **kw)

    def visit_custom_op_unary_operator(self, element: Any, operator: Any, **kw: Any) -> Any:
        self._guard.raw.add_operator(operator.opstring)
        return super().visit_custom_op_unary_operator(element, operator, **kw)

    def visit_custom_op_unary_modifier(self, element: Any, operator: Any, **kw: Any) -> Any:
        self._guard.raw.add_operator(operator.opstring)
        return super().visit_custom_op_unary_modifier(element, operator, **kw)


def _checked_pattern(escape: str, inner: Any, value: Any) -> Any:
    ends_pattern(value, escape)
    return value if inner is None else inner(value)


def _as_text(inner: Any, value: Any) -> Any:
    # A text that is compared with a number is converted, and the message of a failure quotes it.
    sent = value if inner is None else inner(value)
    return str(sent) if type(sent) in (int, float, Decimal) else sent
