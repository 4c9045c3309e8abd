"""Writes down in the database what the policies of a table were made from.

A comment on the policy. With it a migration that changes or removes the policies knows what
it has to put back when it is undone.
"""

from __future__ import annotations

import json
from typing import Any, Final

from .tables import Along, TableFloor, TenantColumn

__all__ = ["read_record", "record"]

_PREFIX: Final = "tenantshield: "


def record(floor: TableFloor) -> str:
    """Return ``floor`` as a line of text."""
    values: dict[str, Any] = {"name": floor.name, "schema": floor.schema}
    if floor.column is not None:
        values["column"] = [floor.column.name, floor.column.kind, floor.column.storage]
    for key, alongs in (("ties", floor.ties), ("references", floor.references)):
        values[key] = [
            [each.columns, each.parent, each.parent_columns, each.parent_schema] for each in alongs
        ]
    return _PREFIX + json.dumps({key: value for key, value in values.items() if value})


def read_record(text: str | None) -> TableFloor | None:
    """Return what :func:`record` has written; ``None`` for any other text."""
    if text is None or not text.startswith(_PREFIX):
        return None
    try:
        values = json.loads(text.removeprefix(_PREFIX))
        column = values.get("column")
        return TableFloor(
            values["name"],
            values.get("schema"),
            None if column is None else TenantColumn(*column),
            *(tuple(map(_along, values.get(key, ()))) for key in ("ties", "references")),
        )
    except (ValueError, TypeError, KeyError, AttributeError):
        # Somebody else's words.
        return None


def _along(values: list[Any]) -> Along:
    columns, parent, parent_columns, parent_schema = values
    return Along(tuple(columns), parent, tuple(parent_columns), parent_schema)
