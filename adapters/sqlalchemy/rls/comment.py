"""Records the specification of a table's policies in a comment on the policy.

A migration that changes or drops policies reads it to know what its downgrade must restore.
"""

from __future__ import annotations

import json
from typing import Any, Final

from .specification import ParentLink, TablePolicySpec, TenantColumn

__all__ = ["read_record", "record"]

_PREFIX: Final = "tenantshield: "


def record(spec: TablePolicySpec) -> str:
    """Return ``spec`` serialized to one line of text."""
    values: dict[str, Any] = {"name": spec.name, "schema": spec.schema}
    if spec.column is not None:
        values["column"] = [spec.column.name, spec.column.kind, spec.column.storage]
    for key, links in (("ties", spec.ties), ("references", spec.references)):
        values[key] = [
            [each.columns, each.parent, each.parent_columns, each.parent_schema] for each in links
        ]
    return _PREFIX + json.dumps({key: value for key, value in values.items() if value})


def read_record(text: str | None) -> TablePolicySpec | None:
    """Parse the text that :func:`record` writes; return ``None`` for any other text."""
    if text is None or not text.startswith(_PREFIX):
        return None
    try:
        values = json.loads(text.removeprefix(_PREFIX))
        column = values.get("column")
        return TablePolicySpec(
            values["name"],
            values.get("schema"),
            None if column is None else TenantColumn(*column),
            *(tuple(map(_link, values.get(key, ()))) for key in ("ties", "references")),
        )
    except (ValueError, TypeError, KeyError, AttributeError):
        # A comment that this package did not write.
        return None


def _link(values: list[Any]) -> ParentLink:
    columns, parent, parent_columns, parent_schema = values
    return ParentLink(tuple(columns), parent, tuple(parent_columns), parent_schema)
