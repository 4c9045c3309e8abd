"""Each command has a module and a function, and options that the function takes."""

from __future__ import annotations

import argparse
import inspect
from importlib import import_module

import pytest

from tenantshield_mw.adapters.command.parser import parser

COMMANDS = [
    "doctor m:a",
    "report file",
    "prove m:a",
    "export acme m:a --url sqlite:// --out folder",
    "erase acme m:a --url sqlite://",
    "import folder m:a --url sqlite://",
    "tenants list m:a",
    "tenants create acme m:a",
    "tenants suspend acme m:a",
    "tenants activate acme m:a",
    "place acme m:a --schema",
    "move acme m:a --schema",
    "migrate m:a",
]


@pytest.mark.parametrize("line", COMMANDS)
def test_the_options_are_what_the_function_takes(line: str) -> None:
    called: list[str] = []

    def run(module: str, function: str, options: argparse.Namespace) -> int:
        found = getattr(import_module(f"tenantshield_mw.adapters.sqlalchemy.{module}"), function)
        given = {name: value for name, value in vars(options).items() if name != "run"}
        inspect.signature(found).bind(**given)
        called.append(function)
        return 7

    options = parser(run).parse_args(line.split())
    assert options.run(options) == 7
    assert len(called) == 1


def test_a_command_is_needed() -> None:
    with pytest.raises(SystemExit):
        parser(lambda module, function, options: 0).parse_args([])
