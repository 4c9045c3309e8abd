"""What a function mentions, in itself and in nested functions."""

from __future__ import annotations

from typing import Any

from tenantshield_mw.adapters.sqlalchemy.bytecode import mentioned_in


def function(argument: Any, *, option: Any) -> Any:
    local = argument.attribute["key", ("nested",)]

    def inner() -> Any:
        return local.inner_attribute

    return inner, option


def test_names_arguments_and_strings_are_mentioned_and_local_variables_are_not() -> None:
    found = set(mentioned_in(function.__code__))
    assert {"argument", "option", "attribute", "key", "nested", "inner_attribute"} <= found
    assert "local" not in found
