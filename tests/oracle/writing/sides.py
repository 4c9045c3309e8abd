"""One of the two databases: how it is filled, and what a write does there."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from sqlalchemy import Engine, event
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from tenantshield_mw import system_scope
from tests.databases import DatabaseName

from ..values import plain
from .rows import TENANT, rows
from .schema import TABLES, created_tables

__all__ = ["COLUMNS", "Content", "Run", "Side", "Write", "is_of_the_database"]

Content: TypeAlias = dict[str, Counter[tuple[Any, ...]]]

COLUMNS: Final = {table.name: [column.name for column in table.c] for table in TABLES}
"""The names of the columns of each table, in order."""


@dataclass(frozen=True, slots=True)
class Write:
    """A composed write.

    Attributes:
        kind: what it is counted as.
        run: does it, and returns what it returned; is told whether the tenant is alone.
        collides: whether it may give a row a key that another tenant's row has.
        is_upsert: whether such a row is then left as it is, without an error.
        generates: whether the database makes keys.
        is_several: whether several statements are sent, of which the first may be accepted.
        is_loose: whether only the first rule holds, since the guard writes more of it.
    """

    kind: str
    run: Callable[[Session, bool], Any]
    collides: bool = False
    is_upsert: bool = False
    generates: bool = False
    is_several: bool = False
    is_loose: bool = False

    def __repr__(self) -> str:
        return f"<{self.kind}>"


@dataclass(frozen=True, slots=True)
class Run:
    """What came of a write on one side; ``after`` is ``None`` where it cannot be read."""

    value: Any
    error: Exception | None
    after: Content | None
    sent: tuple[str, ...]


class Side:
    def __init__(self, name: DatabaseName, engine: Engine, *, is_alone: bool) -> None:
        self.engine = engine
        self.is_alone = is_alone
        self._name = name
        self._sent: deque[str] = deque(maxlen=6)
        event.listen(engine, "before_cursor_execute", self._note)
        with system_scope("filling a database of the oracle"), engine.begin() as connection:
            created_tables(TENANT if is_alone else None).create_all(connection)
            given = created_tables(None).tables
            for table, values in rows(everybody=not is_alone):
                keys = {column.name: column.key for column in given[table].c}
                named = {keys.get(name, name): value for name, value in values.items()}
                connection.execute(given[table].insert(), named)
            self._sequences = self._find_sequences(connection)
            self._reset(connection)
            self.before = self.content(connection)

    def _note(
        self, connection: Any, cursor: Any, statement: str, parameters: Any, *rest: Any
    ) -> None:
        self._sent.append(f"{statement}\n    {parameters!r}")

    def _find_sequences(self, connection: Connection) -> list[str]:
        if self._name != "postgresql":
            return []
        found = "SELECT quote_ident(sequencename) FROM pg_sequences"
        return [name for (name,) in _raw(connection, found)]

    def _reset(self, connection: Connection) -> None:
        # A sequence is not rolled back.
        if self._sequences:
            calls = ", ".join(f"setval('{name}', 5000)" for name in self._sequences)
            _raw(connection, f"SELECT {calls}")

    def reset_counters(self) -> None:
        """Let MariaDB's counters begin anew; that ends a transaction."""
        with system_scope("counters"), self.engine.connect() as connection:
            _raw(connection, "ALTER SEQUENCE guild_numbers RESTART 5001")
            for table in TABLES:
                if "id" in table.c and table.name != "guild":
                    _raw(connection, f"ALTER TABLE `{table.name}` AUTO_INCREMENT = 5001")

    def content(self, connection: Connection) -> Content:
        """Return all rows, read by the driver alone."""
        quote = self.engine.dialect.identifier_preparer.quote
        return {
            table.name: Counter(
                _raw(
                    connection,
                    f"SELECT {', '.join(map(quote, COLUMNS[table.name]))} FROM {quote(table.name)}",
                )
            )
            for table in TABLES
        }

    def run(self, write: Write) -> Run:
        value, error, after = None, None, None
        with Session(self.engine) as session:
            connection = session.connection()
            self._reset(connection)
            self._sent.clear()
            try:
                value = plain(write.run(session, self.is_alone))
                session.flush()
            except Exception as found:
                # SQLAlchemy has some of its own for what it does not understand.
                error = found
            # PostgreSQL ends a transaction in which something has failed by itself.
            if not is_of_the_database(error) or self._name != "postgresql":
                after = self.content(connection)
            session.rollback()
        return Run(value, error, after, tuple(self._sent))


def is_of_the_database(error: Exception | None) -> bool:
    """Return whether the database refused something, in its own words or in the guard's."""
    return isinstance(error, DBAPIError) or isinstance(
        getattr(error, "__cause__", None), DBAPIError
    )


def _raw(connection: Connection, sql: str) -> list[tuple[Any, ...]]:
    cursor = connection.connection.cursor()
    try:
        cursor.execute(sql)
        return [tuple(row) for row in cursor.fetchall()] if cursor.description else []
    finally:
        cursor.close()
