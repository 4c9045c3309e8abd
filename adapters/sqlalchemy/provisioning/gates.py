"""Closes the places of a move to the application, and opens them: see ``placements/fences``."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from contextlib import ExitStack, contextmanager
from typing import Final

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from tenantshield_mw.context import system_scope
from tenantshield_mw.tenant import TenantId

from ..databases import sqlstate
from ..errors import ConfigurationError
from ..placements.fences import SCHEMA, lock_of, mark_of
from ..placements.placement import Placement
from .fleet import Fleet

__all__ = ["Gates", "prepare", "take"]

_LOCK_NOT_AVAILABLE: Final = "55P03"

_REASON: Final = "move a tenant's rows"


class Gates:
    """The places that a tenant's rows are moved between.

    Args:
        fleet: the fleet, with schemas.
        tenant_id: the tenant.
        places: the places.
    """

    def __init__(self, fleet: Fleet, tenant_id: TenantId, places: Iterable[Placement]) -> None:
        self._fleet = fleet
        self._tenant_id = tenant_id
        self._places = tuple(places)
        # They keep no connection open.
        self._engines = {
            each: fleet.engine_at(Placement(database=each))
            for each in dict.fromkeys(place.database for place in self._places)
        }

    @contextmanager
    def alone(self, patience: float) -> Generator[Callable[[], None]]:
        """Wait until no transaction of the tenant or of a system scope is at the places, and let
        none begin in the block.

        Args:
            patience: how many seconds to wait for those that have begun.

        Yields:
            What lets those of the tenant begin before the end of the block.

        Raises:
            ConfigurationError: one took longer.
        """
        with ExitStack() as stack:
            connections = [
                # What is set in a session without a transaction lasts.
                stack.enter_context(each.connect()).execution_options(isolation_level="AUTOCOMMIT")
                for each in self._engines.values()
            ]

            def let_tenant() -> None:
                for connection in connections:
                    _run(connection, f"pg_advisory_unlock({lock_of(self._tenant_id)})")

            try:
                # The tenant first: a transaction that goes on from its scope to a system scope
                # would wait for the one that waits for it.
                for key in (lock_of(self._tenant_id), lock_of(None)):
                    for connection in connections:
                        if not take(connection, key, patience):
                            raise ConfigurationError(
                                "a transaction of the tenant, or of a system scope, has been open "
                                f"for longer than {patience:g} seconds: try again when it has "
                                "ended, or give --patience"
                            )
                yield let_tenant
            finally:
                for connection in connections:
                    # Not only when the server notices that the connection was closed.
                    _run(connection, "pg_advisory_unlock_all()")

    def close(self) -> None:
        """Mark the tenant, and all system scopes, as away from the places."""
        for placement in self._places:
            marks = [self._mark(placement, each) for each in (self._tenant_id, None)]
            self._run(placement, [f"CREATE TABLE IF NOT EXISTS {mark} ()" for mark in marks])

    def close_to_tenant(self, placement: Placement) -> None:
        """Mark the tenant as away from one of the places."""
        mark = self._mark(placement, self._tenant_id)
        self._run(placement, [f"CREATE TABLE IF NOT EXISTS {mark} ()"])

    def open_to_tenant(self, placement: Placement) -> None:
        """Take the mark of the tenant at one of the places away."""
        self._run(placement, [f"DROP TABLE IF EXISTS {self._mark(placement, self._tenant_id)}"])

    def open_to_system(self) -> None:
        """Take the marks of system scopes away."""
        for placement in self._places:
            self._run(placement, [f"DROP TABLE IF EXISTS {self._mark(placement, None)}"])

    def _mark(self, placement: Placement, tenant: TenantId | None) -> str:
        assert self._fleet.schemas is not None
        return mark_of(placement.schema or self._fleet.schemas.shared, tenant)

    def _run(self, placement: Placement, statements: list[str]) -> None:
        with system_scope(_REASON), self._engines[placement.database].begin() as connection:
            for each in statements:
                connection.exec_driver_sql(each)


def take(connection: Connection, key: int, patience: float) -> bool:
    """Take a lock alone, for as long as the connection is open; return whether that was possible.

    Args:
        connection: a connection; what is waited for ends a transaction, outside of
            ``AUTOCOMMIT``.
        key: the lock.
        patience: for how many seconds to wait.
    """
    connection.exec_driver_sql(f"SET lock_timeout = {max(1, int(patience * 1000))}")
    try:
        _run(connection, f"pg_advisory_lock({key})")
    except DBAPIError as error:
        if sqlstate(error.orig) != _LOCK_NOT_AVAILABLE:
            raise
        return False
    return True


def _run(connection: Connection, function: str) -> None:
    connection.exec_driver_sql(f"SELECT pg_catalog.{function}").all()


def prepare(fleet: Fleet, placement: Placement) -> None:
    """Create the schema of the marks in the database of a place, for all roles to look into."""
    engine = fleet.engine_at(Placement(database=placement.database))
    try:
        with system_scope(_REASON), engine.begin() as connection:
            connection.exec_driver_sql(f'CREATE SCHEMA IF NOT EXISTS "{SCHEMA}"')
            connection.exec_driver_sql(f'GRANT USAGE ON SCHEMA "{SCHEMA}" TO PUBLIC')
    finally:
        engine.dispose()
