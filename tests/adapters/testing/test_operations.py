"""The operations of OpenAPI documents, with examples of what they take."""

from __future__ import annotations

from typing import Any

import pytest

from tenantshield_mw.adapters.testing import Operation
from tenantshield_mw.adapters.testing.examples import example_of
from tenantshield_mw.adapters.testing.operations import in_order, operations_of
from tenantshield_mw.adapters.testing.requests import Request

DOCUMENT: dict[str, Any] = {
    "components": {
        "parameters": {"page": {"name": "page", "in": "query", "schema": {"type": "integer"}}},
        "requestBodies": {
            "new": {
                "content": {
                    "text/csv": {},
                    "application/json": {"schema": {"$ref": "#/components/schemas/New"}},
                }
            }
        },
        "schemas": {
            "Name": {"type": "object", "properties": {"name": {"type": "string", "minLength": 2}}},
            "New": {
                "allOf": [
                    {"$ref": "#/components/schemas/Name"},
                    {"properties": {"color": {"enum": ["red"]}, "nothing": {"type": "null"}}},
                ]
            },
            "Tree": {
                "properties": {
                    "id": {"type": "integer"},
                    "up": {"$ref": "#/components/schemas/Tree"},
                }
            },
        },
    },
    "paths": {
        "/things/{thing_id}": {
            "summary": "One thing",
            "parameters": [{"$ref": "#/components/parameters/page"}],
            "delete": {},
            "get": {
                "parameters": [{"name": "thing_id", "in": "path"}, {"name": "q", "in": "query"}]
            },
        },
        "/things": {
            "post": {"requestBody": {"$ref": "#/components/requestBodies/new"}},
            "put": {
                "requestBody": {
                    "content": {
                        "multipart/form-data": {"schema": {"$ref": "#/components/schemas/Name"}}
                    }
                }
            },
            "options": {},
        },
        "/things/{thing_id}/parts": {"delete": {}},
    },
}


def test_operations_are_read_from_a_document() -> None:
    page = {"page": 1}
    assert operations_of(DOCUMENT) == [
        Operation("GET", "/things/{thing_id}", page),
        Operation("POST", "/things", body={"name": "ee", "color": "red"}),
        Operation("PUT", "/things", body={"name": "ee"}, form=True),
        Operation("DELETE", "/things/{thing_id}/parts"),
        Operation("DELETE", "/things/{thing_id}", page),
    ]


def test_reads_come_first_and_deletes_last() -> None:
    methods = ["DELETE", "PURGE", "PATCH", "GET", "POST"]
    named = [Operation("POST", "/a/delete"), *(Operation(each, "/a") for each in methods)]
    ordered = in_order(named)
    assert [str(each) for each in ordered] == [
        "GET /a",
        "POST /a",
        "PURGE /a",
        "PATCH /a",
        "DELETE /a",
        "POST /a/delete",
    ]


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
    found = example_of(DOCUMENT, {"$ref": "#/components/schemas/Tree"})
    depth = 0
    while found:
        depth += 1
        assert found["id"] == 1
        found = found.get("up")
    assert depth == 5


def test_names_in_references_may_be_escaped() -> None:
    document = {"a/b~c": {"const": 1}}
    assert example_of(document, {"$ref": "#/a~1b~0c"}) == 1


def test_a_request_says_what_it_is() -> None:
    request = Request("PUT", "/a/1", {"tag": ["x", "y"], "all": True}, {"on": False}, form=True)
    assert str(request) == 'PUT /a/1?tag=x&tag=y&all=true {"on": false}'
    assert request.content == b"on=false"
    assert Request("GET", "/a").content == b""
