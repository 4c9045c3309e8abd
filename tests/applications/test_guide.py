"""What docs/moving-in.md shows is in the diffs, and its figures are those of the applications."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.commands import ROOT
from tests.guides import blocks_of

from .applications import APPLICATIONS, Application

PAGE = (ROOT / "docs" / "moving-in.md").read_text()
DIFFS = {each.name: (each.folder / "protect.diff").read_text() for each in APPLICATIONS}


def test_what_it_shows_is_in_the_diffs() -> None:
    shown = [block for language, block in blocks_of("moving-in.md") if language == "diff"]
    assert shown
    assert [block for block in shown if not any(block in diff for diff in DIFFS.values())] == []


@pytest.mark.parametrize("application", APPLICATIONS, ids=list(DIFFS))
def test_its_figures_are_right(application: Application) -> None:
    diff = DIFFS[application.name]
    added, removed = (len(re.findall(rf"^\{sign}[^{sign}]", diff, re.MULTILINE)) for sign in "+-")
    lines = sum(len(each.read_text().splitlines()) for each in code_of(application))
    row = next(line for line in PAGE.splitlines() if f"({application.name})" in link_names(line))
    assert f"| {lines} | [+{added} −{removed}]" in row  # noqa: RUF001


def test_its_count_of_leaks_is_right() -> None:
    first, second, third = (len(each.leaks) for each in APPLICATIONS)
    assert f"{first}, {second} and {third} operations" in " ".join(PAGE.split())


def code_of(application: Application) -> list[Path]:
    return sorted((application.folder / "app").rglob("*.py"))


def link_names(line: str) -> str:
    return line.replace("../tests/applications/", "")
