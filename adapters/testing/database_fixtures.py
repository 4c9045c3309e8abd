"""Fixtures: a database with tables and policies, and an outer transaction around each test.

A program's ``conftest.py`` overrides :func:`tenantshield_engine` and :func:`tenantshield_metadata`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final, TypeVar

import pytest

__all__ = [
    "tenantshield_async_connection",
    "tenantshield_async_session",
    "tenantshield_connection",
    "tenantshield_database",
    "tenantshield_engine",
    "tenantshield_metadata",
    "tenantshield_owner_engine",
    "tenantshield_role",
    "tenantshield_session",
]

_OVERRIDE: Final = "define a session-scoped fixture {0} in conftest.py that returns {1}"


_ASYNC: Final = (
    "tenantshield_engine is an AsyncEngine: ask for tenantshield_async_session, or "
    "tenantshield_async_connection, in an async test"
)
_SYNC: Final = (
    "tenantshield_engine is a sync Engine: ask for tenantshield_session, or tenantshield_connection"
)


F = TypeVar("F", bound=Callable[..., Any])


def _async_fixture(function: F) -> F:
    # anyio's plugin takes pytest's own.
    has_asyncio = find_spec("pytest_asyncio") is not None
    made: Any = import_module("pytest_asyncio" if has_asyncio else "pytest").fixture(function)
    return made  # type: ignore[no-any-return]


def _testing() -> Any:
    # By name: adapters do not import each other, and this one has no dependencies.
    return import_module("tenantshield_mw.adapters.sqlalchemy.testing")


@pytest.fixture(scope="session")
def tenantshield_engine() -> Any:
    """The application's engine, sync or async; to be overridden."""
    pytest.fail(
        _OVERRIDE.format("tenantshield_engine", "the application's engine, after rls.enforce()"),
        pytrace=False,
    )


@pytest.fixture(scope="session")
def tenantshield_metadata() -> Any:
    """The tables, such as ``Base.metadata``; to be overridden."""
    pytest.fail(_OVERRIDE.format("tenantshield_metadata", "Base.metadata"), pytrace=False)


@pytest.fixture(scope="session")
def tenantshield_owner_engine() -> Any:
    """A sync engine of the role that owns the tables, on PostgreSQL; ``None``, by default, if the
    application's engine creates them.
    """
    return None


@pytest.fixture(scope="session")
def tenantshield_role(pytestconfig: pytest.Config) -> str | None:
    """The role of production, from the setting ``tenantshield_role``."""
    return pytestconfig.getini("tenantshield_role") or None


@pytest.fixture(scope="session")
def tenantshield_database(
    tenantshield_engine: Any,
    tenantshield_owner_engine: Any,
    tenantshield_metadata: Any,
    tenantshield_role: str | None,
) -> Iterator[Any]:
    """Create the tables, on PostgreSQL with policies, and drop them at the end; the value is the
    application's engine.

    Its role must be one to which policies apply, and be the one in the setting
    ``tenantshield_role`` if that is there. Override this where migrations create the tables.
    """
    engine, owner = tenantshield_engine, tenantshield_owner_engine
    if owner is not None:
        grantee = tenantshield_role or engine.url.username
        with _testing().tables(owner, tenantshield_metadata, role=grantee):
            yield engine
    elif engine.dialect.is_async:
        asyncio.run(_run_async(engine, tenantshield_metadata.create_all))
        yield engine
        asyncio.run(_run_async(engine, tenantshield_metadata.drop_all))
    else:
        with _testing().tables(engine, tenantshield_metadata):
            yield engine


async def _run_async(engine: Any, function: Any) -> None:
    from tenantshield_mw import system_scope

    with system_scope("the tables of a test database"):
        async with engine.begin() as connection:
            await connection.run_sync(function)
    # The connections belong to this event loop.
    await engine.dispose()


@pytest.fixture
def tenantshield_connection(
    tenantshield_database: Any, tenantshield_role: str | None
) -> Iterator[Any]:
    """A connection with a transaction that is rolled back after the test, for sessions with
    ``join_transaction_mode="create_savepoint"``.
    """
    if getattr(tenantshield_database.dialect, "is_async", False):
        pytest.fail(_ASYNC, pytrace=False)
    with _testing().outer_transaction(tenantshield_database) as connection:
        _testing().check_role(connection, tenantshield_role)
        yield connection


@pytest.fixture
def tenantshield_session(tenantshield_connection: Any) -> Iterator[Any]:
    """Such a session: what it commits ends with the test."""
    session = import_module("sqlalchemy.orm").Session(
        tenantshield_connection, join_transaction_mode="create_savepoint"
    )
    with session:
        yield session


@_async_fixture
async def tenantshield_async_connection(
    tenantshield_database: Any, tenantshield_role: str | None
) -> AsyncIterator[Any]:
    """An ``AsyncConnection`` with such a transaction."""
    if not tenantshield_database.dialect.is_async:
        pytest.fail(_SYNC, pytrace=False)
    async with _testing().async_outer_transaction(tenantshield_database) as connection:
        await connection.run_sync(_testing().check_role, tenantshield_role)
        yield connection


@_async_fixture
async def tenantshield_async_session(tenantshield_async_connection: Any) -> AsyncIterator[Any]:
    """Such an ``AsyncSession``."""
    session = import_module("sqlalchemy.ext.asyncio").AsyncSession(
        tenantshield_async_connection, join_transaction_mode="create_savepoint"
    )
    async with session:
        yield session
