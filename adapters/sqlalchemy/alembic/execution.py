"""Executes the statements of an operation, or prints them in Alembic's offline mode."""

from __future__ import annotations

import logging
import time
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from typing import Any, Final

from alembic.operations import Operations
from sqlalchemy.engine import CursorResult
from sqlalchemy.exc import DBAPIError

from tenantshield_mw.context import system_scope

from ..databases import sqlstate
from ..errors import ConfigurationError
from ..internals import Name, Use, require
from ..rls.sql import execute as execute_sql

__all__ = ["INTERNALS", "LOCK_TIMEOUT", "Steps", "execute", "log", "steps"]

INTERNALS: Final[tuple[Name, ...]] = (
    # True if the transaction was begun outside of Alembic and must not be committed here.
    Use(
        "alembic.runtime.migration:MigrationContext",
        "_in_external_transaction",
        "__init__ begin_transaction",
    ),
)
"""The private names of Alembic."""

require(INTERNALS, "Alembic")

# A child of Alembic's logger, so that the default alembic.ini shows it.
log: Final = logging.getLogger("alembic.tenantshield")

LOCK_TIMEOUT: Final = 2000
"""How many milliseconds a step waits for a lock, while its waiting blocks others."""

ATTEMPTS: Final = 10
PAUSE: Final = 1.0
"""Seconds between two attempts, in which blocked transactions can proceed."""

_LOCK_NOT_AVAILABLE: Final = "55P03"


def require_postgresql(operations: Operations) -> None:
    """Refuse every database but PostgreSQL.

    Raises:
        ConfigurationError: the database is not PostgreSQL.
    """
    name = operations.get_context().dialect.name
    if name != "postgresql":
        raise ConfigurationError(
            f"this operation requires PostgreSQL, and the migration runs on {name!r}: use "
            "Alembic's own operations for tables and columns, and run those for policies only "
            'on PostgreSQL: if op.get_context().dialect.name == "postgresql": ...'
        )


def execute(operations: Operations, statements: Iterable[str]) -> None:
    """Execute ``statements`` in the migration's transaction.

    Raises:
        ConfigurationError: the database is not PostgreSQL.
    """
    require_postgresql(operations)
    with system_scope("database migration"):
        for statement in statements:
            _execute_one(operations, statement)


def _execute_one(operations: Operations, statement: str) -> CursorResult[Any] | None:
    context = operations.get_context()
    if context.as_sql:
        context.impl.static_output(f"{statement};")
        return None
    return execute_sql(operations.get_bind(), statement)


class Steps:
    """Executes statements, each in a separate transaction.

    Args:
        operations: the migration's operations.
        lock_timeout: how many milliseconds to wait for a lock.
    """

    def __init__(self, operations: Operations, lock_timeout: int) -> None:
        self._operations = operations
        self._lock_timeout = lock_timeout
        self.as_sql: Final = operations.get_context().as_sql

    def run(self, statement: str) -> CursorResult[Any] | None:
        """Execute a statement that does not block others, however long it takes."""
        return _execute_one(self._operations, statement)

    def rows(self, statement: str) -> list[Any]:
        """Return the rows of a query; offline mode has none."""
        result = self.run(statement)
        return [] if result is None else list(result)

    def lock(self, statement: str) -> None:
        """Execute a statement that blocks others, even while it waits for its lock.

        It stops waiting after the timeout, lets the queued transactions proceed, and tries
        again.

        Raises:
            sqlalchemy.exc.DBAPIError: the lock could not be acquired in any attempt.
        """
        self.run(f"SET lock_timeout = {self._lock_timeout}")
        try:
            for attempt in range(1, ATTEMPTS + 1):
                try:
                    self.run(statement)
                except DBAPIError as error:
                    if attempt == ATTEMPTS or sqlstate(error.orig) != _LOCK_NOT_AVAILABLE:
                        raise
                    log.info("waiting for a lock, attempt %d: %s", attempt, statement)
                    time.sleep(PAUSE)
                else:
                    return
        finally:
            self.run("RESET lock_timeout")


@contextmanager
def steps(operations: Operations, lock_timeout: int) -> Generator[Steps, None, None]:
    """Commit the migration's transaction, and run the block outside of any transaction.

    Raises:
        ConfigurationError: the database is not PostgreSQL, or the transaction was begun
            outside of Alembic.
    """
    require_postgresql(operations)
    context = operations.get_context()
    if getattr(context, "_in_external_transaction", False):
        raise ConfigurationError(
            "this operation commits after each step, so that it holds no lock for long, but "
            "env.py passed Alembic a connection with an open transaction: pass a connection "
            "from engine.connect(), and do not use it before context.begin_transaction()"
        )
    with system_scope("database migration"), context.autocommit_block():
        yield Steps(operations, lock_timeout)
