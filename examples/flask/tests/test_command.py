"""The command of the Flask example."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from examples.invoices.contents import read_contents
from tests.commands import ROOT


@pytest.mark.parametrize("tenant_id", ["acme", "globex"])
def test_it_adds_up_one_tenants_invoices(tmp_path: Path, tenant_id: str) -> None:
    database = tmp_path / "invoices.sqlite3"
    command = ["flask", "--app", "examples.flask.app", "total", "--tenant", tenant_id]
    finished = subprocess.run(
        [sys.executable, "-W", "error", "-m", *command],
        cwd=ROOT,
        env={**os.environ, "INVOICES_DATABASE": str(database)},
        capture_output=True,
        text=True,
        check=True,
    )
    rows = read_contents(database).invoices_of(tenant_id).values()
    amounts = [row["amount"] for row in rows if isinstance(row["amount"], int)]
    assert len(amounts) == len(rows) > 0
    assert finished.stdout == f"{tenant_id} {sum(amounts)}\n"
