"""Examples of what JSON schemas describe."""

from __future__ import annotations

from typing import Any

import pytest

from tenantshield_mw.adapters.testing.examples import example_of

TREE: dict[str, Any] = {
    "tree": {"properties": {"id": {"type": "integer"}, "up": {"$ref": "#/tree"}}},
}


@pytest.mark.parametrize(
    ("schema", "example"),
    [
        ({"type": "integer", "default": 7}, 7),
        ({"type": "string", "default": ""}, "e"),
        ({"const": "on"}, "on"),
        ({"type": "string", "examples": ["x"]}, "x"),
        ({"type": "string", "format": "uuid"}, "00000000-0000-4000-8000-000000000000"),
        ({"type": "string", "format": "email"}, "e@example.com"),
        ({"type": "string", "format": "of our own"}, "e"),
        ({"type": ["null", "number"], "exclusiveMinimum": 4}, 5),
        ({"type": "integer", "minimum": 4}, 4),
        ({"type": "boolean"}, True),
        ({"anyOf": [{"type": "null"}, {"type": "boolean"}]}, True),
        ({"oneOf": [{"type": "string"}, {"type": "boolean"}]}, "e"),
        ({"type": "array", "items": {"type": "integer"}, "minItems": 2}, [1, 1]),
        ({"type": "array", "items": {"type": "null"}}, []),
        ({"type": "object"}, {}),
        ({"allOf": [{"type": "string", "format": "date"}]}, "2026-01-01"),
        ({"type": "null"}, None),
        ({}, None),
    ],
)
def test_an_example_fits_its_schema(schema: dict[str, Any], example: Any) -> None:
    assert example_of({}, schema) == example


def test_schemas_may_go_round() -> None:
    found = example_of(TREE, {"$ref": "#/tree"})
    depth = 0
    while found:
        depth += 1
        assert found["id"] == 1
        found = found.get("up")
    assert depth == 5


def test_names_in_references_may_be_escaped() -> None:
    document = {"a/b~c": {"const": 1}}
    assert example_of(document, {"$ref": "#/a~1b~0c"}) == 1
