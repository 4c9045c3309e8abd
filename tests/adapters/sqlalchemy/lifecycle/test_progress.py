"""Progress is for terminals alone."""

from __future__ import annotations

import io
import time

import pytest

from tenantshield_mw.adapters.sqlalchemy.lifecycle.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_line_is_rewritten_and_taken_away(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([1.0, 1.0, 1.01, 2.0, 2.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(times))
    terminal = Terminal()
    progress = Progress(terminal)
    progress.show("invoice", 12_000, 20_000)
    progress.show("invoice", 12_001)
    progress.show("line", 5)
    progress.clear()
    assert terminal.getvalue().split("\r") == [
        "",
        "invoice: 12,000 of 20,000",
        "line: 5                  ",
        " " * len("line: 5"),
        "",
    ]


def test_nothing_else_gets_it() -> None:
    file = io.StringIO()
    Progress(file).show("invoice", 1)
    Progress(file).clear()
    assert file.getvalue() == ""
