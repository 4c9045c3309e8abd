"""Examples of what a JSON schema describes, as OpenAPI has it.

https://json-schema.org/draft/2020-12/json-schema-validation
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

__all__ = ["example_of", "resolved"]

_BY_FORMAT: Final[Mapping[str, str]] = {
    "date": "2026-01-01",
    "date-time": "2026-01-01T00:00:00Z",
    "time": "00:00:00Z",
    "duration": "P1D",
    "email": "e@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}

_DEPTH: Final = 5
"""How far schemas are followed into each other, which may go round."""


def resolved(document: Mapping[str, Any], part: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what a part of the document refers to, or the part itself."""
    while "$ref" in part:
        found: Any = document
        for step in part["$ref"].removeprefix("#/").split("/"):
            found = found[step.replace("~1", "/").replace("~0", "~")]
        part = found
    return part


def example_of(document: Mapping[str, Any], schema: Mapping[str, Any], depth: int = 0) -> Any:
    """Return a value that ``schema`` allows; ``None`` if there is none but ``null``, or none is
    found.

    Args:
        document: what ``$ref`` refers into.
        schema: the schema.
        depth: how many schemas it is in.
    """
    schema = resolved(document, schema)
    if depth > _DEPTH:
        return None
    # An empty default asks for nothing: a search for it finds no row, or all.
    for given in ("const", "example", "default"):
        if schema.get(given):
            return schema[given]
    for several in ("examples", "enum"):
        if isinstance(schema.get(several), list):
            return schema[several][0]
    for alternative in (*schema.get("anyOf", ()), *schema.get("oneOf", ())):
        if (example := example_of(document, alternative, depth + 1)) is not None:
            return example
    if "properties" in schema or "allOf" in schema:
        return _object(document, schema, depth)
    return _plain(document, schema, depth)


def _object(document: Mapping[str, Any], schema: Mapping[str, Any], depth: int) -> Any:
    fields: dict[str, Any] = {}
    for part in schema.get("allOf", ()):
        example = example_of(document, part, depth + 1)
        if not isinstance(example, Mapping):
            return example
        fields |= example
    for name, each in schema.get("properties", {}).items():
        if (example := example_of(document, each, depth + 1)) is not None:
            fields[name] = example
    return fields


def _plain(document: Mapping[str, Any], schema: Mapping[str, Any], depth: int) -> Any:
    kinds = schema.get("type")
    kind = next((each for each in kinds if each != "null"), None) if type(kinds) is list else kinds
    if kind == "string":
        by_format = _BY_FORMAT.get(schema.get("format", ""))
        return by_format or "e" * max(schema.get("minLength", 1), 1)
    if kind in ("integer", "number"):
        return schema.get("minimum", schema.get("exclusiveMinimum", 0) + 1)
    if kind == "array":
        item = example_of(document, schema.get("items", {}), depth + 1)
        return [] if item is None else [item] * max(schema.get("minItems", 1), 1)
    return {"boolean": True, "object": {}}.get(str(kind))
