"""Runs of pytest of their own, on databases with the roles of production."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest

from tests.commands import ROOT
from tests.databases import Database
from tests.policy_database import PolicyDatabase, policy_database

MODELS = """
import os

import pytest
from sqlalchemy import NullPool, StaticPool, create_engine, func, select, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from tenantshield_mw import current_tenant, tenant_scope, try_current_tenant
from tenantshield_mw.adapters.sqlalchemy import rls, tenant_aware


class Base(DeclarativeBase):
    pass


@tenant_aware
class Note(Base):
    __tablename__ = "fixture_note"
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[str]


count = select(func.count()).select_from(Note)
"""

CONFTEST = """
from models import *


@pytest.fixture(scope="session")
def tenantshield_metadata():
    return Base.metadata


@pytest.fixture(scope="session")
def tenantshield_engine():
    url = os.environ["APP_URL"]
    if os.environ.get("ASYNC"):
        engine = create_async_engine(url, poolclass=NullPool)
    else:
        engine = create_engine(url)
    if os.environ.get("SYSTEM_ROLE"):
        rls.enforce(engine, system_role=os.environ["SYSTEM_ROLE"])
    yield engine
    engine.sync_engine.dispose() if os.environ.get("ASYNC") else engine.dispose()


@pytest.fixture(scope="session")
def tenantshield_owner_engine():
    owner = create_engine(os.environ["OWNER_URL"]) if os.environ.get("OWNER_URL") else None
    yield owner
    owner and owner.dispose()
"""

Run: TypeAlias = Callable[..., str]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Return a function that runs tests, and returns what pytest prints."""
    (tmp_path / "models.py").write_text(MODELS)
    (tmp_path / "conftest.py").write_text(CONFTEST)

    def run(tests: str, *options: str, **environ: str) -> str:
        (tmp_path / "test_notes.py").write_text(tests)
        command = [sys.executable, "-W", "error", "-m", "pytest", "-q", "-p", "no:cacheprovider"]
        command += ["-p", "no:randomly", "-o", "asyncio_mode=auto"]
        command += ["-o", "asyncio_default_fixture_loop_scope=function"]
        for each in options:
            command += ["-o", each]
        done = subprocess.run(
            command,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT), **environ},
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout + done.stderr

    return run


def url(db: Database, username: str = "", *, driver: str = "") -> str:
    found = db.url
    if username:
        found = found.set(username=username)
    if driver:
        found = found.set(drivername=driver)
    return found.render_as_string(hide_password=False)


@pytest.fixture
def policies() -> Iterator[PolicyDatabase]:
    with policy_database() as here:
        assert isinstance(here, PolicyDatabase)
        here.run(f"ALTER ROLE {here.owner} LOGIN")
        yield here


def environ_of(policies: PolicyDatabase, driver: str = "") -> dict[str, str]:
    return {
        "APP_URL": url(policies, policies.app, driver=driver),
        "OWNER_URL": url(policies, policies.owner),
        "SYSTEM_ROLE": policies.system,
    }
