"""docs/report-mode.md, done as it says."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from tests.guides import Reader, blocks_of

BLOCKS = blocks_of("report-mode.md")


def command(folder: Path, line: str) -> subprocess.CompletedProcess[str]:
    """Run a line of a console block."""
    words = line.removeprefix("$ ").split()
    program = {
        "python": [sys.executable],
        "tenantshield-mw": [sys.executable, "-m", "tenantshield_mw.adapters.command"],
    }[words[0]]
    return subprocess.run(
        [*program, *words[1:]], cwd=folder, capture_output=True, text=True, check=False
    )


def test_the_page_is_true(tmp_path: Path) -> None:
    (_, code), (_, first), (_, output), (_, second) = BLOCKS
    Reader(tmp_path, {}).write(code)
    run, show = map(str.strip, first.splitlines())
    assert command(tmp_path, run).returncode == 0
    assert command(tmp_path, show).stdout == output
    copy, compare, shrink, pytest = map(str.strip, second.splitlines())
    assert copy == "$ cp reports.json baseline.json"
    shutil.copy(tmp_path / "reports.json", tmp_path / "baseline.json")
    for line in (compare, shrink):
        assert command(tmp_path, line).returncode == 0
    # What the option does is tested in tests/adapters/testing/test_baseline.py.
    assert pytest == "$ pytest --tenantshield-baseline baseline.json"
