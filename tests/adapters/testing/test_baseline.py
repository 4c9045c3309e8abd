"""The pytest plugin, in a run of pytest of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

CONFTEST: Final = """
import pytest
from sqlalchemy import String, create_engine, StaticPool
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from tenantshield_mw import tenant_scope
from tenantshield_mw.adapters.sqlalchemy import observe, tenant_aware


class Base(DeclarativeBase):
    pass


@tenant_aware
class Order(Base):
    __tablename__ = "order"
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(String(20))


observe(file={file!r})
engine = create_engine("sqlite://", poolclass=StaticPool)
Base.metadata.create_all(engine)


@pytest.fixture
def order():
    return Order


@pytest.fixture
def session():
    with tenant_scope("a"), Session(engine) as session:
        yield session
"""

TESTS: Final = """
from sqlalchemy import select


def test_compared(session, order):
    session.scalars(select(order).where(order.tenant_id == "a")).all()


def test_not_compared(session, order):
    session.scalars(select(order)).all()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "conftest.py").write_text(CONFTEST.format(file=str(tmp_path / "reports.json")))
    (tmp_path / "test_orders.py").write_text(TESTS)
    (tmp_path / "none.json").write_text("")
    return tmp_path


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_a_new_report_fails_the_run(folder: Path) -> None:
    done = run(folder, "--tenantshield-baseline", "none.json")
    assert done.returncode == 1, done.stdout
    assert "2 passed" in done.stdout
    assert "test_orders.py:10 (test_not_compared): SELECT order: confined" in done.stdout


def test_what_the_baseline_has_passes(folder: Path) -> None:
    run(folder)
    (folder / "reports.json").rename(folder / "baseline.json")
    done = run(folder, "--tenantshield-baseline", "baseline.json")
    assert done.returncode == 0, done.stdout


def test_it_does_nothing_without_its_option(folder: Path) -> None:
    assert run(folder).returncode == 0


def test_a_run_that_observes_nothing_fails(folder: Path) -> None:
    conftest = folder / "conftest.py"
    text = conftest.read_text()
    begin = text.index("observe(file=")
    conftest.write_text(text[:begin] + text[text.index("engine =") :])
    done = run(folder, "--tenantshield-baseline", "none.json")
    assert done.returncode == 1
    assert "observe() was not called" in done.stdout


def test_a_failing_run_keeps_its_status(folder: Path) -> None:
    (folder / "test_orders.py").write_text("def test_fails():\n    assert False\n")
    assert run(folder, "--tenantshield-baseline", "none.json").returncode == 1
    assert run(folder, "--tenantshield-baseline", "missing.json").returncode != 0
