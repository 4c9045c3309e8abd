"""An outer transaction around a test, which is rolled back whatever the code under test commits.

As in SQLAlchemy's documentation, "Joining a Session into an External Transaction (such as for test
suites)": sessions with ``join_transaction_mode="create_savepoint"`` commit to a savepoint.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Engine
from sqlalchemy.engine import Connection

if TYPE_CHECKING:
    # SQLAlchemy 2.1 requires greenlet for this import, and sync programs may not have it.
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

__all__ = ["async_outer_transaction", "outer_transaction"]


@contextmanager
def outer_transaction(engine: Engine) -> Generator[Connection]:
    """Yield a connection with a transaction that is rolled back after the block::

        with outer_transaction(engine) as connection:
            session = Session(connection, join_transaction_mode="create_savepoint")

    Args:
        engine: the application's engine.
    """
    with engine.connect() as connection:
        transaction = connection.begin()
        try:
            _begin(connection)
            yield connection
        finally:
            transaction.rollback()
            _end(connection)


@asynccontextmanager
async def async_outer_transaction(engine: AsyncEngine) -> AsyncGenerator[AsyncConnection]:
    """Yield an async connection with such a transaction; see :func:`outer_transaction`."""
    async with engine.connect() as connection:
        transaction = await connection.begin()
        try:
            await connection.run_sync(_begin)
            yield connection
        finally:
            await transaction.rollback()
            await connection.run_sync(_end)


# SQLite's driver does not begin a transaction for SELECT and SAVEPOINT, so that the savepoint would
# be the transaction; SQLAlchemy's documentation of SQLite has more.
_LEVEL: Final = "tenantshield_testing_isolation_level"


def _begin(connection: Connection) -> None:
    driver: Any = connection.connection.driver_connection
    if connection.dialect.name == "sqlite" and not driver.in_transaction:
        dbapi_connection: Any = connection.connection.dbapi_connection
        connection.info[_LEVEL] = dbapi_connection.isolation_level
        dbapi_connection.isolation_level = None
        connection.exec_driver_sql("BEGIN")


def _end(connection: Connection) -> None:
    if _LEVEL in connection.info:
        dbapi_connection: Any = connection.connection.dbapi_connection
        dbapi_connection.isolation_level = connection.info.pop(_LEVEL)
