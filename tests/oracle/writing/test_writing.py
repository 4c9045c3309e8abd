"""Composed writes, at least 3,000 in every run, the same ones each time."""

from __future__ import annotations

from typing import Final

import pytest

from tests.databases import DatabaseName, require

from .fuzzing import fuzz_writes
from .judge import judge
from .statements import KINDS, writes

EXAMPLES: Final[dict[DatabaseName, int]] = {"sqlite": 3000, "postgresql": 500, "mariadb": 500}


def test_there_are_enough_of_them() -> None:
    assert sum(EXAMPLES.values()) >= 3000


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_write_is_confined_or_refused_whatever_it_is_composed_of(
    name: DatabaseName,
) -> None:
    require(name)
    with judge(name) as both:
        tally = fuzz_writes(both, writes(name), EXAMPLES[name])
    print("\n".join(tally.lines()))
    assert tally.count() >= EXAMPLES[name]
    # What is refused, or is no statement, tests little.
    assert tally.accepted_share >= 0.4
    assert tally.count("rejected") < tally.count() / 3
    for kind, (_, _, databases) in KINDS.items():
        if name in databases:
            assert tally.outcomes[kind, "accepted"], kind
