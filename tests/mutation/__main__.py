"""Put one hole after another into the guard, and see that a test fails for each.

``python -m tests.mutation [NAME ...]``; without names, all of ``mutants/``. A hole that no
test notices ends it with status 1.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import sqlalchemy

from .mutant import Mutant
from .mutants import MUTANTS
from .running import SECONDS_FOR_ALL, Change, checkout_copy, mutated, run_tests

CHECKOUT = Path(__file__).parents[2]


def main(names: Sequence[str]) -> int:
    """Try the mutants called ``names``, or all."""
    return try_all(chosen(names), CHECKOUT)


def chosen(names: Sequence[str]) -> list[Mutant]:
    """Return the mutants called ``names``, or all.

    Raises:
        SystemExit: there is no mutant of that name.
    """
    known = {each.name: each for each in MUTANTS}
    unknown = [name for name in names if name not in known]
    if unknown:
        sys.exit(f"no mutant is called {', '.join(unknown)}; there are {', '.join(known)}")
    return [known[name] for name in names] if names else list(MUTANTS)


def try_all(mutants: Iterable[Mutant], checkout: Path) -> int:
    """Print which test kills each of ``mutants``; return 1 if one survives, otherwise 0."""
    mutants = list(mutants)
    survivors: list[Mutant] = []
    with checkout_copy(checkout) as copy:
        targets = dict.fromkeys(target for mutant in mutants for target in mutant.targets)
        unchanged = run_tests(copy, list(targets), SECONDS_FOR_ALL)
        if unchanged.killed_by:
            sys.exit(f"fails without any mutant: {unchanged.killed_by}")
        _print("(none)", "passed", unchanged.seconds, "")
        for mutant in mutants:
            if not _is_reached(mutant):
                _print(mutant.name, "left out", 0, f"SQLAlchemy {mutant.below} never comes there")
                continue
            with mutated(copy, Change(mutant.old, mutant.new)):
                run = run_tests(copy, mutant.targets)
            if not run.killed_by:
                survivors.append(mutant)
            _print(
                mutant.name, "killed" if run.killed_by else "SURVIVED", run.seconds, run.killed_by
            )
    print(f"{len(mutants)} mutants, {len(survivors)} survived")
    for mutant in survivors:
        print(f"  {mutant.name}: {mutant.meaning}")
    return 1 if survivors else 0


def _is_reached(mutant: Mutant) -> bool:
    if not mutant.below:
        return True
    return _release(sqlalchemy.__version__) < _release(mutant.below)


def _release(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2])


def _print(name: str, outcome: str, seconds: float, test: str) -> None:
    print(f"{name:<28} {outcome:<9} {seconds:5.1f} s  {test}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
