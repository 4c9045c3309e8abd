"""docs/lifecycle.md, done as it says."""

from __future__ import annotations

import shlex
from pathlib import Path

from tests.guides import Reader, blocks_of


def test_the_page_is_true(tmp_path: Path) -> None:
    reader = Reader(tmp_path, {})
    models, fill, *rest = blocks_of("lifecycle.md")
    reader.write(models[1])
    reader.write(fill[1])
    printed: list[str] = []
    for language, block in rest:
        if language == "console":
            printed += [typed(reader, line) for line in block.splitlines()]
        elif printed:
            assert block == "".join(printed)
            printed = []
    assert printed == []


def typed(reader: Reader, line: str) -> str:
    """Return what a command prints."""
    _, program, *arguments = shlex.split(line)
    if program == "tenantshield-mw":
        arguments = ["-m", "tenantshield_mw.adapters.command", *arguments]
    return reader.python(*arguments)
