"""Compare reports with those that were accepted before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from .reports import Report

__all__ = ["kept", "new"]


def new(reports: Sequence[Report], baseline: Sequence[Report]) -> list[Report]:
    """Return the reports that the baseline does not have.

    They are compared by file, function, table, operation and effect, and by how many there are,
    so that a line which moves is not new.
    """
    return _beyond(reports, Counter(each.key for each in baseline))


def kept(reports: Sequence[Report], baseline: Sequence[Report]) -> list[Report]:
    """Return what is left of the baseline: the reports that are in both, with today's lines."""
    beyond = set(map(id, new(reports, baseline)))
    return [each for each in reports if id(each) not in beyond]


def _beyond(reports: Sequence[Report], allowed: Counter[tuple[str, ...]]) -> list[Report]:
    seen: Counter[tuple[str, ...]] = Counter()
    found = []
    for each in reports:
        seen[each.key] += 1
        if seen[each.key] > allowed[each.key]:
            found.append(each)
    return found
