"""Run the frameworks' own test suites bare and wrapped, and compare the outcomes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tarfile
from collections import Counter
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from tests.commands import ROOT

BUILD = ROOT / "build" / "suites"
PLUGIN = Path(__file__).parent / "plugin"


@dataclass(frozen=True)
class Suite:
    """A suite, the ways to wrap its applications, and the tests to leave out.

    ``differs`` names tests that may fail with one of the ways.
    """

    package: str
    wraps: tuple[str, ...]
    arguments: tuple[str, ...] = ()
    differs: tuple[str, ...] = ()


SUITES = (
    Suite(
        "flask",
        ("flask", "flask adapter"),
        # An app with middleware refers to itself, so it is freed by the garbage collector.
        differs=("flask adapter: tests/test_basic.py::test_app_freed_on_zero_refcount",),
    ),
    # Left out: its server in processes of its own, where the plugin is not.
    Suite("werkzeug", ("werkzeug",), ("-m", "not dev_server")),
    # Left out: what needs opentelemetry's SDK.
    Suite(
        "starlette",
        ("starlette",),
        ("-p", "anyio", "--ignore=tests/middleware/test_opentelemetry.py"),
    ),
)


def download(package: str) -> Path:
    """Return the unpacked source distribution of the installed version."""
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
        subprocess.run([*pip, *from_source, "--dest", BUILD, "-r", wanted], check=True)
        with tarfile.open(BUILD / f"{name}.tar.gz") as archive:
            archive.extractall(BUILD, filter="data")
    return folder


def run(folder: Path, suite: Suite, wrap: str) -> dict[str, str]:
    """Return the outcome of each test of a suite, with one way to wrap its applications."""
    outcomes = BUILD / "outcomes.json"
    outcomes.unlink(missing_ok=True)
    environment = {
        **os.environ,
        "PYTHONPATH": str(PLUGIN),
        # Not this project's plugins for pytest.
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "TENANTSHIELD_WRAP": wrap,
        "TENANTSHIELD_OUTCOMES": str(outcomes),
    }
    command = [sys.executable, "-m", "pytest", "-q", "-p", "suite_under_middleware"]
    quiet = ["-p", "no:cacheprovider", "--tb=short"]
    finished = subprocess.run(
        [*command, *quiet, *suite.arguments, "tests"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    # 0 if all tests passed, 1 if some failed.
    if finished.returncode not in (0, 1):
        sys.exit(finished.stdout + finished.stderr)
    result: dict[str, str] = json.loads(outcomes.read_text())
    return result


def counts(outcomes: dict[str, str]) -> str:
    """Return how many tests had each outcome."""
    return ", ".join(f"{n} {outcome}" for outcome, n in Counter(outcomes.values()).most_common())


def main() -> int:
    """Print what became of the suites; return 1 if a test differs, otherwise 0."""
    same = different = 0
    for suite in SUITES:
        folder = download(suite.package)
        bare = run(folder, suite, "")
        print(f"{folder.name}, bare: {counts(bare)}", flush=True)
        for wrap in suite.wraps:
            ours = run(folder, suite, wrap)
            print(f"{folder.name}, with the middleware ({wrap}): {counts(ours)}", flush=True)
            for test in sorted({*bare, *ours}):
                if bare.get(test) == ours.get(test) or f"{wrap}: {test}" in suite.differs:
                    same += 1
                else:
                    different += 1
                    print(f"  {test}: {ours.get(test)}, bare {bare.get(test)}")
    print(f"suites: {same} passed, {different} failed")
    return int(different > 0 or same == 0)


if __name__ == "__main__":
    sys.exit(main())
