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
        values["column"] = _values_of_column(spec.column)
    for key, links in (("ties", spec.ties), ("references", spec.references)):
        values[key] = list(map(_values_of_link, links))
    values |= {"roles": spec.roles, "signed": spec.signed, "system_role": spec.system_role}
    return _PREFIX + json.dumps({key: value for key, value in values.items() if value})


def _values_of_column(column: TenantColumn) -> list[Any]:
    values = [column.name, column.kind, column.storage]
    return [*values, column.shared_rows] if column.shared_rows else values


def _values_of_link(link: ParentLink) -> list[Any]:
    values: list[Any] = [link.columns, link.parent, link.parent_columns, link.parent_schema]
    if not link.own:
        return values
    own = [
        {"column": _values_of_column(each)}
        if isinstance(each, TenantColumn)
        else {"tie": _values_of_link(each)}
        for each in link.own
    ]
    return [*values, own]


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
            None if column is None else _column(column),
            ties=tuple(map(_link, values.get("ties", ()))),
            references=tuple(map(_link, values.get("references", ()))),
            roles=tuple(values.get("roles", ())),
            signed=bool(values.get("signed", False)),
            system_role=values.get("system_role"),
        )
    except (ValueError, TypeError, KeyError, AttributeError):
        # A comment that this package did not write.
        return None


def _column(values: list[Any]) -> TenantColumn:
    name, kind, storage, *shared = values
    return TenantColumn(name, kind, storage, tuple(*shared))


def _link(values: list[Any]) -> ParentLink:
    columns, parent, parent_columns, parent_schema, *more = values
    own: Any = tuple(
        _column(each["column"]) if "column" in each else _link(each["tie"])
        for each in (more[0] if more else ())
    )
    return ParentLink(tuple(columns), parent, tuple(parent_columns), parent_schema, own)
