"""Fail on what report mode finds, and a baseline does not have."""

from __future__ import annotations

from dataclasses import asdict
from importlib import import_module
from typing import Any, Final

import pytest

__all__ = ["Comparison"]

_REPORTS: Final = "tenantshield_baseline"
_PACKAGE: Final = "tenantshield_mw.adapters.sqlalchemy.observe"


class Comparison:
    """Gathers the reports, of pytest-xdist's workers too, and compares them."""

    def __init__(self, baseline: str) -> None:
        self._baseline = baseline
        self._reports: list[Any] = []
        self._has_observed = False
        self._result: list[str] = []

    def _gather(self) -> list[Any] | None:
        # By name: adapters do not import each other, and this one has no dependencies.
        running: Any = import_module(f"{_PACKAGE}.observing").running()
        return None if running is None else running.reports

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take the reports of a worker."""
        gathered = getattr(node, "workeroutput", {}).get(_REPORTS)
        if gathered is not None:
            report: Any = import_module(f"{_PACKAGE}.reports").Report
            self._has_observed = True
            self._reports += [report(**each) for each in gathered]

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Send the reports to the controller, or compare them."""
        gathered = self._gather()
        workeroutput = getattr(session.config, "workeroutput", None)
        if workeroutput is not None:
            workeroutput[_REPORTS] = gathered and [asdict(each) for each in gathered]
            return
        if gathered is not None:
            self._has_observed = True
            self._reports += gathered
        if not self._has_observed:
            self._fail(session, ["observe() was not called: call it where the tests' engine is"])
            return
        module: Any = import_module(f"{_PACKAGE}.baseline")
        read: Any = import_module(f"{_PACKAGE}.reports").read_reports
        distinct = {(*each.key, each.line): each for each in self._reports}
        found = module.new(list(distinct.values()), read(self._baseline))
        if found:
            self._fail(session, [*map(str, found)])

    def _fail(self, session: pytest.Session, lines: list[str]) -> None:
        self._result = lines
        if session.exitstatus in {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED}:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Show what is new."""
        if self._result:
            terminalreporter.section(f"tenants: not in {self._baseline}", red=True)
            for line in self._result:
                terminalreporter.line(line)
