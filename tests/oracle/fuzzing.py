"""Runs composed statements against the oracle, and counts."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from hypothesis import HealthCheck, Phase, given, reject, seed, settings
from hypothesis import strategies as st
from sqlalchemy.exc import SAWarning

from .oracle import Pair, Rejected
from .strategies import Composed

__all__ = ["Tally", "drive", "fuzz"]

T = TypeVar("T")

_NO_HEALTH_CHECKS: Final = (
    HealthCheck.too_slow,
    HealthCheck.data_too_large,
    HealthCheck.large_base_example,
    HealthCheck.filter_too_much,
)
"""Statements take what they take, and the refused ones are counted here."""


@dataclass(slots=True)
class Tally:
    """How many statements were compared, and how many the database itself refused."""

    compared: int = 0
    rejected: int = 0

    @property
    def rejected_share(self) -> float:
        return self.rejected / max(1, self.rejected + self.compared)


def fuzz(
    pair: Pair,
    strategy: st.SearchStrategy[Composed],
    examples: int,
    *,
    start: int | None = None,
    shrink: bool = True,
    tally: Tally | None = None,
) -> Tally:
    """Compare that many statements of a strategy.

    Args:
        pair: the two databases.
        strategy: what composes the statements.
        examples: how many.
        start: the seed; if left out, the same examples come at every call.
        shrink: look for the smallest statement where the guard makes a difference.
        tally: what to count on; a new one, if left out.

    Raises:
        Mismatch: the guard makes a difference, for the smallest statement found.
    """
    counts = Tally() if tally is None else tally

    def compare(composed: Composed) -> None:
        try:
            pair.compare(composed.run, writes=composed.writes)
        except Rejected:
            counts.rejected += 1
            reject()
        counts.compared += 1

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*cartesian product", SAWarning)
        drive(compare, strategy, examples, start=start, shrink=shrink)
    return counts


def drive(
    check: Callable[[T], None],
    strategy: st.SearchStrategy[T],
    examples: int,
    *,
    start: int | None,
    shrink: bool,
) -> None:
    """Call ``check`` with that many examples of a strategy.

    Args:
        check: raises for an example that shows something.
        strategy: what the examples come from.
        examples: how many.
        start: the seed; if ``None``, the same examples come at every call.
        shrink: look for the smallest example for which ``check`` raises.
    """
    phases = (Phase.generate, Phase.shrink) if shrink else (Phase.generate,)

    @settings(
        max_examples=examples,
        database=None,
        deadline=None,
        derandomize=start is None,
        suppress_health_check=_NO_HEALTH_CHECKS,
        phases=phases,
        print_blob=False,
        report_multiple_bugs=False,
    )
    @given(strategy)
    def checked(example: T) -> None:
        check(example)

    (checked if start is None else seed(start)(checked))()
