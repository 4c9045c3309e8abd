"""A plugin for pytest that writes what became of each test to the file that the environment names.

The worst of setup, call and teardown counts.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

_outcomes: dict[str, tuple[str, str]] = {}
"""The outcome of each test, and the message if it failed."""


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when == "call" or report.outcome != "passed":
        outcome = "error" if report.failed and report.when != "call" else report.outcome
        crash = getattr(report.longrepr, "reprcrash", None)
        _outcomes[report.nodeid] = (outcome, "" if crash is None else crash.message)


def pytest_collectreport(report: pytest.CollectReport) -> None:
    if report.failed:
        _outcomes[report.nodeid] = ("not collected", report.longreprtext)


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):  # a worker of pytest-xdist
        Path(os.environ["TENANTSHIELD_OUTCOMES"]).write_text(json.dumps(_outcomes))
