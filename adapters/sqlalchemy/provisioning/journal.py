"""What is known of a move, in the database of the shared tables, so that it can be resumed."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Column, MetaData, String, Table, delete, insert, select, update
from sqlalchemy.engine import Connection

from tenantshield_mw.context import system_scope

from ..errors import ConfigurationError
from ..ownership.declare import shared_across_tenants
from ..placements.fences import SCHEMA, lock_of
from ..placements.placement import SHARED, Placement
from .fleet import Fleet
from .gates import prepare, take

__all__ = ["Entry", "Journal", "Step"]

_MOVES: Final = Table(
    "journal",
    MetaData(),
    Column("tenant", String(255), primary_key=True),
    Column("source_schema", String(63)),
    Column("source_database", String(255)),
    Column("target_schema", String(63)),
    Column("target_database", String(255)),
    Column("step", String(20), nullable=False),
    Column("folder", String(4096)),
    schema=SCHEMA,
)
shared_across_tenants(_MOVES)

_PATIENCE: Final = 3.0
"""Seconds in which the server notices that a mover was killed."""

_REASON: Final = "the journal of moves"


class Step(StrEnum):
    """How far a move has come."""

    BEGUN = "begun"
    """The target is made, and rows are copied to it. The application is as it was."""
    CLOSED = "closed"
    """The copy is being completed. The application has no access to the rows."""
    COPIED = "copied"
    """The rows are at the target, too, and the directory is about to name it."""
    SWITCHED = "switched"
    """The directory names the target, which opens. What is at the source is being erased."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A move.

    Attributes:
        tenant: the tenant's id, as the directory looks it up.
        source: where the rows were.
        target: where they go.
        step: how far it has come.
        folder: the folder with a copy of the rows, if there is one.
    """

    tenant: str
    source: Placement
    target: Placement
    step: Step
    folder: str | None


class Journal:
    """The moves that have not ended, of which there is at most one.

    Args:
        connection: a connection to the database of the shared tables, in ``AUTOCOMMIT``.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @classmethod
    @contextmanager
    def opened(cls, fleet: Fleet) -> Generator[Journal]:
        """Yield the journal; nobody else has it meanwhile.

        Raises:
            ConfigurationError: somebody else has it.
        """
        prepare(fleet, SHARED)
        engine = fleet.engine_at(SHARED)
        try:
            with engine.connect() as connection:
                connection.execution_options(isolation_level="AUTOCOMMIT")
                if not take(connection, lock_of("the mover"), _PATIENCE):
                    raise ConfigurationError("another move is running: wait for its end")
                with system_scope(_REASON):
                    _MOVES.create(connection, checkfirst=True)
                yield cls(connection)
        finally:
            engine.dispose()

    def find(self) -> Entry | None:
        """Return the move that has not ended."""
        with system_scope(_REASON):
            row = self._connection.execute(select(_MOVES)).one_or_none()
        if row is None:
            return None
        return Entry(
            row.tenant,
            Placement(row.source_schema, row.source_database),
            Placement(row.target_schema, row.target_database),
            Step(row.step),
            row.folder,
        )

    def check_none(self) -> None:
        """Check that no move was interrupted.

        Raises:
            ConfigurationError: one was.
        """
        if (found := self.find()) is not None:
            raise ConfigurationError(
                f"the move of {found.tenant!r} from {found.source} to {found.target} was "
                "interrupted: tenantshield-mw move completes it with --resume, or undoes it with "
                "--undo"
            )

    def begin(self, tenant: str, source: Placement, target: Placement) -> None:
        """Write down a new move."""
        self._execute(
            insert(_MOVES).values(
                tenant=tenant,
                source_schema=source.schema,
                source_database=source.database,
                target_schema=target.schema,
                target_database=target.database,
                step=Step.BEGUN.value,
            )
        )

    def write(self, step: Step) -> None:
        """Write down how far the move has come."""
        self._execute(update(_MOVES).values(step=step.value))

    def write_folder(self, folder: str | None) -> None:
        """Write down where a copy of the rows is."""
        self._execute(update(_MOVES).values(folder=folder))

    def end(self) -> None:
        """Forget the move."""
        self._execute(delete(_MOVES))

    def _execute(self, statement: Any) -> None:
        with system_scope(_REASON):
            self._connection.execute(statement)
