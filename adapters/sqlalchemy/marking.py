"""Identifiers that a compiler has quoted, told apart from raw text.

A statement's text is looked through for raw SQL once it is complete. For that, while
it is compiled, every identifier stands between marks, see :data:`.raw.OPEN`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from sqlalchemy.sql.compiler import IdentifierPreparer

from .raw import CLOSE, OPEN

__all__ = ["marking"]


if TYPE_CHECKING:
    _Base = IdentifierPreparer
else:
    _Base = object


class _MarkingPreparer(_Base):
    """Puts marks around every identifier that it renders."""

    raw_names: list[str]
    """The names that went out as they are."""

    def quote(self, ident: str, force: Any = None) -> str:
        text = super().quote(ident)
        # A name that is told not to be quoted goes out as it is and may be anything.
        if text.startswith(OPEN):
            return text
        if text == ident and not ident.isidentifier():
            self.raw_names.append(text)
            return text
        return OPEN + text + CLOSE

    def quote_identifier(self, value: str) -> str:
        return OPEN + super().quote_identifier(value) + CLOSE


_classes: Final[dict[type[IdentifierPreparer], type[IdentifierPreparer]]] = {}


def marking(preparer: IdentifierPreparer, raw_names: list[str]) -> IdentifierPreparer:
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
    marked.__dict__["raw_names"] = raw_names
    return marked
