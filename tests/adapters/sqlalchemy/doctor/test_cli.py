"""The command ``doctor``: its exit status, and what it leaves out."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from .commanding import doctor

IGNORED: Final = ("--ignore", "undeclared:note", "--ignore", "unique-without-tenant")


def test_clean_models(folder: Path) -> None:
    assert doctor(folder, "clean:Base") == (
        0,
        "nothing found, 2 tables examined.\nNo database was examined: give --database URL.\n",
        "",
    )


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((), 1),
        (("--fail-on", "error"), 1),
        (("--fail-on", "error", "--ignore", "undeclared:note"), 0),
        (("--ignore", "undeclared:note"), 1),
        (("--ignore", "undeclared:customer"), 1),
        (IGNORED, 0),
        ((*IGNORED, "--fail-on", "info"), 1),
        ((*IGNORED, "--ignore", "reference-without-tenant", "--fail-on", "info"), 0),
    ],
)
def test_the_status_is_that_of_the_worst_that_is_not_ignored(
    folder: Path, arguments: tuple[str, ...], expected: int
) -> None:
    assert doctor(folder, "faulty:Base", *arguments)[0] == expected


def test_ignored_findings_are_counted_and_unused_ignores_reported(folder: Path) -> None:
    status, out, err = doctor(folder, "faulty:Base", *IGNORED, "--ignore", "table-missing:x")
    assert status == 0
    assert "1 info, 2 ignored, 4 tables examined." in out
    assert err == "--ignore table-missing:x matched nothing: remove it.\n"
