"""The example, run as its README says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands import ROOT


@pytest.fixture
def database(tmp_path: Path) -> Path:
    database = tmp_path / "invoices.sqlite3"
    for tenant_id, number, amount in (
        ("acme", "ACM-1", "1050"),
        ("acme", "ACM-2", "200"),
        ("globex", "GLX-1", "99900"),
    ):
        finished = run(database, "--tenant", tenant_id, "add", number, amount)
        assert finished.stdout == f"{tenant_id}: added {number}\n"
    return database


def run(database: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "examples.cli.app", str(database), *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_one_tenant_is_reported_by_itself(database: Path) -> None:
    assert run(database, "--tenant", "acme", "report").stdout == "acme: 2 invoices, 12.50\n"


def test_all_tenants_are_reported_each_by_itself(database: Path) -> None:
    assert run(database, "--all", "report").stdout.splitlines() == [
        "acme: 2 invoices, 12.50",
        "globex: 1 invoices, 999.00",
    ]


def test_an_invoice_for_another_tenant_is_refused(database: Path) -> None:
    finished = run(database, "--tenant", "acme", "add", "ACM-3", "1", "--owner", "globex")
    assert (finished.returncode, finished.stdout) == (1, "")
    assert finished.stderr.startswith("refused: ")
    assert "Traceback" not in finished.stderr
    assert run(database, "--tenant", "globex", "report").stdout == "globex: 1 invoices, 999.00\n"


def test_an_invalid_tenant_is_refused(database: Path) -> None:
    finished = run(database, "--tenant", " acme", "report")
    assert (finished.returncode, finished.stdout) == (1, "")
    assert finished.stderr.startswith("refused: the tenant id ")


def test_a_tenant_is_required(database: Path) -> None:
    assert run(database, "report").returncode == 2
