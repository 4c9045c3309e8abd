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

__all__ = ["main"]

_DESCRIPTION = """\
Look for what weakens the isolation of tenants: in the models alone, or in a database too.
Nothing is written, and no row is read."""

_EPILOG = """\
The exit status is 0 where nothing is found that is as bad as --fail-on, 1 where something
is, and 2 where it could not be looked at."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: what follows the command's name; ``sys.argv`` if left out.

    Returns:
        The exit status: 0, 1 for findings, 2 where it could not be done.
    """
    options = _parser().parse_args(arguments)
    # The modules of the application, as where Python runs a file of it.
    if (here := os.getcwd()) not in sys.path:
        sys.path.insert(0, here)
    try:
        return _doctor(options)
    except ConfigurationError as error:
        return _refuse(str(error))
    # Python's own status for this would be 1, or with SystemExit even 0.
    except (Exception, SystemExit):  # noqa: BLE001
        traceback.print_exc()
        return _refuse("this ended before all was looked at, by the error above")


def _doctor(options: argparse.Namespace) -> int:
    try:
        # By name, since no adapter imports another one, and this one asks for no library.
        cli: Any = import_module("tenantshield_mw.adapters.sqlalchemy.doctor.cli")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "sqlalchemy":
            raise
        raise ConfigurationError(
            "SQLAlchemy is not installed: pip install 'tenantshield-mw[sqlalchemy]'"
        ) from None
    status: int = cli.run(
        options.target,
        database=options.database,
        role=options.role,
        json=options.json,
        ignore=options.ignore,
        fail_on=options.fail_on,
    )
    return status


def _refuse(message: str) -> int:
    sys.stderr.write(f"tenantshield-mw: {message}\n")
    return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tenantshield-mw", description="Tools for tenantshield-mw."
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    doctor = commands.add_parser(
        "doctor",
        help="look for what weakens the isolation of tenants",
        description=_DESCRIPTION,
        epilog=_EPILOG,
    )
    doctor.add_argument(
        "target",
        metavar="MODULE:ATTRIBUTE",
        help="the declarative base or the MetaData, as in myapp.models:Base",
    )
    doctor.add_argument(
        "--database",
        metavar="URL",
        help="the database to look at, as SQLAlchemy writes it; sync and async drivers",
    )
    doctor.add_argument(
        "--role",
        help="on PostgreSQL, the role as which the application logs in, where that is another "
        "one than the URL's",
    )
    doctor.add_argument("--json", action="store_true", help="write JSON")
    doctor.add_argument(
        "--ignore",
        metavar="KIND:TABLE",
        action="append",
        default=[],
        help="leave out what was looked at and is meant: KIND:TABLE, KIND:OBJECT for a role, a "
        "view or a constraint, or KIND for all of it; can be given again",
    )
    doctor.add_argument(
        "--fail-on",
        choices=("error", "warning", "info"),
        default="warning",
        help="the least severity for which the exit status is 1 (%(default)s)",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
