"""The command ``tenantshield-mw prove``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tenantshield_mw.adapters.sqlalchemy.prove import Outcome
from tests.commands import ROOT

MODELS = """
from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from tenantshield_mw.adapters.sqlalchemy import observe, tenant_aware


class Base(DeclarativeBase):
    pass


@tenant_aware
class Note(Base):
    __tablename__ = "note"
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(String(20))
    text: Mapped[str] = mapped_column(String(20))


class Line(Base):
    __tablename__ = "line"
    id: Mapped[int] = mapped_column(primary_key=True)
    note_id: Mapped[int] = mapped_column(ForeignKey("note.id"))
    text: Mapped[str] = mapped_column(String(20))
"""


def command(folder: Path, *arguments: str, models: str = MODELS) -> tuple[int, str, str]:
    (folder / "models.py").write_text(models)
    done = subprocess.run(
        [
            *(sys.executable, "-W", "error", "-m", "tenantshield_mw.adapters.command"),
            *("prove", "models:Base", *arguments),
        ],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def test_the_command_prints_a_table(tmp_path: Path) -> None:
    status, printed, errors = command(tmp_path)
    assert (status, errors) == (0, "")
    lines = printed.splitlines()
    assert lines[0] == "| table | leak | refused | confined | error | n/a |"
    assert [line.split(" | ")[:2] for line in lines[2:5]] == [
        ["| note", "0"],
        ["| line", "0"],
        ["| all", "0"],
    ]
    assert "The driver's own cursor reaches the rows of 2 tables" in lines[-1]


def test_what_leaks_fails_the_command(tmp_path: Path) -> None:
    observed = MODELS + "\nobserve(Note)\n"
    status, printed, _ = command(tmp_path, models=observed)
    assert status == 1
    assert "LEAK select():note: returned 20" in printed
    assert "LEAK delete():note: changed or deleted a row of note" in printed
    assert "LEAK insert(their tenant):note: made a row of note for the other tenant" in printed


def test_what_was_reviewed_can_be_left_out(tmp_path: Path) -> None:
    undeclared = MODELS.replace('ForeignKey("note.id")', "")
    status, printed, _ = command(tmp_path, models=undeclared)
    assert status == 1
    assert "LEAK line: it is not declared" in printed
    status, printed, errors = command(
        tmp_path, "--ignore", "line", "--ignore", "other", models=undeclared
    )
    assert (status, errors) == (0, "--ignore other matched nothing: remove it.\n")
    assert "line" not in printed


def test_json_has_everything(tmp_path: Path) -> None:
    status, printed, _ = command(tmp_path, "--json")
    assert status == 0
    outcomes = [Outcome(**each) for each in json.loads(printed)]
    assert {each.table for each in outcomes} == {"note", "line"}


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("sqlite+aiosqlite://", "names an async driver"),
        ("no url", "not a URL"),
        ("postgresql+psycopg://nobody:secret@127.0.0.1:1/none", "could not use"),
    ],
)
def test_a_database_that_cannot_be_used_is_said(tmp_path: Path, url: str, message: str) -> None:
    status, _, errors = command(tmp_path, "--database", url)
    assert status == 2
    assert message in errors
    assert "secret" not in errors
