"""The options of the commands that make, migrate and move places."""

from __future__ import annotations

import argparse
from typing import Any

import pytest

from tenantshield_mw.adapters.command.parser import parser


def options(line: str) -> dict[str, Any]:
    def run(module: str, function: str, given: argparse.Namespace) -> int:
        return 0

    return vars(parser(run).parse_args(line.split()))


@pytest.mark.parametrize(
    ("given", "schema"), [("", None), (" --schema", ""), (" --schema big", "big")]
)
def test_a_schema_may_have_the_name_of_the_tenant(given: str, schema: str | None) -> None:
    for command in ("place", "move"):
        assert options(f"{command} acme m:a{given}")["schema"] == schema


def test_one_process_migrates_and_stops_at_the_first_failure_by_default() -> None:
    found = options("migrate m:a")
    assert (found["jobs"], found["continue_on_error"]) == (1, False)
