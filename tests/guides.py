"""Somebody who does what a page of docs/ says, in a folder of their own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from .commands import ROOT

__all__ = ["Reader", "blocks_of"]

_BLOCK: Final = re.compile(r"^```([\w-]+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks_of(page: str) -> list[tuple[str, str]]:
    """Return the code blocks of a page of docs/, each with its language."""
    return _BLOCK.findall((ROOT / "docs" / page).read_text())


class Reader:
    """Writes the files of a page and runs its commands.

    Args:
        folder: where.
        environment: what to add to the environment.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.folder = folder
        self._environment = {**os.environ, "PYTHONPATH": str(ROOT), **environment}

    def write(self, block: str) -> str:
        """Write the file that the block's first line names, and return its name."""
        name = block.partition("\n")[0].removeprefix("# ")
        (self.folder / name).write_text(block)
        return name

    def python(self, *arguments: str) -> str:
        """Return what Python prints, to which a warning is an error.

        Raises:
            AssertionError: it failed.
        """
        done = subprocess.run(
            [sys.executable, "-W", "error", *arguments],
            cwd=self.folder,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout
