"""Mutants of report mode."""

from __future__ import annotations

from typing import Final

from ..mutant import TESTS, Mutant

__all__ = ["MUTANTS"]

_OBSERVING: Final = f"{TESTS}/observe/test_observing.py"

MUTANTS: Final = (
    Mutant(
        "observed-mixed",
        "A statement runs as it was if one of its tables is observed.",
        "    verdict = Verdict(is_observed=all(map(registry.is_observed, guard.touched)))",
        "    verdict = Verdict(is_observed=any(map(registry.is_observed, guard.touched)))",
        (_OBSERVING,),
    ),
    Mutant(
        "observed-follows",
        "A flush that changes another tenant's row is not reported.",
        "        verdict.findings += _out_of_reach(connection, statement, rows, moved)",
        "        pass",
        ("tests/leaks/test_observed.py",),
    ),
)
