"""Connections are watched, in runs of pytest of their own."""

from __future__ import annotations

import re

import pytest

from tests.policy_database import PolicyDatabase

from .runs import Run, environ_of, policies, run, url

__all__ = ["policies", "run"]

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
