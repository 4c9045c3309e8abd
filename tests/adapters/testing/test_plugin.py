"""The plugin is there where the package is installed, and does nothing by itself."""

from __future__ import annotations

from pathlib import Path

from .runs import Run, run

__all__ = ["run"]

ALONE = """
import sys


def test_alone(pytestconfig):
    assert pytestconfig.getini("tenantshield_role") == ""
    assert "tenantshield_mw.adapters.testing.plugin" in sys.modules
    assert "tenantshield_mw.adapters.sqlalchemy" not in sys.modules
"""


def test_it_imports_no_database_library(run: Run, tmp_path: Path) -> None:
    (tmp_path / "conftest.py").unlink()
    assert "1 passed" in run(ALONE)
