"""Identifiers that a compiler has quoted, told apart from raw text.

A statement's text is looked through for raw SQL once it is complete, see ``table_names.py``. For
that, while it is compiled, every identifier stands between marks. Where the guard has seen to
it that a table's rows are confined, its name has marks of its own: a name that something else
has rendered where a table stands, an application's construct for example, does not.
"""

from __future__ import annotations

import re
from secrets import choice
from typing import TYPE_CHECKING, Any, Final, cast

from sqlalchemy.sql.compiler import IdentifierPreparer

__all__ = ["CLOSE", "CLOSE_TABLE", "MARKED", "OPEN", "marking", "without_marks"]

# Nobody who writes raw SQL knows them: there are 2 ** 75 of these, all for private use. Short,
# since every identifier has two of them.
_SECRET: Final = "".join(choice([chr(code) for code in range(0xE010, 0xF810)]) for _ in range(6))

OPEN: Final = f"\ue000{_SECRET}"
CLOSE: Final = f"\ue001{_SECRET}"
CLOSE_TABLE: Final = f"\ue002{_SECRET}"

MARKED: Final = re.compile(
    f"{OPEN}((?:(?!{OPEN}|{CLOSE}|{CLOSE_TABLE}).)*)(?:{CLOSE}|{CLOSE_TABLE})", re.DOTALL
)
"""An identifier with its marks, of either kind."""

if TYPE_CHECKING:
    _Base = IdentifierPreparer
else:
    _Base = object


def without_marks(text: str) -> str:
    """Return ``text`` as the database is to see it."""
    return text.replace(OPEN, "").replace(CLOSE, "").replace(CLOSE_TABLE, "")


class _MarkingPreparer(_Base):
    """Puts marks around every identifier that it renders."""

    raw_names: list[str]
    """The names that went out as they are."""

    targets: set[Any]
    """The tables of the ``INSERT`` statements that the guard is rendering."""

    known: tuple[dict[str, str], dict[str, str]]
    """What is rendered of names, and of those of confined tables."""

    close = CLOSE

    def quote(self, ident: str, force: Any = None) -> str:
        # Of a table, for example, which may say for itself whether it is quoted.
        if type(ident) is not str and getattr(ident, "quote", None) is not None:
            return self._marked(ident)
        known = self.known[self.close is CLOSE_TABLE]
        text = known.get(ident)
        if text is None:
            text = self._marked(ident)
            if text.startswith(OPEN):
                known[ident] = text
        return text

    def _marked(self, ident: str) -> str:
        text = super().quote(ident)
        # A name that is told not to be quoted goes out as it is and may be anything.
        if text.startswith(OPEN):
            return text
        if text == ident and not ident.isidentifier():
            self.raw_names.append(text)
            return text
        return OPEN + text + self.close

    def quote_identifier(self, value: str) -> str:
        return OPEN + super().quote_identifier(value) + self.close

    def as_table(self, render: Any, *args: Any, **kw: Any) -> Any:
        """Return what ``render`` renders, whose names are those of confined tables."""
        outer = self.close
        # private: a cache of quoted identifiers, with their marks.
        strings, self._strings = self._strings, {}
        self.close = CLOSE_TABLE
        try:
            return render(*args, **kw)
        finally:
            self.close = outer
            self._strings = strings

    def format_table(self, table: Any, *args: Any, **kw: Any) -> str:
        if table in self.targets:
            return cast("str", self.as_table(super().format_table, table, *args, **kw))
        return super().format_table(table, *args, **kw)

    def format_alias(self, *args: Any, **kw: Any) -> str:
        # Of a subquery, a CTE or a table that was rendered as such.
        return cast("str", self.as_table(super().format_alias, *args, **kw))


_KNOWN: Final = "_tenantshield_known"

_classes: Final[dict[type[IdentifierPreparer], type[IdentifierPreparer]]] = {}


def marking(preparer: IdentifierPreparer, raw_names: list[str]) -> Any:
    """Return a copy of ``preparer`` that marks what it renders.

    Args:
        preparer: a compiler's own.
        raw_names: takes the names that are told not to be quoted and may be anything.
    """
    kind = type(preparer)
    if kind not in _classes:
        made = type(f"Marking{kind.__name__}", (_MarkingPreparer, kind), {})
        _classes[kind] = cast("type[IdentifierPreparer]", made)
    marked = _classes[kind].__new__(_classes[kind])
    marked.__dict__.update(preparer.__dict__)
    # private: a cache of quoted identifiers, which must not get the marked ones.
    marked._strings = {}
    # As long-lived as that cache; the same for copies with another schema.
    marked.__dict__["known"] = preparer.__dict__.setdefault(_KNOWN, ({}, {}))
    marked.__dict__["raw_names"] = raw_names
    marked.__dict__["targets"] = set()
    return marked
