"""The command line: ``tenantshield-mw``, or ``python -m tenantshield_mw.adapters.command``."""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from tenantshield_mw import ConfigurationError

from .parser import parser

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: the arguments after the command's name; ``sys.argv`` if left out.

    Returns:
        The exit status: 0, 1 for findings, 2 for a failure.
    """
    options = parser(_run).parse_args(arguments)
    # Make the application's modules importable, as they are when Python runs one of its files.
    if (here := os.getcwd()) not in sys.path:
        sys.path.insert(0, here)
    try:
        status: int = options.run(options)
        return status
    except ConfigurationError as error:
        return _fail(str(error))
    # Python would exit with status 1, or even 0 for a SystemExit.
    except (Exception, SystemExit):  # noqa: BLE001
        traceback.print_exc()
        return _fail("the error above ended the command early")


def _import(name: str) -> Any:
    try:
        # By name: adapters do not import each other, and this one has no dependencies.
        return import_module(f"tenantshield_mw.adapters.sqlalchemy.{name}")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "sqlalchemy":
            raise
        raise ConfigurationError(
            "SQLAlchemy is not installed: pip install 'tenantshield-mw[sqlalchemy]'"
        ) from None


def _run(module: str, function: str, options: argparse.Namespace) -> int:
    given = {name: value for name, value in vars(options).items() if name != "run"}
    status: int = getattr(_import(module), function)(**given)
    return status


def _fail(message: str) -> int:
    sys.stderr.write(f"tenantshield-mw: {message}\n")
    return 2
