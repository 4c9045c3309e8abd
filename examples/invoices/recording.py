"""Record the SQL of one request: as the code wrote it, and as it was sent.

SQLAlchemy's events tell both: ``before_execute`` has the statement that the code made, and
``before_cursor_execute`` the text and the parameters that the driver gets.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import (
    ClauseElement,
    Connection,
    Engine,
    Insert,
    Join,
    Select,
    UpdateBase,
    event,
    inspect,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.orm import Session

__all__ = ["SQL", "Recording", "Statement", "current_recording", "recording", "watch"]

# The engine's own dialect is the guard's.
_UNGUARDED: Final = sqlite.dialect()


@dataclass(frozen=True)
class SQL:
    """A statement's text, and the names of its ``?`` in their order."""

    text: str
    names: Sequence[str] = ()


@dataclass(eq=False)
class Statement:
    construct: ClauseElement
    """What the code gave to SQLAlchemy."""
    written: SQL | None
    """What it would be without the guard; ``None`` for a query that the guard itself makes."""
    sent: SQL | None = None
    """``None`` if it was not sent."""
    parameters: Sequence[object] = ()
    changed: int = 0
    """The number of rows that it changed or inserted."""

    @property
    def writes(self) -> bool:
        return isinstance(self.construct, UpdateBase)

    @property
    def table(self) -> str | None:
        """The table that it changes, or the first that it reads."""
        found: Any = self.construct
        if isinstance(found, UpdateBase):
            return str(found.entity_description["table"].name)
        if not isinstance(found, Select):
            return None
        first: Any = found.get_final_froms()[0]
        while isinstance(first, Join):
            first = first.left
        return str(first.name)


@dataclass
class Recording:
    has_arrived: bool = False
    """Whether the middleware has called the application."""
    tenant_id: str | None = None
    """The tenant that the middleware determined."""
    statements: list[Statement] = field(default_factory=list[Statement])
    """Those that were sent, in that order, around one that was not."""
    tables_without_tenant: set[Any] = field(default_factory=set[Any])
    """The tables of new objects to which the code gave no tenant."""

    @property
    def last(self) -> Statement | None:
        """The code's last statement."""
        return next((each for each in reversed(self.statements) if each.written), None)


_current: Final[ContextVar[Recording | None]] = ContextVar("recording", default=None)
current_recording: Final = _current.get


@contextmanager
def recording() -> Generator[Recording]:
    """Record the SQL of everything that runs inside, on engines that are watched."""
    made = Recording()
    token = _current.set(made)
    try:
        yield made
    finally:
        _current.reset(token)


def watch(engine: Engine) -> None:
    """Let the engine's statements be recorded."""
    event.listen(engine, "before_execute", _note_written)
    event.listen(engine, "before_cursor_execute", _note_sent)
    event.listen(engine, "after_cursor_execute", _note_changed)
    event.listen(Session, "before_flush", _note_new_objects)


def _note_new_objects(session: Session, context: Any, instances: Any) -> None:
    # The guard fills in the tenant later, before it makes the INSERT.
    if made := current_recording():
        made.tables_without_tenant |= {
            inspect(each).mapper.local_table
            for each in session.new
            if getattr(each, "tenant_id", "") is None
        }


def _note_written(
    connection: Connection, construct: Any, many: Any, parameters: Any, options: Any
) -> None:
    made = current_recording()
    if made is None:
        return
    # Before the guard sends a statement, it looks up the rows that the statement refers to.
    is_guards = any(each.sent is None for each in made.statements)
    columns = list(many[0] if many else parameters)
    if isinstance(construct, Insert) and construct.table in made.tables_without_tenant:
        columns.remove("tenant_id")
    compiled = construct.compile(dialect=_UNGUARDED, column_keys=columns or None)
    written = SQL(compiled.string, compiled.positiontup or ())
    made.statements.append(Statement(construct, None if is_guards else written))


def _note_sent(
    connection: Connection, cursor: Any, text: str, parameters: Any, context: Any, many: bool
) -> None:
    made = current_recording()
    if made is None:
        return
    statement = next(
        each for each in made.statements if each.construct is context.invoked_statement
    )
    statement.sent = SQL(text, context.compiled.positiontup or ())
    statement.parameters = parameters
    # In the order in which they are sent.
    made.statements.remove(statement)
    made.statements.append(statement)


def _note_changed(
    connection: Connection, cursor: Any, text: str, parameters: Any, context: Any, many: bool
) -> None:
    made = current_recording()
    if made is not None and isinstance(context.invoked_statement, UpdateBase):
        made.statements[-1].changed = cursor.rowcount
