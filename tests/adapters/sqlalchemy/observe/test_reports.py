"""The file of reports, the command that shows it, and the baseline."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from tenantshield_mw import ConfigurationError, tenant_scope
from tenantshield_mw.adapters.sqlalchemy.observe.places import Place
from tenantshield_mw.adapters.sqlalchemy.observe.reports import (
    Report,
    Reports,
    read_reports,
    write_reports,
)
from tests.databases import memory_engine
from tests.threads import in_thread

from .shop import Base, Item, Order, observing, report


def test_a_file_has_each_report_once(tmp_path: Path) -> None:
    file = tmp_path / "reports.json"
    engine = memory_engine()
    with observing(file=file):
        Base.metadata.create_all(engine)
        for _ in range(2):
            with tenant_scope("a"), Session(engine) as session:
                session.scalars(select(Order)).all()
                session.scalars(select(Item)).all()
    engine.dispose()
    # A second process, or a later run.
    with observing(file=file) as seen:
        pass
    assert seen.reports == []
    assert [each.table for each in read_reports(file)] == ["seen_order", "seen_item"]
    assert len(file.read_text().splitlines()) == 2


@pytest.mark.parametrize(
    "line",
    ["{", "[]", "{}", "1", '{"table": "t"}', json.dumps({**dict.fromkeys(Report.__slots__, 1)})],
)
def test_a_file_with_something_else_is_an_error(tmp_path: Path, line: str) -> None:
    file = tmp_path / "reports.json"
    write_reports(file, [report()])
    with file.open("a") as opened:
        opened.write(line)
    with pytest.raises(ConfigurationError, match="line 2 is no report"):
        read_reports(file)


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="No such file"):
        read_reports(tmp_path / "none.json")


def test_a_finalizer_may_execute_a_statement_while_a_report_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "reports.json"
    written, real = Reports(file, None), json.dumps

    def add(line: int) -> None:
        written.add(
            Place("app.py", line, "show", follows=False), "invoice", "SELECT", "confined", "why"
        )

    def dumps(value: Any) -> str:
        monkeypatch.setattr(json, "dumps", real)
        add(2)
        return real(value)

    monkeypatch.setattr(json, "dumps", dumps)
    in_thread(lambda: add(1))
    assert [each.line for each in written.all] == [1, 2]
    assert [each.line for each in read_reports(file)] == [1, 2]
