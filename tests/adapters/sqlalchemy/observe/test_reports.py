"""The file of reports, the command that shows it, and the baseline."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from tenantshield_mw import ConfigurationError, tenant_scope
from tenantshield_mw.adapters.command import main
from tenantshield_mw.adapters.sqlalchemy.observe.baseline import kept, new
from tenantshield_mw.adapters.sqlalchemy.observe.reports import (
    Report,
    read_reports,
    write_reports,
)
from tests.databases import memory_engine

from .shop import Base, Item, Order, observing


def report(line: int = 1, table: str = "seen_order", function: str = "view") -> Report:
    return Report(table, "SELECT", "confined", "does not compare tenant_id", "a.py", line, function)


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


def test_a_line_that_moves_is_not_new() -> None:
    assert new([report(2), report(9)], [report(1), report(8)]) == []


def test_one_more_line_in_a_function_is_new() -> None:
    assert new([report(2), report(9)], [report(1)]) == [report(9)]
    assert kept([report(2), report(9)], [report(1)]) == [report(2)]


def test_another_table_or_function_is_new() -> None:
    others = [report(table="seen_item"), report(function="other")]
    assert new(others, [report(), report()]) == others


def test_the_command_shows_reports(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "reports.json"
    write_reports(file, [report(7)])
    assert main(["report", str(file)]) == 0
    shown = capsys.readouterr().out
    assert shown == (
        "a.py\n  7  view  SELECT seen_order: confined\n      does not compare tenant_id\n\n"
        "1 report.\n"
    )
    assert main(["report", str(file), "--json"]) == 0
    assert [Report(**each) for each in json.loads(capsys.readouterr().out)] == [report(7)]


def test_the_command_fails_on_what_the_baseline_does_not_have(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, baseline = tmp_path / "reports.json", tmp_path / "baseline.json"
    write_reports(file, [report(7), report(8, "seen_item")])
    write_reports(baseline, [report(3), report(4, function="gone")])
    assert main(["report", str(file), "--baseline", str(baseline)]) == 1
    shown = capsys.readouterr().out
    assert "seen_item" in shown
    assert "seen_order" not in shown
    assert "The baseline has 2, of which 1 no longer occur." in shown
    assert len(read_reports(baseline)) == 2


def test_a_baseline_shrinks_and_never_grows(tmp_path: Path) -> None:
    file, baseline = tmp_path / "reports.json", tmp_path / "baseline.json"
    write_reports(file, [report(7), report(8, "seen_item")])
    write_reports(baseline, [report(3), report(4, function="gone")])
    assert main(["report", str(file), "--baseline", str(baseline), "--shrink"]) == 1
    assert read_reports(baseline) == [report(7)]
    write_reports(file, [report(7)])
    assert main(["report", str(file), "--baseline", str(baseline), "--shrink"]) == 0


def test_the_command_refuses_what_it_cannot_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "reports.json"
    assert main(["report", str(file)]) == 2
    assert "No such file" in capsys.readouterr().err
    write_reports(file, [])
    assert main(["report", str(file), "--shrink"]) == 2
    assert "--baseline" in capsys.readouterr().err
