"""Run the frameworks' own test suites bare and wrapped, and compare the outcomes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .sources import Outcome, Outcomes, counts, download, run


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

_MISSING = Outcome("missing", "")


def compare() -> bool:
    """Print what became of the suites; return whether no test differs."""
    same = different = 0
    for suite in SUITES:
        folder = download(suite.package)

        bare = _run(folder, suite, "")
        print(f"{folder.name}, bare: {counts(bare)}", flush=True)
        for wrap in suite.wraps:
            ours = _run(folder, suite, wrap)
            print(f"{folder.name}, with the middleware ({wrap}): {counts(ours)}", flush=True)
            for test in sorted({*bare, *ours}):
                found, expected = (each.get(test, _MISSING).what for each in (ours, bare))
                if found == expected or f"{wrap}: {test}" in suite.differs:
                    same += 1
                else:
                    different += 1
                    print(f"  {test}: {found}, bare {expected}")
    print(f"suites: {same} passed, {different} failed")
    return different == 0 < same


def _run(folder: Path, suite: Suite, wrap: str) -> Outcomes:
    arguments = [*suite.arguments, "tests"]
    return run(folder, "suite_under_middleware", arguments, {"TENANTSHIELD_WRAP": wrap})
