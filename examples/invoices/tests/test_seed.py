"""The database file, created by several processes at once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

from examples.invoices.contents import read_contents
from tests.commands import ROOT

# All that takes long is done before it says so.
SEED_WHEN_TOLD: Final = """
import sys
from pathlib import Path
from examples.invoices.seed import seed
print("ready", flush=True)
sys.stdin.readline()
seed(Path(sys.argv[1]))
"""


def start(database: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", SEED_WHEN_TOLD, str(database)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def tell(processes: list[subprocess.Popen[str]]) -> None:
    """Let all continue, wait for them, and check that none failed."""
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    said = [process.communicate()[1] for process in processes]
    assert said == [""] * len(processes)
    assert [process.returncode for process in processes] == [0] * len(processes)


def test_workers_that_start_together_make_each_row_once(tmp_path: Path) -> None:
    alone, shared = tmp_path / "alone.sqlite3", tmp_path / "shared.sqlite3"
    tell([start(alone)])
    tell([start(shared) for _ in range(4)])
    expected, made = read_contents(alone), read_contents(shared)
    assert made.numbers_of("acme") == expected.numbers_of("acme") != set()
    assert len(made.invoices) == len(expected.invoices)
    assert len(made.customers) == len(expected.customers)


def test_existing_rows_are_kept(tmp_path: Path) -> None:
    database = tmp_path / "invoices.sqlite3"
    tell([start(database)])
    before = read_contents(database)
    tell([start(database)])
    assert read_contents(database) == before
