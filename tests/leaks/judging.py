"""What a test expects of an outcome."""

from __future__ import annotations

from .arena import Outcome

__all__ = ["judge"]


def judge(outcome: Outcome, why_open: str | None) -> None:
    """Check that a way is shut, or open if that is its nature."""
    if why_open is None:
        assert outcome.verdict in {"confined", "refused"}, outcome.detail
    else:
        # So that what the documents call open stays true.
        assert outcome.verdict == "LEAK", outcome
