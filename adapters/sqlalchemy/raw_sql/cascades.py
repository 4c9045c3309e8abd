"""Raw SQL that has the database delete or change tenants' rows by a foreign key."""

from __future__ import annotations

import re
from typing import Final

from sqlalchemy.engine import Dialect

from ..ownership.cascades import has_rule, is_same_table, known_cascades, reached, refuse_reached
from ..ownership.model import table_label
from .table_names import unmarked_names

__all__ = ["refuse_cascade_in_text"]

_DELETES: Final = re.compile(r"\b(?:DELETE|REPLACE|MERGE)\b", re.IGNORECASE)
_UPDATES: Final = re.compile(r"(?<!\bFOR\s)\bUPDATE\b|\bMERGE\b", re.IGNORECASE)
_TRUNCATES: Final = re.compile(r"\bTRUNCATE\b", re.IGNORECASE)


def refuse_cascade_in_text(text: str, dialect: Dialect) -> None:
    """Refuse raw SQL that may do what :func:`refuse_cascade` refuses.

    Args:
        text: a whole statement, or several, as the application wrote it.
        dialect: of the database that it is for.

    Raises:
        UnguardedStatementError: it may.
    """
    edges = known_cascades()
    if not edges:
        return
    for pattern, verb in ((_DELETES, "DELETE"), (_UPDATES, "UPDATE"), (_TRUNCATES, "TRUNCATE")):
        if not pattern.search(text):
            continue
        parents = {each.parent.name.casefold(): each.parent for each in edges}
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
            is_tenants = has_rule(parent)
            found = next(
                reached(
                    edges, parent, written, is_tenants=is_tenants, truncates=verb == "TRUNCATE"
                ),
                None,
            )
            if found is not None:
                refuse_reached(f"raw SQL with {verb} names {table_label(parent)}, and that", found)
