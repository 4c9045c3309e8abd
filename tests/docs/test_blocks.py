"""No block of code in a page is left out: each is run by a test, which this module knows."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.commands import ROOT, STRICT

from .following import Block, blocks_in, following
from .fragments import AFTER, BEFORE, BETWEEN

DOCS: Final = ROOT / "docs"

FOLLOWED: Final = (
    "index.md",
    "concepts/scope.md",
    "concepts/guard.md",
    "concepts/tables.md",
    "how-to/exempt.md",
    "how-to/several-tenants.md",
    "how-to/sqlmodel.md",
    "how-to/admin.md",
)
"""Pages whose files are written and whose commands are typed, one after the other."""

USES_THE_START_PAGE: Final = ("concepts/scope.md", "concepts/guard.md", "how-to/several-tenants.md")

BY_A_PERSON: Final = (
    "start/fastapi.md",
    "start/starlette.md",
    "start/litestar.md",
    "start/flask.md",
    "start/asgi.md",
)
"""Pages that ``test_person.py`` follows, in a browser."""

ELSEWHERE: Final = {
    "citus.md": "tests/adapters/sqlalchemy/test_citus.py",
    "context.md": "tests/adapters/test_context_guide.py",
    "jobs.md": "tests/jobs/test_guide.py",
    "lifecycle.md": "tests/adapters/sqlalchemy",
    "migrations.md": "tests/adapters/sqlalchemy/alembic/test_guide.py",
    "moving-in.md": "tests/applications/test_guide.py",
    "moving-tenants.md": "tests/adapters/sqlalchemy/provisioning/test_guide.py",
    "placements.md": "tests/adapters/sqlalchemy",
    "postgresql.md": "tests/adapters/sqlalchemy/rls/test_guide.py",
    "prove.md": "tests/adapters/sqlalchemy/prove/test_guide.py",
    "report-mode.md": "tests/adapters/sqlalchemy/observe/test_guide.py",
    "testing.md": "tests/adapters/testing/test_guide.py",
}
"""Pages whose blocks another test runs, and that test, or the folder that has it."""

NOT_CODE: Final = {
    "text",
    "yaml",
    "sql",
    "note",
    "toctree",
    "eval-rst",
    "file",
    "picture",
    "command",
}
"""Languages of blocks that nothing runs: output, and parts of a page."""


def pages_with_code() -> list[str]:
    pages = [each for each in sorted(DOCS.rglob("*.md")) if each.name[0] != "_"]
    return [each.relative_to(DOCS).as_posix() for each in pages if code_in(each)]


def code_in(page: Path) -> list[Block]:
    return [each for each in blocks_in(page) if each.language not in NOT_CODE]


def test_the_blocks_of_each_page_are_run_by_a_test() -> None:
    known = {*FOLLOWED, *BY_A_PERSON, *ELSEWHERE, *BEFORE}
    assert set(pages_with_code()) - known == set()
    assert {*FOLLOWED, *BY_A_PERSON, *BEFORE} - set(pages_with_code()) == set()


@pytest.mark.parametrize("page", sorted(each for each in ELSEWHERE if (DOCS / each).exists()))
def test_the_test_elsewhere_reads_the_page(page: str) -> None:
    place = ROOT / ELSEWHERE[page]
    modules = [place] if place.is_file() else [*place.rglob("*.py")]
    assert any(f'"{page}"' in each.read_text() for each in modules)


@pytest.mark.parametrize("page", FOLLOWED)
def test_the_page_is_true(page: str, tmp_path: Path) -> None:
    with following(tmp_path) as reader:
        if page in USES_THE_START_PAGE:
            reader.follow([each for each in blocks_in(DOCS / "index.md") if each.file])
        reader.follow(code_in(DOCS / page))


@pytest.mark.parametrize("page", BEFORE)
def test_the_fragments_of_the_page_run(page: str, tmp_path: Path) -> None:
    blocks = [each.code for each in blocks_in(DOCS / page) if each.language == "python"]
    assert blocks
    between = BETWEEN.get(page, {})
    code = "\n".join(between.get(number, "") + whole(each) for number, each in enumerate(blocks))
    done = subprocess.run(
        [sys.executable, *STRICT, "-c", f"{BEFORE[page]}\n{code}\n{AFTER[page]}"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def whole(code: str) -> str:
    """Return the code, in a class if it is a column of one."""
    if not code.startswith("key: Mapped"):
        return code
    return "class Keyed:\n" + "".join(f"    {line}\n" for line in code.splitlines())
