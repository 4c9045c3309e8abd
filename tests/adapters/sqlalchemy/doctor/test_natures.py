"""Every kind of finding is in docs/doctor.md as in the code, and is provoked by a test."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final, get_args

import pytest

from tenantshield_mw.adapters.sqlalchemy.doctor import KINDS, Kind, Place

from . import (
    test_bypasses,
    test_constraints,
    test_extensions,
    test_models,
    test_policies,
    test_roles,
    test_schema,
    test_side_effects,
    test_sql_mode,
)

PAGE: Final = (Path(__file__).parents[4] / "docs" / "doctor.md").read_text()


def planted_in(*modules: Any) -> set[Kind]:
    """Return the kinds of findings that the tests in ``modules`` provoke."""
    expected = [
        getattr(fault, "expected", None) or fault[1] for each in modules for fault in each.FAULTS
    ]
    return {kind for findings in expected for kind, _, _ in findings}


def rows_of(place: Place) -> str:
    return "\n".join(
        f"| `{kind}` | {nature.severity} | {nature.what} | {nature.remedy} |"
        for kind, nature in KINDS.items()
        if nature.place == place
    )


@pytest.mark.parametrize("place", get_args(Place))
def test_the_tables_are_those_of_the_code(place: Place) -> None:
    assert rows_of(place) in PAGE, f"put this into docs/doctor.md:\n{rows_of(place)}"


def test_no_other_kind_is_in_them() -> None:
    named = re.findall(r"^\| `([a-z-]+)` \| (?:error|warning|info) \|", PAGE, re.MULTILINE)
    assert named == list(KINDS)


PLANTED: Final[dict[Place, set[Kind]]] = {
    "models": {"observed", *planted_in(test_models, test_constraints, test_side_effects)},
    "any database": planted_in(test_schema),
    "MariaDB and MySQL": {test_sql_mode.KIND},
    "PostgreSQL": planted_in(test_policies, test_roles, test_bypasses, test_extensions),
}


@pytest.mark.parametrize("place", get_args(Place))
def test_every_kind_is_planted_by_a_test(place: Place) -> None:
    assert PLANTED[place] == {kind for kind, nature in KINDS.items() if nature.place == place}
