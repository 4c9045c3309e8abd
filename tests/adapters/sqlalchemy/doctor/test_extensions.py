"""Extensions whose functions take SQL."""

from __future__ import annotations

import pytest

from .planting import (
    Place,
    Planting,
    assert_fault_is_found,
    assert_fix_removes,
    assert_harmless,
    each_planting,
)

FAULTS = [
    Planting(
        "an_extension_that_takes_sql",
        ["CREATE EXTENSION tablefunc"],
        [("extension-takes-sql", None, None)],
        objects=["tablefunc"],
    ),
]

HARMLESS = {
    "an extension that takes no names": ["CREATE EXTENSION btree_gist"],
}


@each_planting(FAULTS)
def test_a_fault_is_found_and_nothing_else(place: Place, fault: Planting) -> None:
    assert_fault_is_found(place, fault)


@each_planting(each for each in FAULTS if each.mends)
def test_the_fix_of_a_finding_removes_it(place: Place, fault: Planting) -> None:
    assert_fix_removes(place, fault)


@pytest.mark.parametrize("statements", HARMLESS.values(), ids=HARMLESS)
def test_secure_objects_are_not_findings(place: Place, statements: list[str]) -> None:
    assert_harmless(place, statements)
