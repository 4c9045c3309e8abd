"""Runs ``tenantshield-mw report`` with parsed arguments."""

from __future__ import annotations

import json as jsonlib
import sys
from collections.abc import Sequence
from dataclasses import asdict
from itertools import groupby

from ..errors import ConfigurationError
from .baseline import kept, new
from .reports import Report, read_reports, write_reports

__all__ = ["run"]


def run(file: str, *, baseline: str | None, shrink: bool, json: bool) -> int:
    """Show reports, and return the exit status.

    Args:
        file: what ``observe(file=...)`` wrote.
        baseline: such a file with the reports that were accepted before; only others count.
        shrink: whether to remove from the baseline what no longer occurs.
        json: whether to print JSON instead of text.

    Returns:
        0; or 1 if there are reports that the baseline does not have.

    Raises:
        ConfigurationError: a file is missing or has other contents, or ``shrink`` was given
            without a baseline.
    """
    if shrink and baseline is None:
        raise ConfigurationError("--shrink changes the baseline: name it with --baseline FILE")
    reports = read_reports(file)
    if baseline is None:
        _show(reports, json=json)
        return 0
    before = read_reports(baseline)
    found = new(reports, before)
    left = kept(reports, before)
    _show(found, json=json)
    if not json:
        gone = len(before) - len(left)
        sys.stdout.write(f"The baseline has {len(before)}, of which {gone} no longer occur.\n")
    if shrink and len(left) < len(before):
        write_reports(baseline, left)
    return int(bool(found))


def _show(reports: Sequence[Report], *, json: bool) -> None:
    if json:
        sys.stdout.write(jsonlib.dumps([asdict(each) for each in reports], indent=2) + "\n")
        return
    for file, places in groupby(reports, key=lambda each: each.file):
        sys.stdout.write(f"{file}\n")
        for each in places:
            sys.stdout.write(f"  {each.line}  {each.function}  {each.what}: {each.effect}\n")
            sys.stdout.write(f"      {each.detail}\n")
        sys.stdout.write("\n")
    count = len(reports)
    sys.stdout.write(f"{count} report{'' if count == 1 else 's'}.\n")
