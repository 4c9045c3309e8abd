"""The command ``report``: what it shows, and its exit status."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tenantshield_mw.adapters.command import main
from tenantshield_mw.adapters.sqlalchemy.observe.reports import Report, read_reports, write_reports

from .shop import report


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
