"""What can be requested from an application: its operations, and what they take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from .examples import example_of, resolved

__all__ = ["Operation", "in_order", "operations_of"]

_READS_FIRST: Final = ("GET", "QUERY", "POST", "PUT", "PATCH", "DELETE")
_JSON: Final = "application/json"


@dataclass(frozen=True)
class Operation:
    """One operation.

    Args:
        method: of HTTP, in capitals.
        path: with its parameters in braces, as in ``/invoices/{invoice_id}``.
        query: the query parameters, by name, each with an example that is not a row's id.
        body: the same for the fields of the body, which may have objects and lists in them.
        form: whether the body is sent as a form, not as JSON.
    """

    method: str
    path: str
    query: Mapping[str, Any] = field(default_factory=dict)
    body: Mapping[str, Any] = field(default_factory=dict)
    form: bool = False

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def operations_of(document: Mapping[str, Any]) -> list[Operation]:
    """Return the operations of an OpenAPI document, those that read first."""
    found = [
        _operation(document, method.upper(), path, described, described_path)
        for path, described_path in document.get("paths", {}).items()
        for method, described in described_path.items()
        if method.upper() in _READS_FIRST
    ]
    return in_order(found)


def in_order(operations: Sequence[Operation]) -> list[Operation]:
    """Return the operations in an order in which each can still find its rows."""
    ranked = sorted(operations, key=_rank)
    first_delete = next(
        (number for number, each in enumerate(ranked) if _rank(each) == _DELETES), len(ranked)
    )
    # What is described last usually belongs to what is described first, and goes with it.
    return [*ranked[:first_delete], *reversed(ranked[first_delete:])]


def _rank(operation: Operation) -> int:
    # Forms have no other method to delete with.
    if operation.method == "POST" and "delete" in operation.path:
        return _DELETES
    known = operation.method in _READS_FIRST
    return _READS_FIRST.index(operation.method) if known else _DELETES - 1


_DELETES: Final = _READS_FIRST.index("DELETE")


def _operation(
    document: Mapping[str, Any],
    method: str,
    path: str,
    described: Mapping[str, Any],
    described_path: Mapping[str, Any],
) -> Operation:
    parameters = [
        resolved(document, each)
        for each in (*described_path.get("parameters", ()), *described.get("parameters", ()))
    ]
    query = {
        each["name"]: example
        for each in parameters
        if each["in"] == "query"
        and (example := example_of(document, {"schema": {}, **each}["schema"])) is not None
    }
    content = resolved(document, described.get("requestBody", {})).get("content", {})
    if not content:
        return Operation(method, path, query)
    media = content.get(_JSON) or next(iter(content.values()))
    body = example_of(document, media.get("schema", {}))
    fields = body if isinstance(body, Mapping) else {}
    return Operation(method, path, query, fields, form=_JSON not in content)
