"""The raw SQL within one statement.

A raw part must not name a table that belongs to tenants, and must not be able to undo
the condition that the compiler puts next to it. What a part looks like is judged in
``raw_sql/``; here is where parts come from.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy.engine import Dialect

from ..databases import database_for
from ..ownership.registry import registry
from ..raw_sql.checks import RawText, Source, check, refuse, refuse_named
from ..raw_sql.marks import without_marks
from ..raw_sql.patterns import begins_a_clause, ends_a_select, is_one_value, stands_alone
from ..raw_sql.table_names import misplaced
from .rewriting import is_extension_of

__all__ = ["RawParts"]


class RawParts:
    """Looks at the raw parts of one statement as they are rendered.

    Args:
        dialect: of the database that the statement is for.
        scans: whether raw SQL is looked through; not so for statements marked as reviewed.

    Attributes:
        guarded_upserts: how many clauses that write over a row in the way are confined.
    """

    def __init__(self, dialect: Dialect, *, scans: bool) -> None:
        self._dialect = dialect
        self._hash_comments = database_for(dialect).hash_comments
        self._scans = scans
        self._open_ended = False
        self.guarded_upserts = 0

    def check(self, text: str, *, covers: bool, writes: bool) -> None:
        """Refuse a statement whose raw parts cannot be confined.

        Args:
            text: the statement, with the marks.
            covers: whether it reads or changes tenants' rows.
            writes: whether it writes them.

        Raises:
            UnguardedStatementError: it has such parts.
        """
        if self._scans:
            check(
                RawText(
                    text,
                    Source.STATEMENT,
                    self._dialect,
                    covers=covers,
                    writes=writes,
                    open_ended=self._open_ended,
                    guarded_upserts=self.guarded_upserts,
                )
            )

    def add(self, text: str) -> None:
        """Take in a part that other SQL follows."""
        self._add_fragment(text)
        if ends_a_select(text):
            self._open_ended = True

    def add_trailer(self, text: str) -> None:
        """Take in a part that follows the criteria."""
        if not begins_a_clause(text):
            self._open_ended = True

    def add_parenthesized(self, text: str) -> None:
        """Take in what the guard puts into parentheses."""
        bare = without_marks(text)
        self._add_fragment(bare)
        if not is_one_value(bare):
            self._open_ended = True

    def add_text(self, text: Any, enclosing: Any) -> None:
        """Take in a ``text()``.

        Args:
            text: the construct.
            enclosing: the statement that it is a part of; ``None`` if it is one itself.
        """
        content: str = text.text
        # private: a statement that is text as a whole stands in parentheses of its own.
        if getattr(enclosing, "element", None) is text:
            self._add_fragment(content)
        elif enclosing is not None:
            self.add(content)

    def render_tstring(self, tstring: Any, enclosing: Any, render: Callable[[], str]) -> str:
        """Return what ``render`` makes of a ``tstring()``, new in 2.1.

        Raises:
            UnguardedStatementError: it names a tenants' table.
        """
        # The raw parts need not be complete each; all of them together must.
        if enclosing is not None:
            self.add("".join(getattr(part, "text", "x") for part in tstring.parts))
        text = render()
        if self._scans:
            refuse_named(misplaced(text, registry.names(), in_lists=True), Source.STATEMENT)
        return text

    def add_operator(self, text: str) -> None:
        """Look at an operator made with ``op()`` or ``custom_op``, which is taken in as text.

        Raises:
            UnguardedStatementError: it begins something else.
        """
        if "," in text and self._scans:
            refuse(
                Source.STATEMENT,
                "has an operator with a comma, which begins something else and cannot be confined "
                "to the tenant",
            )

    def add_select(self, select: Any) -> None:
        """Take in what a ``SELECT`` has of suffixes and hints."""
        # private: what follows the criteria as raw SQL.
        for suffix, _ in select._suffixes:
            self.add_trailer(getattr(suffix, "text", ""))
        for _, hint in select._statement_hints:
            self.add_trailer(hint)
        self.add_hints(select)

    def add_hints(self, statement: Any) -> None:
        """Take in a statement's hints on tables."""
        # private: by table and dialect.
        for hint in statement._hints.values():
            self.add(hint)

    def add_rendered(self, element: Any, text: str, enclosing: Any) -> None:
        """Take in what was rendered, which may be a syntax extension."""
        if enclosing is not None and text and is_extension_of(enclosing, element):
            self.add_trailer(text)

    def _add_fragment(self, text: str) -> None:
        if not stands_alone(text, hash_comments=self._hash_comments):
            self._open_ended = True
