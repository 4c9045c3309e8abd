"""Mark the identifiers that a compiler has rendered, to tell them from raw text.

A statement's text is searched for raw SQL once it is complete, see ``table_names.py``. For this,
every identifier is put between marks while the statement is compiled. The names of tables whose
rows the guard has confined have a different closing mark. So a table's name that something else
has rendered, such as a construct of the application, can be told from them.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from secrets import choice
from typing import TYPE_CHECKING, Any, Final, cast

from sqlalchemy.sql.compiler import IdentifierPreparer

__all__ = [
    "CLOSE",
    "CLOSE_TABLE",
    "MARKED",
    "OPEN",
    "marking",
    "without_confined_names",
    "without_marks",
]

# Unknown to authors of raw SQL: there are 2 ** 75 of them, from a private use area of Unicode.
# Short, since every identifier has two marks.
_SECRET: Final = "".join(choice([chr(code) for code in range(0xE010, 0xF810)]) for _ in range(6))

OPEN: Final = f"\ue000{_SECRET}"
CLOSE: Final = f"\ue001{_SECRET}"
CLOSE_TABLE: Final = f"\ue002{_SECRET}"

MARKED: Final = re.compile(
    f"{OPEN}((?:(?!{OPEN}|{CLOSE}|{CLOSE_TABLE}).)*)(?:{CLOSE}|{CLOSE_TABLE})", re.DOTALL
)
"""An identifier with marks of either kind."""

if TYPE_CHECKING:
    _Base = IdentifierPreparer
else:
    _Base = object


_TABLE: Final = re.compile(f"{OPEN}([^{OPEN[0]}{CLOSE[0]}{CLOSE_TABLE[0]}]*+){CLOSE_TABLE}")


def without_confined_names(text: str, names: Collection[str]) -> str:
    """Return ``text`` with another name for each confined table, and without marks.

    These are certain to be names, though some, such as ``program`` and ``eval``, read like SQL.

    Args:
        text: the text, with marks.
        names: the case-folded names of tables that belong to tenants.
    """

    def other(found: re.Match[str]) -> str:
        is_confined = found[1].strip('"`[]').casefold() in names
        return "tenantshield_table" if is_confined else found[1]

    return without_marks(_TABLE.sub(other, text))


def without_marks(text: str) -> str:
    """Return ``text`` without marks, for the database."""
    return text.replace(OPEN, "").replace(CLOSE, "").replace(CLOSE_TABLE, "")


class _MarkingPreparer(_Base):
    """Puts marks around every identifier that it renders."""

    raw_names: list[str]
    """The names that were rendered without quotes and may be anything."""

    targets: set[Any]
    """The tables of the ``INSERT`` statements that the guard is rendering."""

    known: tuple[dict[str, str], dict[str, str]]
    """The rendered forms of names, and of names of confined tables."""

    close = CLOSE

    def quote(self, ident: str, force: Any = None) -> str:
        # A table's name, for example, may have a setting for its quotes.
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
        # A name that is set not to be quoted is rendered unchanged and may be anything.
        if text.startswith(OPEN):
            return text
        # All databases allow $ in a name without quotes, but not at its beginning.
        if text == ident and not ident.replace("$", "_").isidentifier():
            self.raw_names.append(text)
            return text
        return OPEN + text + self.close

    def quote_identifier(self, value: str) -> str:
        return OPEN + super().quote_identifier(value) + self.close

    def as_table(self, render: Any, *args: Any, **kw: Any) -> Any:
        """Return the result of ``render``, whose names are marked as those of confined tables."""
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
        # The alias of a subquery, a CTE or a table, which was rendered before.
        return cast("str", self.as_table(super().format_alias, *args, **kw))


_KNOWN: Final = "_tenantshield_known"

_classes: Final[dict[type[IdentifierPreparer], type[IdentifierPreparer]]] = {}


def marking(preparer: IdentifierPreparer, raw_names: list[str]) -> Any:
    """Return a copy of ``preparer`` that marks the identifiers that it renders.

    Args:
        preparer: the compiler's preparer.
        raw_names: collects names that are set not to be quoted and may be anything.
    """
    kind = type(preparer)
    if kind not in _classes:
        subclass = type(f"Marking{kind.__name__}", (_MarkingPreparer, kind), {})
        _classes[kind] = cast("type[IdentifierPreparer]", subclass)
    marked = _classes[kind].__new__(_classes[kind])
    marked.__dict__.update(preparer.__dict__)
    # private: a cache of quoted identifiers, which must not get marked ones.
    marked._strings = {}
    # Lives as long as that cache, and is shared with copies for another schema.
    marked.__dict__["known"] = preparer.__dict__.setdefault(_KNOWN, ({}, {}))
    marked.__dict__["raw_names"] = raw_names
    marked.__dict__["targets"] = set()
    return marked
