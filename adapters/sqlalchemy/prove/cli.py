"""Runs ``tenantshield-mw prove`` with parsed arguments."""

from __future__ import annotations

import json as json_
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Final, get_args

from sqlalchemy import Engine, StaticPool, create_engine

from ..doctor.targets import label_of, mappers_at, metadata_at, saying_what_failed, sync_engine_at
from .proving import Outcome, Verdict, prove

__all__ = ["run"]

_VERDICTS: Final = get_args(Verdict)


def run(
    target: str,
    *,
    database: str | None,
    owner: str | None,
    system_role: str | None,
    json: bool,
    ignore: Sequence[str],
) -> int:
    """Try the ways, print what became of them, and return the exit status.

    Args:
        target: ``module:attribute`` of the tables.
        database: the URL of an empty database, with a sync driver; SQLite in memory if ``None``.
        owner: the same as the role that creates the tables, if it is another one.
        system_role: the role for system scopes, to prove PostgreSQL's policies.
        json: whether to print JSON instead of text.
        ignore: what to leave out, as ``way:table``, or ``table`` for one that could not be tried.

    Returns:
        0, or 1 for a leak, or for an error, which proves nothing.

    Raises:
        ConfigurationError: an argument is invalid, or the database cannot be used.
    """
    metadata = metadata_at(target)
    engine = _engine(database)
    # Not the engine itself, whose transactions tell the tenant.
    owning = engine if database is None else _engine(owner or database)
    try:
        with saying_what_failed(f"could not use {label_of(engine.url)}", engine.url):
            everything = prove(
                engine, metadata, mappers_at(target), owner=owning, system_role=system_role
            )
    finally:
        engine.dispose()
        owning.dispose()
    outcomes = [each for each in everything if _named(each) not in ignore]
    for unused in sorted({*ignore} - {*map(_named, everything)}):
        sys.stderr.write(f"--ignore {unused} matched nothing: remove it.\n")
    _write(_as_json(outcomes) if json else _as_text(outcomes))
    return int(any(map(_fails, outcomes)))


def _engine(database: str | None) -> Engine:
    if database is None:
        return create_engine("sqlite://", poolclass=StaticPool)
    return sync_engine_at(database)


def _named(outcome: Outcome) -> str:
    return f"{outcome.way}:{outcome.table}" if outcome.way else outcome.table


def _fails(outcome: Outcome) -> bool:
    if outcome.verdict == "leak":
        return not outcome.is_open
    return outcome.verdict == "error"


def _as_text(outcomes: Sequence[Outcome]) -> str:
    lines = [f"| table | {' | '.join(_VERDICTS)} |", "| --- |" + " --: |" * len(_VERDICTS)]
    tables = dict.fromkeys(each.table for each in outcomes)
    closed = [each for each in outcomes if not each.is_open]
    lines += [_line(name, [each for each in closed if each.table == name]) for name in tables]
    lines += [_line("all", closed), ""]
    lines += [
        f"{each.verdict.upper()} {_named(each)}: {each.detail}" for each in closed if _fails(each)
    ]
    opened = [each for each in outcomes if each.is_open and each.verdict == "leak"]
    if opened:
        lines.append(
            f"The driver's own cursor reaches the rows of {len(opened)} tables: no guard in "
            "SQLAlchemy stops that, and policies of PostgreSQL do."
        )
    return "\n".join(lines)


def _line(name: str, outcomes: Sequence[Outcome]) -> str:
    counted = Counter(each.verdict for each in outcomes)
    return f"| {name} | {' | '.join(str(counted[each]) for each in _VERDICTS)} |"


def _as_json(outcomes: Sequence[Outcome]) -> str:
    return json_.dumps([asdict(each) for each in outcomes], indent=2)


def _write(text: str) -> None:
    sys.stdout.write(f"{text}\n")
