"""Each mutant can be applied: the text that it replaces is in the guard exactly once."""

from __future__ import annotations

from pathlib import Path

import pytest

from .mutant import Mutant
from .mutants import MUTANTS
from .running import file_with

CHECKOUT = Path(__file__).parents[2]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda each: each.name)
def test_the_text_that_a_mutant_replaces_is_there(mutant: Mutant) -> None:
    assert file_with(mutant.old, CHECKOUT).is_file()
    assert mutant.old != mutant.new


def test_each_mutant_has_a_name_of_its_own() -> None:
    assert len({each.name for each in MUTANTS}) == len(MUTANTS)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda each: each.name)
def test_the_tests_that_notice_a_mutant_are_there(mutant: Mutant) -> None:
    assert mutant.targets
    for target in mutant.targets:
        path, _, name = target.partition("::")
        if name:
            assert f"def {name.partition('[')[0]}(" in (CHECKOUT / path).read_text()
        else:
            assert (CHECKOUT / path).exists()
