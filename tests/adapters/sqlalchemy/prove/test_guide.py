"""docs/prove.md, done as it says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.guides import Reader, blocks_of


def test_the_page_is_true(tmp_path: Path) -> None:
    (_, code), (_, line), (_, output) = blocks_of("prove.md")
    Reader(tmp_path, {}).write(code)
    program, *arguments = line.removeprefix("$ ").split()
    assert program == "tenantshield-mw"
    done = subprocess.run(
        [sys.executable, "-m", "tenantshield_mw.adapters.command", *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == output
    assert done.returncode == 1
