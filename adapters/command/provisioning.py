"""The commands that make, migrate and move the places of tenants."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from .arguments import add_target

__all__ = ["add_provisioning"]

_PLACE = """\
Give a tenant that has no rows yet a schema or a database of its own: it is created, migrated and
examined, and only then named by the directory. Until then the application does not use it."""

_MOVE = """\
Move a tenant's rows to another place, on PostgreSQL, while the application serves: they are copied,
compared and then deleted where they were. While the copy is completed and compared, the tenant's
transactions are refused, and a request is answered with 503 and Retry-After. A move that was
interrupted is completed with --resume or undone with --undo."""

_MIGRATE = """\
Run Alembic for the shared tables, and then for every place that the directory names, several at
once. env.py needs no change."""

_MIGRATE_EPILOG = """\
The exit status is 0, or 1 if a place has failed, or 2 if the command failed."""

_EPILOG = """\
The exit status is 0, or 2 if the command failed."""

_FLEET = "the Fleet, such as myapp.fleet:fleet"


def add_provisioning(add: Callable[..., None]) -> None:
    """Add the commands.

    Args:
        add: adds one: its name, its module, what adds its options, and more.
    """
    add(
        "place",
        "provisioning.cli",
        _add_place_options,
        function="run_place",
        help="give a tenant a schema or a database of its own",
        description=_PLACE,
        epilog=_EPILOG,
    )
    add(
        "move",
        "provisioning.cli",
        _add_move_options,
        function="run_move",
        help="move a tenant's rows to another place",
        description=_MOVE,
        epilog=_EPILOG,
    )
    add(
        "migrate",
        "provisioning.cli",
        _add_migrate_options,
        function="run_migrate",
        help="migrate the shared tables and all places of tenants",
        description=_MIGRATE,
        epilog=_MIGRATE_EPILOG,
    )


def _add_place_options(place: argparse.ArgumentParser) -> None:
    place.add_argument("tenant", metavar="TENANT", help="the id that the directory looks up")
    add_target(place, _FLEET)
    place.add_argument(
        "--schema",
        metavar="NAME",
        nargs="?",
        const="",
        help="a schema, on PostgreSQL; without a name, it has that of the tenant",
    )
    place.add_argument(
        "--database", metavar="NAME", help="a database, as Databases(url=...) knows it"
    )


def _add_move_options(move: argparse.ArgumentParser) -> None:
    _add_place_options(move)
    move.add_argument("--shared", action="store_true", help="the shared tables")
    move.add_argument("--resume", action="store_true", help="complete a move")
    move.add_argument("--undo", action="store_true", help="undo a move")
    move.add_argument(
        "--patience",
        type=float,
        default=10.0,
        metavar="SECONDS",
        help="how long to wait for transactions that have begun (%(default)s)",
    )


def _add_migrate_options(migrate: argparse.ArgumentParser) -> None:
    add_target(migrate, _FLEET)
    migrate.add_argument(
        "--jobs", type=int, default=1, metavar="N", help="how many places at once (%(default)s)"
    )
    migrate.add_argument(
        "--continue-on-error",
        action="store_true",
        help="go on after a place has failed; the status is 1 all the same",
    )
