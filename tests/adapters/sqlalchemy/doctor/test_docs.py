"""docs/doctor.md lists every kind exactly as the code does."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final, get_args

import pytest

from tenantshield_mw.adapters.sqlalchemy.doctor import KINDS, Kind, Place

PAGE: Final = (Path(__file__).parents[4] / "docs" / "doctor.md").read_text()


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
    assert sorted(named) == sorted(get_args(Kind))
