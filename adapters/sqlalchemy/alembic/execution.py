"""Executes the statements of an operation, or writes them out in Alembic's offline mode."""

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

from ..errors import ConfigurationError
from ..internals import Name, Use, require

__all__ = ["INTERNALS", "LOCK_TIMEOUT", "Steps", "execute", "log", "steps"]

INTERNALS: Final[tuple[Name, ...]] = (
    # Whether the transaction is not the migration's own, so that it must not be committed.
    Use(
        "alembic.runtime.migration:MigrationContext",
        "_in_external_transaction",
        "__init__ begin_transaction",
    ),
)
"""The private names of Alembic."""

require(INTERNALS, "Alembic")

# Under Alembic's own, so that alembic.ini shows it as it stands.
log: Final = logging.getLogger("alembic.tenantshield")

LOCK_TIMEOUT: Final = 2000
"""How long, in milliseconds, a step waits for a lock that blocks others while it waits."""

ATTEMPTS: Final = 10
PAUSE: Final = 1.0
"""Seconds between two attempts, in which those that were blocked go on."""

_LOCK_NOT_AVAILABLE: Final = "55P03"


def require_postgresql(operations: Operations) -> None:
    """Raise on any other database.

    Raises:
        ConfigurationError: it is one.
    """
    name = operations.get_context().dialect.name
    if name != "postgresql":
        raise ConfigurationError(
            f"this operation is PostgreSQL's, and the migration runs on {name!r}: there is no "
            "row-level security there, so use Alembic's own operations for tables and columns, "
            "and leave those for policies to PostgreSQL: "
            'if op.get_context().dialect.name == "postgresql": ...'
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
    # Without parameters a percent sign is itself.
    return operations.get_bind().exec_driver_sql(
        statement, execution_options={"no_parameters": True}
    )


class Steps:
    """Statements that each are a transaction of their own.

    Args:
        operations: what runs the migration.
        lock_timeout: milliseconds.
    """

    def __init__(self, operations: Operations, lock_timeout: int) -> None:
        self._operations = operations
        self._lock_timeout = lock_timeout
        self.as_sql: Final = operations.get_context().as_sql

    def run(self, statement: str) -> CursorResult[Any] | None:
        """Execute a statement that blocks nobody, however long it takes itself."""
        return _execute_one(self._operations, statement)

    def rows(self, statement: str) -> list[Any]:
        """Return what a query finds; not for offline mode."""
        result = self.run(statement)
        return [] if result is None else list(result)

    def lock(self, statement: str) -> None:
        """Execute a statement that blocks others, also while it waits for its lock.

        It gives up waiting after the timeout, lets those behind it pass, and tries again.

        Raises:
            sqlalchemy.exc.DBAPIError: the lock was not to be had in any attempt.
        """
        self.run(f"SET lock_timeout = {self._lock_timeout}")
        try:
            for attempt in range(1, ATTEMPTS + 1):
                try:
                    self.run(statement)
                except DBAPIError as error:
                    if attempt == ATTEMPTS or not _is_lock_timeout(error):
                        raise
                    log.info("waiting for a lock, attempt %d: %s", attempt, statement)
                    time.sleep(PAUSE)
                else:
                    return
        finally:
            self.run("RESET lock_timeout")


def _is_lock_timeout(error: DBAPIError) -> bool:
    original: Any = error.orig
    state = getattr(original, "sqlstate", None) or getattr(original, "pgcode", None)
    return state == _LOCK_NOT_AVAILABLE


@contextmanager
def steps(operations: Operations, lock_timeout: int) -> Generator[Steps, None, None]:
    """Leave the migration's transaction, which is committed, for the length of the block.

    Raises:
        ConfigurationError: the database is not PostgreSQL, or the transaction is not the
            migration's own.
    """
    require_postgresql(operations)
    context = operations.get_context()
    if getattr(context, "_in_external_transaction", False):
        raise ConfigurationError(
            "this operation commits, step by step, so that no lock is held for long, and env.py "
            "has given Alembic a connection on which a transaction was begun before: use "
            "engine.connect() there, and nothing on the connection before "
            "context.begin_transaction()"
        )
    with system_scope("database migration"), context.autocommit_block():
        yield Steps(operations, lock_timeout)
