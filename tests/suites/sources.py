"""The source distributions of packages, whose own suites are run."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tarfile
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from tests.commands import ROOT

BUILD = ROOT / "build" / "suites"
PLUGINS = Path(__file__).parent / "plugin"


class Outcome(NamedTuple):
    """What became of a test.

    Attributes:
        what: ``passed``, ``failed``, ``skipped``, ``error`` or ``not collected``.
        message: that of the error, if there was one.
    """

    what: str
    message: str


Outcomes = dict[str, Outcome]
"""What became of each test, by its id."""


def download(package: str, *, builds_here: bool = False) -> Path:
    """Return the unpacked source distribution of the installed version.

    Args:
        package: its name.
        builds_here: whether this environment has what it is built with, which pip wants even for
            the metadata.
    """
    name = f"{package}-{version(package)}"
    folder = BUILD / name
    if not folder.exists():
        # The lock file has the hashes of the source distributions, too.
        lock_file = (ROOT / "requirements" / "test.txt").read_text()
        entry = re.search(rf"^{package}==(?:.*\\\n)*.*\n", lock_file, re.MULTILINE)
        assert entry, package
        BUILD.mkdir(parents=True, exist_ok=True)
        wanted = BUILD / f"{package}.txt"
        wanted.write_text(entry.group())
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet"]
        from_source = ["--no-deps", "--no-binary", ":all:", "--require-hashes"]
        if builds_here:
            from_source.append("--no-build-isolation")
        subprocess.run([*pip, *from_source, "--dest", BUILD, "-r", wanted], check=True)
        with tarfile.open(BUILD / f"{name}.tar.gz") as archive:
            archive.extractall(BUILD, filter="data")
    return folder


def run(
    folder: Path, plugin: str, arguments: Sequence[str], environment: Mapping[str, str]
) -> Outcomes:
    """Return the outcome of each test of the suite in ``folder``, run with one of our plugins."""
    outcomes = BUILD / "outcomes.json"
    outcomes.unlink(missing_ok=True)
    # -s: SQLAlchemy's suite would use the sources beside it instead of what is installed.
    command = [sys.executable, "-s", "-m", "pytest", "-q", "-p", "outcomes", "-p", plugin]
    quiet = ["-p", "no:cacheprovider", "--tb=native"]
    finished = subprocess.run(
        [*command, *quiet, *arguments],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": str(PLUGINS),
            # Not this project's plugins for pytest.
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "TENANTSHIELD_OUTCOMES": str(outcomes),
            **environment,
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=1800,
    )
    # 0 if all tests passed, 1 if some failed.
    if finished.returncode not in (0, 1):
        sys.exit(finished.stdout + finished.stderr)
    return {test: Outcome(*each) for test, each in json.loads(outcomes.read_text()).items()}


def counts(outcomes: Outcomes) -> str:
    """Return how many tests had each outcome."""
    return ", ".join(
        f"{n} {outcome}"
        for outcome, n in Counter(each.what for each in outcomes.values()).most_common()
    )
