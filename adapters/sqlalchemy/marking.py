"""Identifiers that a compiler has quoted, told apart from raw text.

A statement's text is looked through for raw SQL once it is complete. For that, while
it is compiled, every identifier carries a mark, see :data:`.raw.MARK`.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy.sql.compiler import IdentifierPreparer

from .raw import MARK

__all__ = ["marking"]


class _MarkingPreparer(IdentifierPreparer if TYPE_CHECKING else object):  # type: ignore[misc]
    """Puts the mark behind every identifier that it renders."""

    def quote(self, ident: str, force: Any = None) -> str:
        text = super().quote(ident)
        # A name that is told not to be quoted goes out as it is and may be anything.
        if text == ident and not ident.isidentifier():
            return text
        return text + MARK

    def quote_identifier(self, value: str) -> str:
        return super().quote_identifier(value) + MARK


@cache
def _class_for(kind: type[IdentifierPreparer]) -> type[IdentifierPreparer]:
    return cast(
        "type[IdentifierPreparer]", type(f"Marking{kind.__name__}", (_MarkingPreparer, kind), {})
    )


def marking(preparer: IdentifierPreparer) -> IdentifierPreparer:
    kind = _class_for(type(preparer))
    marked = kind.__new__(kind)
    marked.__dict__.update(preparer.__dict__)
    # private: a cache of quoted identifiers, which must not get the marked ones.
    marked._strings = {}
    return marked
