"""The operations of OpenAPI documents, with examples of what they take."""

from __future__ import annotations

from typing import Any

from tenantshield_mw.adapters.testing import Operation
from tenantshield_mw.adapters.testing.operations import in_order, operations_of

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
