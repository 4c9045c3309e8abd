"""A copy of a tenant's rows that follows them while they are in use."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from typing import Final

from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

from tenantshield_mw.context import tenant_scope
from tenantshield_mw.errors import TenantShieldError

from ..errors import ConfigurationError
from ..placements.fences import lock_of
from .applying import apply
from .checksums import settle
from .copying import Rows
from .differing import differences, is_same
from .gates import take
from .journal import Journal
from .triggers import without_triggers

__all__ = ["Copy"]

_FEW: Final = 1000
"""Differences that are caught up with in the stop."""

_ROUNDS: Final = 10
"""How often to catch up before the stop, at most."""

_PATIENCE: Final = 10.0
"""Seconds in which the server notices that a mover was killed, and undoes what it has written."""


class Copy:
    """A copy in one transaction: nobody sees a row of it until it is complete, and nothing is
    left of it if the mover dies.

    Args:
        source: the rows.
        target: where the copy is.
        connection: a connection to the target.
    """

    def __init__(self, source: Rows, target: Rows, connection: Connection) -> None:
        self._source = source
        self._target = target
        self._connection = connection

    @classmethod
    @contextmanager
    def opened(cls, source: Rows, target: Rows) -> Generator[Copy]:
        """Yield a copy that has not been begun, when no other mover's is left.

        Raises:
            ConfigurationError: one is left.
        """
        with target.engine.connect() as connection:
            # Until the connection is closed, whatever becomes of the transaction.
            if not take(connection, lock_of("the copy"), _PATIENCE):
                raise ConfigurationError(
                    "the database has not ended the transaction of a move that was killed: try "
                    "again when it has"
                )
            connection.exec_driver_sql("RESET lock_timeout")
            connection.commit()
            yield cls(source, target, connection)

    def make(self, journal: Journal) -> None:
        """Copy all rows, and catch up with what changes meanwhile, until that is little.

        Raises:
            ConfigurationError: rows cannot be copied as they are.
        """
        with tenant_scope(self._source.tenant_id):
            self._source.copy_into(self._connection, journal)
        before: int | None = None
        for _ in range(_ROUNDS):
            count = self._catch_up()
            if count is None or count <= _FEW or (before is not None and count >= before):
                break
            before = count

    def complete(self) -> bool:
        """Catch up for the last time, while nothing changes, and commit; then read both back.

        Returns:
            Whether the target has the rows. If not, some of them may be there.
        """
        for quietly in (False, True):
            with tenant_scope(self._source.tenant_id):
                if self._catch_up(quietly=quietly) is None:
                    self._connection.rollback()
                    return False
                self._connection.commit()
            if self._is_complete():
                return True
            # Triggers have changed what was written.
        return False

    def _is_complete(self) -> bool:
        with (
            self._source.transaction("REPEATABLE READ") as theirs,
            self._target.transaction("REPEATABLE READ") as ours,
        ):
            settle(theirs)
            settle(ours)
            return is_same(self._source.plan, theirs, ours)

    def _catch_up(self, *, quietly: bool = False) -> int | None:
        """Let the copy be what the rows are at one moment.

        Args:
            quietly: whether to do that without triggers.

        Returns:
            How many rows differed; ``None`` if that was not possible.
        """
        plan = self._source.plan
        with ExitStack() as stack:
            theirs = stack.enter_context(self._source.transaction("REPEATABLE READ"))
            for each in (theirs, self._connection):
                settle(each)
            found = differences(plan, theirs, self._connection, stack)
            try:
                with (
                    self._connection.begin_nested(),
                    without_triggers(self._connection, found if quietly else ()),
                ):
                    apply(plan, theirs, self._connection, found)
            except (DBAPIError, TenantShieldError) as error:
                # Whatever the database or the guard has against one change after the other, it
                # has not against all rows as they are in the end. If it has, it will be said then.
                if isinstance(error, DBAPIError) and error.connection_invalidated:
                    raise
                return None
            return sum(each.count for each in found.values())
