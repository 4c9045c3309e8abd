"""Collect the raw SQL within one statement.

A raw part must not name a table that holds tenants' rows, and must not be able to undo the
condition that the compiler puts next to it. This module collects the parts, ``raw_sql/`` checks
them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy.engine import Dialect

from ..databases import database_for
from ..ownership.registry import registry
from ..raw_sql.checks import RawText, Source, check, refuse, refuse_named
from ..raw_sql.marks import without_marks
from ..raw_sql.patterns import (
    begins_a_clause,
    ends_a_select,
    is_comparison,
    is_one_value,
    stands_alone,
)
from ..raw_sql.table_names import misplaced, named_anywhere
from .rewriting import is_extension_of

__all__ = ["RawParts"]


class RawParts:
    """Collects the raw parts of one statement as they are rendered.

    Args:
        dialect: the dialect that the statement is for.
        scans: whether raw SQL is checked; it is not in statements that are marked as reviewed.

    Attributes:
        guarded_upserts: the number of confined clauses that write over an existing row.
    """

    def __init__(self, dialect: Dialect, *, scans: bool) -> None:
        self._dialect = dialect
        self._hash_comments = database_for(dialect).hash_comments
        self._scans = scans
        self._open_ended = False
        self.guarded_upserts = 0

    def check(self, text: str, *, covers: bool, writes: bool, is_own: bool) -> None:
        """Refuse a statement whose raw parts cannot be confined.

        Args:
            text: the statement, with the marks (``raw_sql/marks.py``).
            covers: whether it reads or changes tenants' rows.
            writes: whether it writes them.
            is_own: whether it is a statement of the application's own.

        Raises:
            UnguardedStatementError: a raw part cannot be confined.
        """
        if self._scans:
            if is_own:
                refuse_named(named_anywhere(text, registry.names()), Source.STATEMENT)
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

    def check_later(self, text: str, *, writes: bool) -> None:
        """Refuse a value that is put into the statement when it is executed, if it is more.

        Args:
            text: the value as SQL.
            writes: whether the statement writes tenants' rows.

        Raises:
            UnguardedStatementError: it is more than one value, or reaches rows.
        """
        part = RawParts(self._dialect, scans=self._scans)
        part.add(text)
        part.add_parenthesized(text)
        part.check(text, covers=True, writes=writes, is_own=False)

    def add(self, text: str) -> None:
        """Add a part that is followed by other SQL."""
        self._add_fragment(text)
        if ends_a_select(text):
            self._open_ended = True

    def add_trailer(self, text: str) -> None:
        """Add a part that follows the criteria."""
        if not begins_a_clause(text):
            self._open_ended = True

    def add_parenthesized(self, text: str) -> None:
        """Add the text that the guard has put into parentheses."""
        if is_comparison(text):
            return
        bare = without_marks(text)
        self._add_fragment(bare)
        if not is_one_value(bare):
            self._open_ended = True

    def add_text(self, text: Any, enclosing: Any) -> None:
        """Add a ``text()``.

        Args:
            text: the construct.
            enclosing: the statement that it is a part of; ``None`` if it is the statement.
        """
        content: str = text.text
        # private: a statement that consists of text only gets parentheses of its own.
        if getattr(enclosing, "element", None) is text:
            self._add_fragment(content)
        elif enclosing is not None:
            self.add(content)

    def render_tstring(self, tstring: Any, enclosing: Any, render: Callable[[], str]) -> str:
        """Return the text of a ``tstring()``, which is new in 2.1.

        Raises:
            UnguardedStatementError: it names a table with tenants' rows.
        """
        # The raw parts need to be complete together, not each on its own.
        if enclosing is not None:
            self.add("".join(getattr(part, "text", "x") for part in tstring.parts))
        text = render()
        if self._scans:
            refuse_named(misplaced(text, registry.names(), in_lists=True), Source.STATEMENT)
        return text

    def add_operator(self, text: str) -> None:
        """Check an operator from ``op()`` or ``custom_op``; its text is added separately.

        Raises:
            UnguardedStatementError: it has a comma, which ends the expression.
        """
        if "," in text and self._scans:
            refuse(
                Source.STATEMENT,
                "has an operator with a comma, which ends the expression, and cannot be confined "
                "to the tenant",
            )

    def add_select(self, select: Any) -> None:
        """Add the suffixes and hints of a ``SELECT``."""
        # private: raw SQL that follows the criteria.
        for suffix, _ in select._suffixes:
            self.add_trailer(getattr(suffix, "text", ""))
        for _, hint in select._statement_hints:
            self.add_trailer(hint)
        self.add_hints(select)

    def add_hints(self, statement: Any) -> None:
        """Add a statement's hints on tables."""
        # private: the hints by table and dialect.
        for hint in statement._hints.values():
            self.add(hint)

    def add_rendered(self, element: Any, text: str, enclosing: Any) -> None:
        """Add the text of ``element`` if it is a syntax extension."""
        if enclosing is not None and text and is_extension_of(enclosing, element):
            self.add_trailer(text)

    def _add_fragment(self, text: str) -> None:
        if not stands_alone(text, hash_comments=self._hash_comments):
            self._open_ended = True
