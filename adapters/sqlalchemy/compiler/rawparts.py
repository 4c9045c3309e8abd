"""The part of the guard that looks at raw SQL within a statement.

A raw part must not name a table that belongs to tenants, and must not be able to undo
the condition that the compiler puts next to it. What a part looks like is judged in
``raw.py``; here is where parts come from.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any, ClassVar

from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import TextClause
from sqlalchemy.sql.selectable import TextualSelect

from ..errors import UnguardedStatementError
from ..ownership.registry import registry
from ..raw_sql.cascades import refuse_cascade_in_text
from ..raw_sql.marks import without_marks
from ..raw_sql.patterns import (
    CHANGES_TENANT,
    REACHES_UNNAMED,
    REPLACES_ROWS,
    UNNAMED,
    WRITES_OVER,
    begins_a_clause,
    ends_a_select,
    is_one_value,
    stands_alone,
)
from ..raw_sql.table_names import misplaced, unmarked_names, without_literals
from .rewriting import is_extension_of

__all__ = ["RawParts"]

if TYPE_CHECKING:
    _Base = SQLCompiler
else:
    _Base = object


class RawParts(_Base):
    """Mixed in before a dialect's own ``SQLCompiler``, as a part of the guarded one."""

    _tenantshield_scans: ClassVar[bool] = True
    """Whether raw SQL is looked through; not so for statements marked as reviewed."""

    _tenantshield_open_ended = False
    """Whether a raw part was seen that could reach out of its place."""

    _tenantshield_guarded_upserts = 0
    """How many clauses that write over a row in the way the guard has confined."""

    def _tenantshield_check(self, text: str, *, covers: bool, writes: bool) -> None:
        """Refuse a statement whose raw parts cannot be confined.

        Args:
            text: the statement, with the marks.
            covers: whether it reads or changes tenants' rows.
            writes: whether it writes them.

        Raises:
            UnguardedStatementError: it has such parts.
        """
        self._tenantshield_refuse_named(unmarked_names(text, registry.names(), self.dialect))
        text = without_literals(without_marks(text))
        if REACHES_UNNAMED.search(text):
            raise UnguardedStatementError(
                f"the statement {UNNAMED}, and that cannot be confined to the tenant; if it was "
                "reviewed, mark it with .execution_options(tenantshield_reviewed=True)"
            )
        if CHANGES_TENANT.search(text):
            raise UnguardedStatementError(
                "the statement changes the role or a setting by which the database knows the "
                'tenant: enter tenant_scope(...) or system_scope("why") instead, or, if it was '
                "reviewed, mark it with .execution_options(tenantshield_reviewed=True)"
            )
        if self._tenantshield_open_ended and (covers or writes):
            raise UnguardedStatementError(
                "raw SQL in a statement on tenants' rows could undo the condition that confines "
                "it: it has a parenthesis, a quote or a comment that it does not close, or closes "
                "one that it did not open, is more than one value, ends the SELECT that it is a "
                "part of, or follows the criteria without beginning a clause; "
                "complete it, or, if it was reviewed, mark the statement with "
                ".execution_options(tenantshield_reviewed=True)"
            )
        if isinstance(self.statement, TextClause | TextualSelect) or REPLACES_ROWS.search(text):
            refuse_cascade_in_text(text, self.dialect)
        if writes and REPLACES_ROWS.search(text):
            raise UnguardedStatementError(
                "REPLACE deletes whatever row is in its way, also another tenant's: use "
                "insert(...).on_conflict_do_update(...) or on_duplicate_key_update(...)"
            )

        if writes and len(WRITES_OVER.findall(text)) > self._tenantshield_guarded_upserts:
            raise UnguardedStatementError(
                "raw SQL in an INSERT on tenants' rows writes over rows that are in its way, also "
                "another tenant's: use insert(...).on_conflict_do_update(...) or "
                "on_duplicate_key_update(...)"
            )

    def _tenantshield_refuse_named(self, names: Collection[str]) -> None:
        if names and self._tenantshield_scans:
            raise UnguardedStatementError(
                f"raw SQL names {', '.join(sorted(names))}, which holds tenants' rows, and "
                "cannot be confined to the tenant: write it with SQLAlchemy's constructs, "
                "or, if it was reviewed, mark the statement with "
                ".execution_options(tenantshield_reviewed=True)"
            )

    def process(self, obj: Any, **kwargs: Any) -> Any:
        text = super().process(obj, **kwargs)
        if self.stack and text and is_extension_of(self.stack[-1]["selectable"], obj):
            self._tenantshield_trailer(text)
        return text

    def visit_tenantshield_parenthesized(self, element: Any, **kw: Any) -> str:
        text: str = element.element._compiler_dispatch(self, **kw)
        bare = without_marks(text)
        self._tenantshield_fragment(bare)
        if not is_one_value(bare):
            self._tenantshield_open_ended = True
        return f"({text})"

    def visit_textclause(self, textclause: Any, *args: Any, **kw: Any) -> Any:
        # private: a statement that is text as a whole stands in parentheses of its own.
        whole = self.stack and getattr(self.stack[-1]["selectable"], "element", None) is textclause
        if whole:
            self._tenantshield_fragment(textclause.text)
        elif self.stack:
            self._tenantshield_part(textclause.text)
        return super().visit_textclause(textclause, *args, **kw)

    def visit_tstring(self, tstring: Any, *args: Any, **kw: Any) -> Any:
        # New in 2.1. The raw parts need not stand parenthesize, all of them together must.
        parts = [getattr(part, "text", "x") for part in tstring.parts]
        if self.stack:
            self._tenantshield_part("".join(parts))
        text = super().visit_tstring(tstring, *args, **kw)
        self._tenantshield_refuse_named(misplaced(text, registry.names(), in_lists=True))
        return text

    # private: infix and prefix operators made with op() and custom_op.
    def visit_custom_op_binary(self, element: Any, operator: Any, **kw: Any) -> Any:
        self._tenantshield_operator(operator.opstring)
        return super().visit_custom_op_binary(element, operator, **kw)

    def visit_custom_op_unary_operator(self, element: Any, operator: Any, **kw: Any) -> Any:
        self._tenantshield_operator(operator.opstring)
        return super().visit_custom_op_unary_operator(element, operator, **kw)

    def visit_custom_op_unary_modifier(self, element: Any, operator: Any, **kw: Any) -> Any:
        self._tenantshield_operator(operator.opstring)
        return super().visit_custom_op_unary_modifier(element, operator, **kw)

    def _tenantshield_operator(self, text: str) -> None:
        self._tenantshield_part(text)
        if "," in text and self._tenantshield_scans:
            raise UnguardedStatementError(
                "an operator with a comma begins something else, which cannot be confined to the "
                "tenant; if it was reviewed, mark the statement with "
                ".execution_options(tenantshield_reviewed=True)"
            )

    def _tenantshield_trailer(self, text: str) -> None:
        if not begins_a_clause(text):
            self._tenantshield_open_ended = True

    def _tenantshield_part(self, text: str) -> None:
        self._tenantshield_fragment(text)
        if ends_a_select(text):
            self._tenantshield_open_ended = True

    def _tenantshield_fragment(self, text: str) -> None:
        mysql = self.dialect.name in ("mysql", "mariadb")
        if not stands_alone(text, hash_comments=mysql):
            self._tenantshield_open_ended = True

    def visit_column(self, column: Any, *args: Any, **kw: Any) -> Any:
        if column.is_literal:
            # MySQL's upserts put rendered names, with their marks, into these.
            self._tenantshield_part(without_marks(column.name))
        return super().visit_column(column, *args, **kw)

    def _tenantshield_select_parts(self, select: Any) -> None:
        # private: what follows the criteria as raw SQL.
        for suffix, _ in select._suffixes:
            self._tenantshield_trailer(getattr(suffix, "text", ""))
        for _, hint in select._statement_hints:
            self._tenantshield_trailer(hint)
        self._tenantshield_hints(select)

    def _tenantshield_hints(self, statement: Any) -> None:
        # private: hints on tables, by table and dialect.
        for hint in statement._hints.values():
            self._tenantshield_part(hint)
