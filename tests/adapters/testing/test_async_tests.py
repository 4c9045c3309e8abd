"""The scope of an async test, whatever runs it and in whatever order it asks for its fixtures."""

from __future__ import annotations

import pytest

from .runs import Run, run

__all__ = ["run"]

TESTS = """
from models import *


@pytest.fixture
def anyio_backend():
    return "asyncio"


async def use(session):
    assert current_tenant().tenant_id == "acme"
    session.add(Note())
    await session.commit()
    assert await session.scalar(count) == 1


MARKED
@pytest.mark.tenant("acme")
async def test_the_session_comes_first(tenantshield_async_session, tenantshield_scope):
    await use(tenantshield_async_session)


MARKED
@pytest.mark.tenant("acme")
async def test_the_scope_comes_first(tenantshield_scope, tenantshield_async_session):
    await use(tenantshield_async_session)


class TestMethods:
    MARKED
    @pytest.mark.tenant("acme")
    async def test_it(self, tenantshield_async_session, tenantshield_scope):
        await use(tenantshield_async_session)


MARKED
async def test_there_is_no_scope_without_asking(tenantshield_async_session):
    assert try_current_tenant() is None
"""


ENVIRON = {"APP_URL": "sqlite+aiosqlite:///notes.db", "ASYNC": "1"}


@pytest.mark.parametrize("runner", ["anyio", "asyncio"])
def test_the_order_of_the_fixtures_does_not_matter(run: Run, runner: str) -> None:
    tests = TESTS.replace("MARKED", f"@pytest.mark.{runner}")
    printed = run(tests, "asyncio_mode=strict", **ENVIRON)
    assert "4 passed" in printed, printed
