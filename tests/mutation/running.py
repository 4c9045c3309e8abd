"""A copy of the checkout with one mutant in it, and the tests that are run against it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import cache_from_source
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic

__all__ = ["SECONDS_FOR_ALL", "Change", "Run", "checkout_copy", "file_with", "mutated", "run_tests"]

NEEDED = ("adapters", "tenantshield_mw", "tests", "examples", "benchmarks", "pyproject.toml")
"""What of a checkout the tests need."""

MUTATED = ("adapters/sqlalchemy", "tenantshield_mw")
"""The folders with the guard, and with what it stands on."""

SECONDS = 120
"""How long the tests of one mutant may take; one that takes longer counts as killed."""

SECONDS_FOR_ALL = 1200
"""How long the tests of all mutants may take together."""

_OTHER_COPY = 99
_RUN = f"""
import sys
from pathlib import Path

import pytest
import tenantshield_mw.adapters.sqlalchemy as guard

if not Path(guard.__file__).is_relative_to(sys.argv[1]):
    print(guard.__file__, "is imported, which is not in", sys.argv[1])
    sys.exit({_OTHER_COPY})


class OnSQLite:
    def pytest_collection_modifyitems(self, items):
        others = ("postgresql", "mysql", "mariadb")
        kept = [
            each
            for each in items
            if each.nodeid in sys.argv or not any(name in each.nodeid for name in others)
        ]
        items[:] = kept or items


sys.exit(pytest.main(sys.argv[2:], plugins=[OnSQLite()]))
"""
# One process, in order. SQLite is enough, unless a test on another database is named or there is
# none on SQLite: most of the guard is the same for each of them.
_OPTIONS = (
    *("-x", "-q", "--tb=no"),
    *("-p", "no:cacheprovider", "-p", "pytest_asyncio.plugin"),
)
_FAILED = re.compile(r"^(?:FAILED|ERROR) (\S.*?)(?: - .*)?$", re.MULTILINE)
_PASSED = re.compile(r"\b\d+ passed\b")


@dataclass(frozen=True)
class Change:
    """A part of a module, and what is to stand there instead."""

    old: str
    new: str


@dataclass(frozen=True)
class Run:
    """What came of the tests.

    Attributes:
        killed_by: the first test that failed; empty if all passed.
        seconds: how long it took.
    """

    killed_by: str
    seconds: float


@contextmanager
def checkout_copy(checkout: Path) -> Generator[Path, None, None]:
    """Copy the files that the tests need from ``checkout`` to a temporary folder."""
    with TemporaryDirectory(prefix="mutation-") as folder:
        copy = Path(folder).resolve()
        for name in NEEDED:
            source = checkout / name
            if source.is_dir():
                ignored = shutil.ignore_patterns("__pycache__")
                shutil.copytree(source, copy / name, ignore=ignored, symlinks=True)
            else:
                shutil.copy2(source, copy / name)
        link = copy / "tenantshield_mw" / "adapters"
        link.unlink(missing_ok=True)
        link.symlink_to(copy / "adapters")
        yield copy


def file_with(text: str, checkout: Path) -> Path:
    """Return the module of :data:`MUTATED` that contains ``text`` exactly once.

    Raises:
        LookupError: no module contains it, or it occurs more than once.
    """
    found = [
        path
        for folder in MUTATED
        for path in sorted((checkout / folder).rglob("*.py"))
        for _ in range(path.read_text().count(text))
    ]
    if len(found) != 1:
        places = ", ".join(str(each.relative_to(checkout)) for each in found) or "nowhere"
        raise LookupError(f"{text!r} should stand in one place and stands in: {places}")
    return found[0]


@contextmanager
def mutated(copy: Path, change: Change) -> Generator[None, None, None]:
    """Make ``change`` in a copy of the checkout, and undo it afterwards."""
    path = file_with(change.old, copy)
    before = path.read_text()
    _write(path, before.replace(change.old, change.new))
    try:
        yield
    finally:
        _write(path, before)


def _write(path: Path, text: str) -> None:
    path.write_text(text)
    # Python cannot tell two versions of equal length apart that were written within a second.
    Path(cache_from_source(str(path))).unlink(missing_ok=True)


def run_tests(copy: Path, targets: Sequence[str], seconds: int = SECONDS) -> Run:
    """Run the tests ``targets`` with the guard in ``copy``, for some seconds at most.

    Raises:
        RuntimeError: no test was run, or another guard was tested than the one in ``copy``.
    """
    paths = filter(None, (str(copy), os.environ.get("PYTHONPATH")))
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(paths),
        # Importing the other plugins takes longer than most of the tests.
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    }
    begun = monotonic()
    try:
        done = subprocess.run(
            [sys.executable, "-c", _RUN, str(copy), *_OPTIONS, *targets],
            cwd=copy,
            env=environment,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Run(f"more than {seconds} s", seconds)
    took = monotonic() - begun
    if done.returncode == 0 and _PASSED.search(done.stdout):
        return Run("", took)
    failed = _FAILED.search(done.stdout)
    if failed is not None:
        return Run(failed[1], took)
    if "Error" in done.stderr and done.returncode == 1:
        return Run(f"import: {done.stderr.strip().splitlines()[-1]}", took)
    raise RuntimeError(f"no test has answered:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
