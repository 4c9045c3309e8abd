"""Applies a diff in the unified format, as `git diff` writes it, without git."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

__all__ = ["apply"]

_FILE: Final = re.compile(r"^diff --git .*$", re.MULTILINE)
_NAME: Final = re.compile(r"^\+\+\+ b/(.+)$", re.MULTILINE)
_HUNK: Final = re.compile(r"^@@ -\d+(?:,\d+)? \+\d+(?:,\d+)? @@.*\n", re.MULTILINE)


def apply(diff: str, folder: Path) -> None:
    """Change the files in ``folder`` as ``diff`` says.

    Raises:
        ValueError: a part of it does not apply, or to several places.
    """
    for part in _FILE.split(diff)[1:]:
        named = _NAME.search(part)
        if named is None:
            raise ValueError(f"the diff names no file: {part}")
        path = folder / named[1]
        text = path.read_text() if path.exists() else ""
        for hunk in _HUNK.split(part)[1:]:
            lines = hunk.splitlines(keepends=True)
            old, new = (
                "".join(line[1:] for line in lines if line[0] in kept) for kept in (" -", " +")
            )
            if text.count(old) != 1 and text:
                raise ValueError(f"{named[1]}: found {text.count(old)} times:\n{old}")
            text = text.replace(old, new) if text else new
        path.write_text(text)
