"""What can be requested from an application: its operations, and what they take."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

__all__ = ["Operation", "in_order", "operations_of"]

READS_FIRST: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")


@dataclass(frozen=True)
class Operation:
    """One operation.

    Attributes:
        method: of HTTP.
        path: with its parameters in braces.
        query: the query parameters, by name, each with an example that is not a row's id.
        body: the same for the fields of the body.
        form: whether the body is sent as a form, not as JSON.
    """

    method: str
    path: str
    query: Mapping[str, Any] = field(default_factory=dict)
    body: Mapping[str, Any] = field(default_factory=dict)
    form: bool = False

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


_DELETE: Final = Operation("DELETE", "/")


def operations_of(document: Mapping[str, Any]) -> list[Operation]:
    """Return the operations of an OpenAPI document, those that read first."""
    found = [
        _operation(document, method.upper(), path, described)
        for path, methods in document["paths"].items()
        for method, described in methods.items()
    ]
    return in_order(found)


def in_order(operations: Sequence[Operation]) -> list[Operation]:
    """Return the operations in an order in which each can still leak."""
    ranked = sorted(operations, key=_rank)
    deletes = [each for each in ranked if _rank(each) == _rank(_DELETE)]
    # What is described last usually belongs to what is described first, and goes with it.
    return [*ranked[: len(ranked) - len(deletes)], *reversed(deletes)]


def _rank(operation: Operation) -> int:
    # Flask-Admin deletes by POST.
    deletes = operation.method == "POST" and "/delete/" in operation.path
    return READS_FIRST.index("DELETE" if deletes else operation.method)


def _operation(
    document: Mapping[str, Any], method: str, path: str, described: Mapping[str, Any]
) -> Operation:
    query = {
        each["name"]: _example(document, each["schema"])
        for each in described.get("parameters", ())
        if each["in"] == "query"
    }
    content = described.get("requestBody", {}).get("content", {})
    form = "application/json" not in content
    for each in content.values():
        return Operation(method, path, query, dict(_fields(document, each["schema"])), form)
    return Operation(method, path, query)


def _fields(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    schema = _resolved(document, schema)
    for name, each in schema.get("properties", {}).items():
        if (example := _example(document, each)) is not None:
            yield name, example


def _resolved(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    while "$ref" in schema:
        resolved: Any = document
        for step in schema["$ref"].removeprefix("#/").split("/"):
            resolved = resolved[step]
        schema = resolved
    return schema


def _example(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Any:
    schema = _resolved(document, schema)
    for alternative in (*schema.get("anyOf", ()), *schema.get("oneOf", ())):
        if (example := _example(document, alternative)) is not None:
            return example
    if "enum" in schema:
        return schema["enum"][0]
    kind, form = schema.get("type"), schema.get("format")
    if kind == "string":
        return "2026-01-01" if form == "date" else "e" * schema.get("minLength", 1)
    return {"integer": 1, "number": 1, "boolean": True}.get(str(kind))
