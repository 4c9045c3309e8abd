"""The part of the guard that looks at raw SQL within a statement.

A raw part must not name a table that belongs to tenants, and must not be able to undo
the condition that the compiler puts next to it. What a part looks like is judged in
``raw_sql/``; here is where parts come from.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from sqlalchemy.sql.compiler import SQLCompiler

from ..ownership.registry import registry
from ..raw_sql.checks import RawText, Source, check, refuse, refuse_named
from ..raw_sql.marks import without_marks
from ..raw_sql.patterns import begins_a_clause, ends_a_select, is_one_value, stands_alone
from ..raw_sql.table_names import misplaced
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
        check(
            RawText(
                text,
                Source.STATEMENT,
                self.dialect,
                covers=covers,
                writes=writes,
                open_ended=self._tenantshield_open_ended,
                guarded_upserts=self._tenantshield_guarded_upserts,
            )
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
        if self._tenantshield_scans:
            refuse_named(misplaced(text, registry.names(), in_lists=True), Source.STATEMENT)
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
            refuse(
                Source.STATEMENT,
                "has an operator with a comma, which begins something else and cannot be confined "
                "to the tenant",
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
