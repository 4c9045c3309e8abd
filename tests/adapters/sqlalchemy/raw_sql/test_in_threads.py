"""No thread waits for another one that scans raw SQL."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from sqlalchemy import create_engine

from tenantshield_mw.adapters.sqlalchemy.raw_sql import checks, keywords
from tenantshield_mw.adapters.sqlalchemy.raw_sql.checks import RawText, Source
from tenantshield_mw.adapters.sqlalchemy.raw_sql.marks import without_confined_names
from tests.threads import in_thread


class Pausing:
    """A function, or a method of a pattern, in which one thread is stopped."""

    def __init__(self, real: Any) -> None:
        self._real = real
        self.inside, self.go_on = threading.Event(), threading.Event()

    def __call__(self, *args: Any) -> Any:
        if not self.inside.is_set():
            self.inside.set()
            assert self.go_on.wait(120)
        return self._real(*args)

    @property
    def finditer(self) -> Any:
        return self


def beside(pausing: Pausing, function: Any) -> Any:
    """Return what ``function`` returns while another thread is stopped in the midst of it."""
    thread = threading.Thread(target=function, daemon=True)
    thread.start()
    assert pausing.inside.wait(60)
    try:
        return in_thread(function)
    finally:
        pausing.go_on.set()
        thread.join(60)


def test_texts_are_scanned_at_the_same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    pausing = Pausing(without_confined_names)
    monkeypatch.setattr(checks, "without_confined_names", pausing)
    dialect = create_engine("sqlite://").dialect
    assert (
        beside(pausing, lambda: RawText("SELECT 1", Source.STATEMENT, dialect).sent) == "SELECT 1"
    )


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("_TABLE_AHEAD", "_behind_a_keyword"),
        ("_INSERTS_INTO", "_behind_into"),
        ("_WORDS_AND_SIGNS", "_previous"),
    ],
)
def test_words_are_looked_for_at_the_same_time(
    monkeypatch: pytest.MonkeyPatch, pattern: str, name: str
) -> None:
    pausing = Pausing(getattr(keywords, pattern).finditer)
    monkeypatch.setattr(keywords, pattern, pausing)
    found = beside(pausing, lambda: getattr(keywords.Places("insert into log"), name))
    assert found
    assert found == getattr(keywords.Places("insert into log"), name)
