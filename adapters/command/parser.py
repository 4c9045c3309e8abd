"""The commands and their options."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

from .arguments import add_target
from .provisioning import add_provisioning

__all__ = ["Run", "parser"]

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

_TENANTS = """\
Create, suspend, activate and list the tenants in the table of a directory."""

_EXPORT = """\
Write every row of a tenant to a folder of NDJSON files, all as of one moment, with a manifest."""

_ERASE = """\
Delete every row of a tenant. Without --confirm nothing is deleted: the rows are counted, in the
order in which they would be."""

_IMPORT = """\
Write the rows of an export for a tenant that has none. All of them are written, or none: they are
read back before the transaction is committed."""

_LIFECYCLE_EPILOG = """\
The exit status is 0, or 2 if the command failed."""

_ERASE_EPILOG = """\
The exit status is 0, or 1 if rows are left, or 2 if the command failed."""

_PROVE_EPILOG = """\
The exit status is 0, or 1 if there is a leak, or an error, which proves nothing, or 2 if the
command failed."""

_REPORT_EPILOG = """\
The exit status is 0, or 1 if there are reports that the baseline does not have, or 2 if a file
cannot be read."""

_EPILOG = """\
The exit status is 0 if there are no findings of at least the severity --fail-on, 1 if there
are some, and 2 if the examination failed."""

_TABLES = "the declarative base or the MetaData, such as myapp.models:Base"

Run: TypeAlias = Callable[[str, str, argparse.Namespace], int]
"""Calls a function of a module of the SQLAlchemy adapter with the options."""


def parser(run: Run) -> argparse.ArgumentParser:
    """Return the parser, whose result has ``run``, a callable that takes that result."""
    parser = argparse.ArgumentParser(
        prog="tenantshield-mw", description="Tools for tenantshield-mw."
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    add = partial(_add_command, run, commands)
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
    _add_lifecycle(add)
    add_provisioning(add)
    tenants = commands.add_parser(
        "tenants",
        help="create, suspend, activate and list tenants",
        description=_TENANTS,
        epilog=_LIFECYCLE_EPILOG,
    )
    _add_tenants(run, tenants.add_subparsers(title="actions", required=True, metavar="ACTION"))
    return parser


def _add_lifecycle(add: Callable[..., None]) -> None:
    add(
        "export",
        "lifecycle.cli",
        _add_export_options,
        function="run_export",
        help="write a tenant's rows to a folder",
        description=_EXPORT,
        epilog=_LIFECYCLE_EPILOG,
    )
    add(
        "erase",
        "lifecycle.cli",
        _add_erase_options,
        function="run_erase",
        help="delete a tenant's rows",
        description=_ERASE,
        epilog=_ERASE_EPILOG,
    )
    add(
        "import",
        "lifecycle.cli",
        _add_import_options,
        function="run_import",
        help="write the rows of an export",
        description=_IMPORT,
        epilog=_LIFECYCLE_EPILOG,
    )


def _add_tenants(run: Run, actions: Any) -> None:
    for action, text in (
        ("create", "add an active tenant"),
        ("suspend", "suspend a tenant"),
        ("activate", "make a suspended tenant active"),
        ("list", "list all tenants"),
    ):
        _add_command(
            run,
            actions,
            action,
            "lifecycle.tenants_cli",
            partial(_add_action_options, action),
            help=text,
        )


def _add_command(
    run: Run,
    commands: Any,
    name: str,
    module: str,
    add_options: Callable[[argparse.ArgumentParser], None],
    *,
    function: str = "run",
    **texts: str,
) -> None:
    command = commands.add_parser(name, **texts)
    command.set_defaults(run=partial(run, module, function))
    add_options(command)
    command.add_argument("--json", action="store_true", help="print JSON")


def _add_action_options(action: str, command: argparse.ArgumentParser) -> None:
    command.set_defaults(action=action, tenant=None, values=[], state=None)
    if action != "list":
        command.add_argument("tenant", metavar="ID", help="the id that the directory looks up")
        command.add_argument(
            "--state", metavar="VALUE", help="the value of the state, if the directory has several"
        )
    add_target(
        command, "the TenantDirectory whose lookup is tenants_in(...), such as myapp.main:directory"
    )
    if action == "create":
        command.add_argument(
            "--set",
            dest="values",
            metavar="COLUMN=VALUE",
            action="append",
            help="a further column; can be repeated",
        )
    command.add_argument(
        "--database",
        "--url",
        metavar="URL",
        help="SQLAlchemy URL of the database, with a sync driver; the directory's own by default",
    )


def _add_tables_options(command: argparse.ArgumentParser) -> None:
    add_target(command, _TABLES)
    command.add_argument(
        "--database",
        "--url",
        metavar="URL",
        required=True,
        help="SQLAlchemy URL of the database, with a sync driver",
    )
    command.add_argument(
        "--key",
        metavar="VARIABLE",
        help="on PostgreSQL with signed tenants, the environment variable with the key, in base64",
    )


def _add_export_options(export: argparse.ArgumentParser) -> None:
    export.add_argument("tenant", metavar="TENANT", help="the tenant, as in the tenant columns")
    _add_tables_options(export)
    export.add_argument("--out", metavar="FOLDER", required=True, help="a new folder")


def _add_erase_options(erase: argparse.ArgumentParser) -> None:
    erase.add_argument("tenant", metavar="TENANT", help="the tenant, as in the tenant columns")
    _add_tables_options(erase)
    erase.add_argument(
        "--confirm", metavar="TENANT", help="the tenant once more, to delete its rows"
    )


def _add_import_options(import_: argparse.ArgumentParser) -> None:
    import_.add_argument("folder", metavar="FOLDER", help="what the export has written")
    _add_tables_options(import_)
    import_.add_argument(
        "--tenant", help="the tenant whose rows they become; by default the one of the export"
    )
    import_.add_argument(
        "--new-keys",
        action="store_true",
        help="make keys that say nothing of a row anew, and all that refers to them",
    )
    import_.add_argument(
        "--accept-references",
        action="store_true",
        help="accept that shared rows, to which the tenant's refer, have changed",
    )


def _add_prove_options(prove: argparse.ArgumentParser) -> None:
    add_target(
        prove,
        "the declarative base, such as myapp.models:Base; of a MetaData, only Core is tried",
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
    add_target(doctor, _TABLES)
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
