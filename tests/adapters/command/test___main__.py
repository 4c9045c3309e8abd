"""The command line as a module."""

from __future__ import annotations

import subprocess
import sys


def test_the_module_runs_the_command_and_exits_with_its_status() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "tenantshield_mw.adapters.command", "report", "none"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("tenantshield-mw: ")
