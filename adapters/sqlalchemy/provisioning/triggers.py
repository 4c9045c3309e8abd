"""Keeps triggers of users' tables from changing what is written, in one transaction."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy import Table
from sqlalchemy.engine import Connection, CursorResult

from ..raw_sql.checks import REVIEWED
from ..rls.sql import table_name

__all__ = ["without_triggers"]

_FIND: Final = (
    "SELECT pg_catalog.quote_ident(CAST(tgname AS pg_catalog.text)) FROM pg_catalog.pg_trigger "
    "WHERE tgrelid = pg_catalog.to_regclass('{}') AND NOT tgisinternal AND tgenabled = 'O'"
)

_LOCK_TIMEOUT: Final = "2s"
"""Whoever waits for a table keeps others from writing it."""


@contextmanager
def without_triggers(connection: Connection, tables: Iterable[Table]) -> Generator[None]:
    """Disable the triggers of tables in the block, of those who write otherwise, too: they wait
    until the transaction has ended.

    Args:
        connection: a connection of the owner of the tables, in a transaction.
        tables: the tables.
    """
    names = [table_name(each.schema, each.name) for each in tables]
    triggers = [
        (name, trigger)
        for name in names
        for (trigger,) in _run(connection, _FIND.format(name.replace("'", "''"))).all()
    ]
    if triggers:
        _run(connection, f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'")
    for name, trigger in triggers:
        _run(connection, f"ALTER TABLE {name} DISABLE TRIGGER {trigger}")
    yield
    # After an error, the transaction is rolled back.
    for name, trigger in triggers:
        _run(connection, f"ALTER TABLE {name} ENABLE TRIGGER {trigger}")


def _run(connection: Connection, statement: str) -> CursorResult[Any]:
    # The guard takes no text that names a tenant's table.
    return connection.exec_driver_sql(statement, execution_options={REVIEWED: True})
