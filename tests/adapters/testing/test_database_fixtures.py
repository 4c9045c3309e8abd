"""Fixtures for databases, in runs of pytest of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.policy_database import PolicyDatabase

from .runs import Run, environ_of, policies, run

__all__ = ["policies", "run"]

AIOSQLITE = "sqlite+aiosqlite:///notes.db"

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


def test_sessions_on_sqlite(run: Run, tmp_path: Path) -> None:
    assert "6 passed" in run(SYNC, APP_URL="sqlite:///notes.db")
    assert "2 passed" in run(ASYNC, APP_URL=AIOSQLITE, ASYNC="1")


def test_sessions_on_postgresql(run: Run, policies: PolicyDatabase) -> None:
    watched = "tenantshield_connections=true", f"tenantshield_role={policies.app}"
    assert "6 passed" in run(SYNC, *watched, **environ_of(policies))
    assert policies.read("SELECT 1 FROM pg_class WHERE relname = 'fixture_note'") == []


@pytest.mark.parametrize("driver", ["postgresql+asyncpg", "postgresql+psycopg_async"])
def test_async_sessions_on_postgresql(run: Run, policies: PolicyDatabase, driver: str) -> None:
    watched = "tenantshield_connections=true", f"tenantshield_role={policies.app}"
    assert "2 passed" in run(ASYNC, *watched, **environ_of(policies, driver), ASYNC="1")


def test_what_is_to_be_overridden_is_said(run: Run, tmp_path: Path) -> None:
    (tmp_path / "conftest.py").unlink()
    printed = run("def test_joins(tenantshield_session): pass")
    assert "define a session-scoped fixture tenantshield_engine in conftest.py" in printed


def test_the_fixtures_of_the_other_kind_of_engine_are_named(run: Run) -> None:
    sync = run("def test_joins(tenantshield_session): pass", APP_URL=AIOSQLITE, ASYNC="1")
    assert "is an AsyncEngine: ask for tenantshield_async_session" in sync
    of_async = run("async def test_joins(tenantshield_async_session): pass", APP_URL="sqlite://")
    assert "is a sync Engine: ask for tenantshield_session" in of_async
