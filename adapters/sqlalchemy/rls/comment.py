"""Writes down in the database what the policies of a table were made from.

A comment on the policy. With it a migration that changes or removes the policies knows what
it has to put back when it is undone.
"""

from __future__ import annotations

import json
from typing import Any, Final

from .specification import ParentLink, TablePolicySpec, TenantColumn

__all__ = ["read_record", "record"]

_PREFIX: Final = "tenantshield: "


def record(spec: TablePolicySpec) -> str:
    """Return ``spec`` as a line of text."""
    values: dict[str, Any] = {"name": spec.name, "schema": spec.schema}
    if spec.column is not None:
        values["column"] = [spec.column.name, spec.column.kind, spec.column.storage]
    for key, alongs in (("ties", spec.ties), ("references", spec.references)):
        values[key] = [
            [each.columns, each.parent, each.parent_columns, each.parent_schema] for each in alongs
        ]
    return _PREFIX + json.dumps({key: value for key, value in values.items() if value})


def read_record(text: str | None) -> TablePolicySpec | None:
    """Return what :func:`record` has written; ``None`` for any other text."""
    if text is None or not text.startswith(_PREFIX):
        return None
    try:
        values = json.loads(text.removeprefix(_PREFIX))
        column = values.get("column")
        return TablePolicySpec(
            values["name"],
            values.get("schema"),
            None if column is None else TenantColumn(*column),
            *(tuple(map(_along, values.get(key, ()))) for key in ("ties", "references")),
        )
    except (ValueError, TypeError, KeyError, AttributeError):
        # Somebody else's words.
        return None


def _along(values: list[Any]) -> ParentLink:
    columns, parent, parent_columns, parent_schema = values
    return ParentLink(tuple(columns), parent, tuple(parent_columns), parent_schema)
