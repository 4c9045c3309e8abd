"""Raw SQL that makes the database delete or change tenants' rows through a foreign key."""

from __future__ import annotations

import re
from typing import Final

from sqlalchemy.engine import Dialect

from ..ownership.cascades import effect_of, is_same_table, is_tenant_aware, known_cascades, reached
from ..ownership.model import table_label
from .marks import OPEN, without_marks
from .patterns import GAP, REPLACES_ROWS, WRITES_OVER
from .table_names import unmarked_names

__all__ = ["cascade_in"]

_DELETES: Final = re.compile(rf"\b(?:DELETE|MERGE|REPLACE(?!{GAP}*+\())\b", re.IGNORECASE)
_UPDATES: Final = re.compile(r"\b(?:UPDATE|MERGE)\b", re.IGNORECASE)
_TRUNCATES: Final = re.compile(r"\bTRUNCATE\b", re.IGNORECASE)
# SQLite first deletes the rows.
_DROPS: Final = re.compile(rf"\bDROP{GAP}++TABLE\b", re.IGNORECASE)

# Statements that SQLAlchemy's constructs have rendered, whose target the guard checks, and
# clauses that only lock rows.
_NOT_RAW: Final = re.compile(
    rf"\b(?:DELETE{GAP}++FROM|UPDATE(?:{GAP}++ONLY)?){GAP}*+(?={OPEN})"
    rf"|\b(?:FOR|FOR{GAP}++NO{GAP}++KEY){GAP}++UPDATE\b",
    re.IGNORECASE,
)
_VERBS: Final = (
    (_DELETES, "DELETE"),
    (_UPDATES, "UPDATE"),
    (_TRUNCATES, "TRUNCATE"),
    (_DROPS, "DROP TABLE"),
)
_WRITES_OVER: Final = re.compile(
    rf"(?:{WRITES_OVER.pattern})(?:{GAP}++KEY{GAP}++UPDATE\b)?+", re.IGNORECASE
)


def cascade_in(text: str, dialect: Dialect, *, upserts_are_raw: bool = True) -> str | None:
    """Return the effect of raw SQL on other tenants' rows through foreign keys.

    Args:
        text: one or more whole statements, with marks around compiled identifiers.
        dialect: the dialect that they are for.
        upserts_are_raw: whether a clause that writes over an existing row may be raw; the
            guard has checked the others.

    Returns:
        A part of an error's message; ``None`` if there is no such effect.
    """
    edges = known_cascades()
    if not edges:
        return None
    if REPLACES_ROWS.search(text):
        # The verb is raw, but the table's name may have been compiled.
        text = without_marks(text)
    raw = _NOT_RAW.sub(" ", text)
    if not upserts_are_raw:
        raw = _WRITES_OVER.sub(" ", raw)
    parents = {each.parent.name.casefold(): each.parent for each in edges}
    for pattern, verb in _VERBS:
        if not pattern.search(raw):
            continue
        for name in sorted(unmarked_names(text, parents, dialect)):
            parent = parents[name]
            written = None
            if verb == "UPDATE":
                written = frozenset(
                    column.casefold()
                    for each in edges
                    if is_same_table(each.parent, parent)
                    for column in each.parent_columns
                )
            is_tenants = is_tenant_aware(parent)
            found = next(
                reached(
                    edges, parent, written, is_tenants=is_tenants, truncates=verb == "TRUNCATE"
                ),
                None,
            )
            if found is not None:
                return f"with {verb} names {table_label(parent)}, and that {effect_of(found)}"
    return None
