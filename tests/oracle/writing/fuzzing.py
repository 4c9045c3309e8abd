"""Judges composed writes, and counts what became of them."""

from __future__ import annotations

import re
import warnings
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from hypothesis import strategies as st
from sqlalchemy.exc import SAWarning

from ..fuzzing import drive
from ..oracle import Mismatch
from .judge import Judge, Outcome
from .sides import Write

__all__ = ["BATCH", "WriteTally", "fuzz_writes"]


BATCH: Final = 50
"""Examples between two seeds: those of one seed resemble each other."""


@dataclass(slots=True)
class WriteTally:
    """What became of the writes, by kind, and why those were refused that were."""

    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    reasons: Counter[tuple[str, str]] = field(default_factory=Counter)
    needless: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, kind: str, outcome: Outcome) -> None:
        self.outcomes[kind, outcome.verdict] += 1
        if outcome.verdict == "refused":
            self.reasons[kind, _pattern(outcome.why)] += 1
            if outcome.is_needless:
                self.needless[kind, _pattern(outcome.why)] += 1

    def count(self, verdict: str | None = None) -> int:
        return sum(number for (_, each), number in self.outcomes.items() if verdict in (None, each))

    @property
    def accepted_share(self) -> float:
        """Of those that the database would take."""
        taken = self.count("accepted") + self.count("refused")
        return self.count("accepted") / max(1, taken)

    def lines(self, most: int = 12) -> list[str]:
        """Return a table of the kinds, and the most frequent reasons for refusals."""
        lines = [f"{'':22}{'accepted':>10}{'refused':>10}{'rejected':>10}"]
        for kind in sorted({kind for kind, _ in self.outcomes}):
            numbers = (self.outcomes[kind, each] for each in ("accepted", "refused", "rejected"))
            lines.append(f"{kind:22}" + "".join(f"{number:>10}" for number in numbers))
        lines.append(f"accepted: {self.accepted_share:.0%} of what the database would take")
        lines.append("refused most, and how many of these do no harm where the tenant is alone:")
        for (kind, reason), number in self.reasons.most_common(most):
            harmless = self.needless[kind, reason]
            lines.append(f"{number:>6}{harmless:>6}  {kind}: {reason}")
        return lines


def _pattern(why: str) -> str:
    """Return a message without the names in it."""
    error, _, message = why.partition(": ")
    names = r"\b(of|on|into|to) [\w .\"]+?\b(?= |:|,|$)"
    message = re.sub(names, r"\1 ...", message)
    return f"{error}: {message}"[:110]


def fuzz_writes(
    judge: Judge,
    strategy: st.SearchStrategy[Write],
    examples: int,
    *,
    start: int = 0,
    shrink: bool = True,
    tally: WriteTally | None = None,
) -> WriteTally:
    """Judge that many writes of a strategy.

    Args:
        judge: the two databases.
        strategy: what composes the writes.
        examples: how many.
        start: the seed of the first batch; the next one's is one more, and so on.
        shrink: look for the smallest write that breaks a rule.
        tally: what to count on; a new one, if left out.

    Raises:
        Mismatch: a rule is broken, by the smallest write found; says the seed of its batch.
    """
    counts = WriteTally() if tally is None else tally

    def check(write: Write) -> None:
        counts.add(write.kind, judge.judge(write))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SAWarning)
        for number, done in enumerate(range(0, examples, BATCH)):
            many = min(BATCH, examples - done)
            try:
                drive(check, strategy, many, start=start + number, shrink=shrink)
            except Mismatch as found:
                found.add_note(f"seed {start + number}, {many} examples")
                raise
    return counts
