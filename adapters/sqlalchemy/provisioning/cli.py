"""Runs ``tenantshield-mw place``, ``migrate`` and ``move`` with parsed arguments."""

from __future__ import annotations

import json as json_
import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from ..doctor.targets import label_of, saying_what_failed
from ..errors import ConfigurationError
from ..placements.placement import Placement
from . import moving
from .fleet import Fleet, fleet_at
from .listing import Listing
from .migrating import migrate
from .placing import place

__all__ = ["run_migrate", "run_move", "run_place"]


def run_place(
    tenant: str, target: str, *, schema: str | None, database: str | None, json: bool
) -> int:
    """Make a place for a tenant that has no rows yet, and let the directory name it.

    Args:
        tenant: the tenant's id, as the directory looks it up.
        target: ``module:attribute`` of the fleet.
        schema: the name of a schema; empty for the tenant's id.
        database: the name of a database.
        json: whether to print JSON instead of text.

    Returns:
        0.

    Raises:
        ConfigurationError: an argument is invalid, or the place cannot be made.
    """
    with _fleet(target) as fleet:
        placement = Placement(tenant if schema == "" else schema, database)
        place(fleet, tenant, placement)
    _print({"tenant": tenant, "place": str(placement)}, f"{tenant}: {placement}", json=json)
    return 0


def run_move(
    tenant: str,
    target: str,
    *,
    schema: str | None,
    database: str | None,
    shared: bool,
    resume: bool,
    undo: bool,
    patience: float,
    json: bool,
) -> int:
    """Move a tenant's rows to another place, or complete or undo a move that was interrupted.

    Args:
        tenant: the tenant's id, as the directory looks it up.
        target: ``module:attribute`` of the fleet.
        schema: the name of a schema to move to; empty for the tenant's id.
        database: the name of a database to move to.
        shared: whether to move to the shared tables.
        resume: whether to complete a move.
        undo: whether to undo a move.
        patience: for how many seconds to wait for transactions that have begun.
        json: whether to print JSON instead of text.

    Returns:
        0.

    Raises:
        ConfigurationError: an argument is invalid, or the rows cannot be moved.
    """
    placed = schema is not None or database is not None
    if [placed, shared, resume, undo].count(True) != 1:
        raise ConfigurationError(
            "say one of these: where to, by --schema and --database or by --shared; or --resume; "
            "or --undo"
        )
    if patience <= 0:
        raise ConfigurationError("--patience must be above 0")
    with _fleet(target) as fleet:
        if undo:
            entry = moving.undo(fleet, tenant, patience=patience)
            _print(
                {"tenant": tenant, "place": str(entry.source)},
                f"{tenant}: {entry.source}, as before",
                json=json,
            )
            return 0
        if resume:
            moved = moving.resume(fleet, tenant, patience=patience)
        else:
            placement = Placement(tenant if schema == "" else schema, database)
            moved = moving.move(fleet, tenant, placement, patience=patience)
    found = {
        "tenant": tenant,
        "from": str(moved.source),
        "to": str(moved.target),
        "rows": moved.rows,
        "stopped": round(moved.stopped, 3),
    }
    text = (
        f"{tenant}: {moved.rows:,} rows moved from {moved.source} to {moved.target}; "
        f"stopped for {moved.stopped:.2f} s"
    )
    _print(found, text, json=json)
    return 0


def run_migrate(target: str, *, jobs: int, continue_on_error: bool, json: bool) -> int:
    """Migrate the shared tables and every place of tenants, and print the versions.

    Args:
        target: ``module:attribute`` of the fleet.
        jobs: the number of processes.
        continue_on_error: whether to go on after a place has failed.
        json: whether to print JSON instead of text.

    Returns:
        0, or 1 if a place has failed.

    Raises:
        ConfigurationError: an argument is invalid.
    """
    if jobs < 1:
        raise ConfigurationError("--jobs must be at least 1")
    with _fleet(target) as fleet:
        outcomes = list(
            migrate(
                fleet, Listing(fleet).placements(), jobs=jobs, continue_on_error=continue_on_error
            )
        )
    rows = [
        {"place": each.placement, "version": each.version, "error": each.error}
        for each in sorted(outcomes, key=lambda each: each.placement)
    ]
    failed = [each for each in outcomes if each.error is not None]
    width = max(len(each.placement) for each in outcomes)
    lines = [
        f"{row['place']!s:{width}}  {row['version'] or '-'}"
        + ("" if row["error"] is None else "  FAILED")
        for row in rows
    ]
    lines.append(f"{len(outcomes)} places, {len(failed)} failed")
    _print(rows, "\n".join(lines), json=json)
    for each in failed:
        sys.stderr.write(f"{each.placement}: {each.error}\n")
    return int(bool(failed))


@contextmanager
def _fleet(target: str) -> Generator[Fleet]:
    """Yield the fleet; errors of databases end the command with a message."""
    fleet = fleet_at(target)
    what = f"could not use {label_of(fleet.url)}, or the database of the place"
    try:
        with saying_what_failed(what, fleet.url):
            yield fleet
    finally:
        Listing(fleet).close()


def _print(found: Any, text: str, *, json: bool) -> None:
    sys.stdout.write(f"{json_.dumps(found, indent=2) if json else text}\n")
