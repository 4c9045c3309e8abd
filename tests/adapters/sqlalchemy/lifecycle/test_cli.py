"""The commands ``export``, ``erase`` and ``import``, on each database."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands import ROOT

from .lives import KINDS, TARGET, contents, home, settle, share, told


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_exported_comes_back(kind: str, tmp_path: Path) -> None:
    folder = str(tmp_path / "acme")
    with home(kind) as here:
        settle(here.engine, "acme", "globex")
        before = contents(here.database)
        told("export", "acme", TARGET, "--url", here.url, "--out", folder)
        assert contents(here.database) == before
        told("erase", "acme", TARGET, "--url", here.url, "--confirm", "acme")
        erased = contents(here.database)
        assert {table: rows for table, rows in before.items() if rows == erased[table]} == {
            "life_currency": before["life_currency"]
        }
        told("import", folder, TARGET, "--url", here.url)
        assert contents(here.database) == before


@pytest.mark.parametrize("kind", KINDS)
def test_it_goes_to_another_database(kind: str, tmp_path: Path) -> None:
    folder = str(tmp_path / "acme")
    with home(kind) as here, home(kind) as there:
        settle(here.engine, "acme")
        told("export", "acme", TARGET, "--url", here.url, "--out", folder)
        share(there.engine)
        told("import", folder, TARGET, "--url", there.url)
        assert contents(there.database) == contents(here.database)


@pytest.mark.parametrize("kind", KINDS)
def test_erasing_one_leaves_the_others(kind: str) -> None:
    with home(kind) as here:
        settle(here.engine, "globex")
        alone = contents(here.database)
    with home(kind) as here:
        settle(here.engine, "globex", "acme")
        both = contents(here.database)
        said = told("erase", "acme", TARGET, "--url", here.url)
        assert "would be erased" in said
        assert contents(here.database) == both
        said = told("erase", "acme", TARGET, "--url", here.url, "--confirm", "acme")
        assert said.startswith("erased:")
        left = contents(here.database)
        assert {name: len(rows) for name, rows in left.items()} == {
            name: len(rows) for name, rows in alone.items()
        }
        for name, rows in left.items():
            assert [row for row in rows if row not in both[name]] == []
            assert not any("acme" in repr(row) for row in rows)


def test_json_has_the_numbers(tmp_path: Path) -> None:
    folder = str(tmp_path / "acme")
    with home("sqlite") as here:
        settle(here.engine, "acme")
        url = ("--url", here.url, "--json")
        exported = json.loads(told("export", "acme", TARGET, *url, "--out", folder))
        assert exported["rows"]["life_person"] == 4
        surveyed = json.loads(told("erase", "acme", TARGET, *url))
        assert surveyed["rows"] == exported["rows"]
        assert [*surveyed["rows"]] == [*reversed(exported["rows"])]
        erased = json.loads(told("erase", "acme", TARGET, *url, "--confirm", "acme"))
        assert erased == {"erased": exported["rows"], "left": {}}
        imported = json.loads(told("import", folder, TARGET, *url))
        assert imported == {"rows": exported["rows"]}


def test_it_runs_as_a_process(tmp_path: Path) -> None:
    with home("sqlite") as here:
        settle(here.engine, "acme")
        run = subprocess.run(
            [
                *(sys.executable, "-W", "error", "-m", "tenantshield_mw.adapters.command"),
                *("export", "acme", TARGET, "--url", here.url, "--out", str(tmp_path / "out")),
            ],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
    assert (run.returncode, run.stderr) == (0, "")
    assert "life_person" in run.stdout


def test_confirming_another_tenant_erases_nothing() -> None:
    with home("sqlite") as here:
        settle(here.engine, "acme")
        before = contents(here.database)
        said = told("erase", "acme", TARGET, "--url", here.url, "--confirm", "globex", status=2)
        assert "--confirm names another tenant" in said
        assert contents(here.database) == before


def test_what_is_left_fails_the_command() -> None:
    with home("sqlite") as here:
        settle(here.engine, "acme")
        here.database.run(
            "CREATE TRIGGER kept BEFORE DELETE ON life_sample BEGIN SELECT RAISE(IGNORE); END"
        )
        said = told("erase", "acme", TARGET, "--url", here.url, "--confirm", "acme", status=1)
        assert "LEFT" in said
        assert said.splitlines()[-2:] == ["life_sample          3", "all                  3"]
