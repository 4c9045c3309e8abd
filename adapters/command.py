"""The command line: ``tenantshield-mw``, or ``python -m tenantshield_mw.adapters.command``."""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from typing import Any

from tenantshield_mw import ConfigurationError

__all__ = ["main"]

_DESCRIPTION = """\
Find weaknesses in the isolation of tenants, in the models and optionally in a database.
Nothing is written, and no rows are read."""

_REPORT = """\
Show what observe(file=...) wrote: the places in the code where the guard would have refused a
statement, or confined one that does not compare the tenant itself."""

_PROVE = """\
Fill the tables of an empty database with rows of two tenants, and try the generic ways to reach
those of the one in the scope of the other. Each is tried without protection first: one that reaches
nothing there proves nothing. All of it is rolled back."""

_PROVE_EPILOG = """\
The exit status is 0, or 1 if there is a leak, or an error, which proves nothing, or 2 if the
command failed."""

_REPORT_EPILOG = """\
The exit status is 0, or 1 if there are reports that the baseline does not have, or 2 if a file
cannot be read."""

_EPILOG = """\
The exit status is 0 if there are no findings of at least the severity --fail-on, 1 if there
are some, and 2 if the examination failed."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: the arguments after the command's name; ``sys.argv`` if left out.

    Returns:
        The exit status: 0, 1 for findings, 2 for a failure.
    """
    options = _parser().parse_args(arguments)
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
        return _fail("the error above ended the examination early")


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


def _run(module: str, options: argparse.Namespace) -> int:
    given = {name: value for name, value in vars(options).items() if name != "run"}
    status: int = _import(module).run(**given)
    return status


def _fail(message: str) -> int:
    sys.stderr.write(f"tenantshield-mw: {message}\n")
    return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tenantshield-mw", description="Tools for tenantshield-mw."
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    add = partial(_add_command, commands)
    add(
        "doctor",
        "doctor.cli",
        _add_doctor_options,
        help="find weaknesses in the isolation of tenants",
        description=_DESCRIPTION,
        epilog=_EPILOG,
    )
    add(
        "report",
        "observe.cli",
        _add_report_options,
        help="show what report mode found",
        description=_REPORT,
        epilog=_REPORT_EPILOG,
    )
    add(
        "prove",
        "prove.cli",
        _add_prove_options,
        help="try to reach another tenant's rows, on your own models",
        description=_PROVE,
        epilog=_PROVE_EPILOG,
    )
    return parser


def _add_command(
    commands: Any,
    name: str,
    module: str,
    add_options: Callable[[argparse.ArgumentParser], None],
    **texts: str,
) -> None:
    command = commands.add_parser(name, **texts)
    command.set_defaults(run=partial(_run, module))
    add_options(command)
    command.add_argument("--json", action="store_true", help="print JSON")


def _add_prove_options(prove: argparse.ArgumentParser) -> None:
    prove.add_argument(
        "target",
        metavar="MODULE:ATTRIBUTE",
        help="the declarative base, such as myapp.models:Base; of a MetaData, only Core is tried",
    )
    prove.add_argument(
        "--database",
        metavar="URL",
        help="SQLAlchemy URL of a database without rows, with a sync driver; SQLite in memory by "
        "default. Without tables, they are created, and dropped at the end",
    )
    prove.add_argument(
        "--owner",
        metavar="URL",
        help="on PostgreSQL, the same database as the role that creates the tables",
    )
    prove.add_argument(
        "--system-role",
        metavar="ROLE",
        help="on PostgreSQL, the role with BYPASSRLS for system scopes, to prove the policies, too",
    )
    prove.add_argument(
        "--ignore",
        metavar="WAY:TABLE",
        action="append",
        default=[],
        help="leave out what was reviewed, as it is printed; can be repeated",
    )


def _add_report_options(report: argparse.ArgumentParser) -> None:
    report.add_argument("file", metavar="FILE", help="what observe(file=...) wrote")
    report.add_argument(
        "--baseline",
        metavar="FILE",
        help="such a file with the reports that were accepted before: only others are shown",
    )
    report.add_argument(
        "--shrink",
        action="store_true",
        help="remove from the baseline what no longer occurs; nothing is ever added",
    )


def _add_doctor_options(doctor: argparse.ArgumentParser) -> None:
    doctor.add_argument(
        "target",
        metavar="MODULE:ATTRIBUTE",
        help="the declarative base or the MetaData, such as myapp.models:Base",
    )
    doctor.add_argument(
        "--database",
        metavar="URL",
        help="SQLAlchemy URL of the database to examine, with a sync or async driver",
    )
    doctor.add_argument(
        "--role",
        help="on PostgreSQL, the role with which the application logs in, if it is not the "
        "role in the URL",
    )
    doctor.add_argument(
        "--ignore",
        metavar="KIND:TABLE",
        action="append",
        default=[],
        help="leave out findings that were reviewed and are intended: KIND:TABLE, KIND:OBJECT "
        "for a role, a view or a constraint, or KIND for all of a kind; can be repeated",
    )
    doctor.add_argument(
        "--fail-on",
        choices=("error", "warning", "info"),
        default="warning",
        help="the lowest severity for which the exit status is 1 (%(default)s)",
    )


if __name__ == "__main__":
    sys.exit(main())
