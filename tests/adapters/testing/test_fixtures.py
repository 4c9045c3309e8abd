"""The plugin's fixtures and settings, in runs of pytest of their own."""

from __future__ import annotations

import os
import re
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

SYNC = """
from models import *


@pytest.mark.parametrize("time", [1, 2])
def test_commits_end_with_the_test(time, tenantshield_session, tenant_a, tenant_b):
    with tenant_scope(tenant_a):
        tenantshield_session.add(Note())
        tenantshield_session.commit()
        tenantshield_session.add(Note())
        tenantshield_session.rollback()
        assert tenantshield_session.scalar(count) == 1


def test_two_tenants_in_one_transaction(tenantshield_connection, tenant_a, tenant_b):
    for tenant in (tenant_a, tenant_b):
        options = {"join_transaction_mode": "create_savepoint"}
        with tenant_scope(tenant), Session(tenantshield_connection, **options) as session:
            session.add(Note())
            session.commit()
            assert session.scalars(select(Note.tenant_id)).all() == [tenant.tenant_id]


@pytest.fixture
def note(tenantshield_scope, tenantshield_session):
    tenantshield_session.add(Note())
    tenantshield_session.commit()
    return tenantshield_session.scalars(select(Note)).one()


@pytest.mark.tenant("acme")
def test_the_scope_of_the_marker_is_for_fixtures_too(note):
    assert note.tenant_id == current_tenant().tenant_id == "acme"


def test_the_scope_is_tenant_as(note, tenant_a):
    assert note.tenant_id == current_tenant().tenant_id == tenant_a.tenant_id == "tenant-a"


def test_there_is_no_scope_without_asking():
    assert try_current_tenant() is None
"""

ASYNC = """
from models import *


@pytest.mark.parametrize("time", [1, 2])
@pytest.mark.tenant("acme")
async def test_commits_end_with_the_test(time, tenantshield_async_session, tenantshield_scope):
    assert current_tenant().tenant_id == "acme"
    tenantshield_async_session.add(Note())
    await tenantshield_async_session.commit()
    tenantshield_async_session.add(Note())
    await tenantshield_async_session.rollback()
    assert await tenantshield_async_session.scalar(count) == 1
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


def test_sessions_on_sqlite(run: Run, tmp_path: Path) -> None:
    assert "6 passed" in run(SYNC, APP_URL="sqlite:///notes.db")
    assert "2 passed" in run(ASYNC, APP_URL="sqlite+aiosqlite:///notes.db", ASYNC="1")


def test_sessions_on_postgresql(run: Run, policies: PolicyDatabase) -> None:
    watched = "tenantshield_connections=true", f"tenantshield_role={policies.app}"
    assert "6 passed" in run(SYNC, *watched, **environ_of(policies))
    assert policies.read("SELECT 1 FROM pg_class WHERE relname = 'fixture_note'") == []


@pytest.mark.parametrize("driver", ["postgresql+asyncpg", "postgresql+psycopg_async"])
def test_async_sessions_on_postgresql(run: Run, policies: PolicyDatabase, driver: str) -> None:
    watched = "tenantshield_connections=true", f"tenantshield_role={policies.app}"
    assert "2 passed" in run(ASYNC, *watched, **environ_of(policies, driver), ASYNC="1")


LEFT_BEHIND = """
from models import *


def test_leaves_a_tenant_behind(tenantshield_database):
    connection = tenantshield_database.raw_connection()
    connection.cursor().execute("SET tenantshield.text = 'tenant-a'")
    connection.commit()
    connection.close()


def test_leaves_nothing_behind(tenantshield_database):
    with tenant_scope("tenant-a"), Session(tenantshield_database) as session:
        assert session.scalar(count) == 0
"""

LEFT_BEHIND_ASYNC = """
from models import *


async def test_leaves_a_tenant_behind(tenantshield_database):
    set_for_good = text("SELECT set_config('tenantshield.text', 'acme', false)")
    with tenant_scope("acme"):
        async with tenantshield_database.connect() as connection:
            await connection.execute(set_for_good.execution_options(tenantshield_reviewed=True))
            await connection.commit()


async def test_leaves_nothing_behind(tenantshield_database):
    async with tenantshield_database.connect() as connection:
        assert await connection.scalar(text("SELECT 1")) == 1
"""


def test_a_tenant_that_is_left_behind_fails_the_test(run: Run, policies: PolicyDatabase) -> None:
    printed = run(LEFT_BEHIND, "tenantshield_connections=true", **environ_of(policies))
    assert re.search("ERROR at teardown of test_leaves_a_tenant_behind", printed), printed
    assert "a connection returned to the pool with a tenant set" in printed
    assert "2 passed, 1 error" in printed
    assert "2 passed in" in run(LEFT_BEHIND, **environ_of(policies))


@pytest.mark.parametrize("driver", ["postgresql+asyncpg", "postgresql+psycopg_async"])
def test_so_it_does_in_async_pools(run: Run, policies: PolicyDatabase, driver: str) -> None:
    environ = environ_of(policies, driver)
    printed = run(LEFT_BEHIND_ASYNC, "tenantshield_connections=true", **environ, ASYNC="1")
    assert "ERROR at teardown of test_leaves_a_tenant_behind" in printed, printed
    assert "2 passed, 1 error" in printed


WORKS = """
from models import *


def test_works_for_a_tenant(tenantshield_database):
    with tenant_scope("tenant-a"), Session(tenantshield_database) as session:
        assert session.scalar(count) == 0


def test_works_for_nobody(tenantshield_database):
    with Session(tenantshield_database) as session:
        assert session.scalar(text("SELECT 1")) == 1
"""

JOINED = """
def test_joins_the_outer_transaction(tenantshield_session):
    pass
"""


@pytest.mark.parametrize("role", ["superuser", "other"])
def test_a_role_other_than_productions_fails_the_test(
    run: Run, policies: PolicyDatabase, role: str
) -> None:
    settings = ["tenantshield_connections=true"]
    environ = environ_of(policies)
    if role == "superuser":
        environ |= {"APP_URL": url(policies), "SYSTEM_ROLE": ""}
        expected = "which is a superuser or has BYPASSRLS"
    else:
        environ |= {"APP_URL": url(policies, policies.owner), "SYSTEM_ROLE": ""}
        settings.append(f"tenantshield_role={policies.app}")
        expected = f"production's is {policies.app}"
    printed = run(WORKS, *settings, **environ)
    assert expected in printed, printed
    assert "ERROR at teardown of test_works_for_a_tenant" in printed
    assert "2 passed, 1 error" in printed
    printed = run(JOINED, *settings[1:], **environ)
    assert expected in printed, printed
    assert "1 error" in printed


def test_what_is_to_be_overridden_is_said(run: Run, tmp_path: Path) -> None:
    (tmp_path / "conftest.py").unlink()
    printed = run(JOINED)
    assert "define a session-scoped fixture tenantshield_engine in conftest.py" in printed
