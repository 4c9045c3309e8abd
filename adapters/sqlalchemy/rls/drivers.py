"""Sends one statement at the start of a transaction, with any of the supported drivers.

psycopg waits for the answer to ``BEGIN``; ``psycopg_sending.py`` sends both at once.

pg8000 waits four times for ``BEGIN`` and a statement with values. Here both go to the server
before one ``Sync``, which takes one round trip. It derives the state of a transaction from what
the server says, so nothing else changes.

psycopg2 sends ``BEGIN`` alone, and neither commits nor rolls back a transaction that it did not
begin: the statement takes a round trip of its own. It also does with asyncpg.

https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-MULTI-STATEMENT
https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-PIPELINING
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NoReturn, TypeAlias

from ..errors import ConfigurationError
from ..transactions import IS_IDLE, Send, drivers_own
from .values import check_zero_bytes, encoded, numbered

__all__ = ["BINDERS", "PIDS", "SENDERS", "check_driver"]

_UNNAMED: Final = b"\0"
"""The name of the unnamed statement, as pg8000 sends it."""


def _by_asyncpg(dbapi_connection: Any, sql: str, values: tuple[str, ...]) -> tuple[Any, ...]:
    cursor = dbapi_connection.cursor()
    try:
        cursor.execute(numbered(sql, len(values)), values)
        row = tuple(cursor.fetchone())
    finally:
        cursor.close()
    # SQLAlchemy begins it, and takes no notice of its end.
    if not dbapi_connection.autocommit and IS_IDLE["asyncpg"](drivers_own(dbapi_connection)):
        _refuse_ended()
    return row


def _by_psycopg2(dbapi_connection: Any, sql: str, values: tuple[str, ...]) -> tuple[Any, ...]:
    from psycopg2.extensions import cursor, encodings

    check_zero_bytes(*values)
    connection = drivers_own(dbapi_connection)
    encoded("".join(values), encodings[connection.encoding])
    # The application may have chosen another class, whose rows are not tuples.
    with connection.cursor(cursor_factory=cursor) as opened:
        opened.execute(sql, values)
        row: tuple[Any, ...] = opened.fetchone()
    # psycopg2 begins it, and takes no notice of its end.
    if not connection.autocommit and IS_IDLE["psycopg2"](connection):
        _refuse_ended()
    return row


def _refuse_ended() -> NoReturn:
    raise ConfigurationError(
        "SQL text or the driver has ended the transaction, so the database does not know the "
        "tenant: end transactions by commit() or rollback() of the connection or session"
    )


def _by_pg8000(dbapi_connection: Any, sql: str, values: tuple[str, ...]) -> tuple[Any, ...]:
    connection = drivers_own(dbapi_connection)
    # Fails before anything is sent: half of a message would precede the next statement.
    encoded("".join(values), connection._client_encoding)
    sql = numbered(sql, len(values))
    if not connection.autocommit and IS_IDLE["pg8000"](connection):
        connection.send_PARSE(_UNNAMED, "BEGIN")
        connection.send_BIND(_UNNAMED, ())
        connection.send_EXECUTE()
    connection.send_PARSE(_UNNAMED, sql)
    connection.send_DESCRIBE_STATEMENT(_UNNAMED)
    # This adds Bind, Execute and Sync, and raises the server's error to any of the messages.
    found = connection.execute_named(_UNNAMED, values, (), (), sql)
    return tuple(found.rows[0])


def check_driver(driver: str) -> None:
    """Check that a driver has the names, other than the DBAPI's, that are used here.

    Args:
        driver: SQLAlchemy's name of the driver.

    Raises:
        ConfigurationError: one of them is missing.
    """
    if driver in ("psycopg", "psycopg_async"):
        import psycopg
        from psycopg import generators

        _check_names(
            "psycopg 3, such as 3.3.9",
            (generators, "execute"),
            (generators, "fetch"),
            (generators, "send"),
            (psycopg.Connection, "wait"),
            (psycopg.AsyncConnection, "wait"),
            (psycopg.pq.Escaping, "escape_literal"),
            (psycopg.pq.PGconn, "send_query"),
            (psycopg.pq.PGconn, "send_query_params"),
            (psycopg.pq.PGconn, "enter_pipeline_mode"),
            (psycopg.pq.PGconn, "pipeline_status"),
            (psycopg.errors, "error_from_result"),
        )
    elif driver == "pg8000":
        from pg8000.dbapi import Connection

        methods = ("send_PARSE", "send_DESCRIBE_STATEMENT", "send_BIND", "send_EXECUTE")
        names = (*methods, "execute_named", "_in_transaction")
        _check_names("pg8000, such as 1.31.6", *((Connection, name) for name in names))


def _check_names(release: str, *names: tuple[object, str]) -> None:
    missing = [name for owner, name in names if not hasattr(owner, name)]
    if missing:
        raise ConfigurationError(
            f"this version of the driver is not supported: {', '.join(missing)} changed; install "
            f"another release of {release}"
        )


def _sent_by_psycopg() -> Send:
    from .psycopg_sending import send_as_text

    return send_as_text


def _bound_by_psycopg() -> Send:
    from .psycopg_sending import send_as_parameters

    return send_as_parameters


Load: TypeAlias = Callable[[], Send]

SENDERS: Final[Mapping[str, Load]] = {
    "psycopg": _sent_by_psycopg,
    "psycopg_async": _sent_by_psycopg,
    "psycopg2": lambda: _by_psycopg2,
    "pg8000": lambda: _by_pg8000,
    "asyncpg": lambda: _by_asyncpg,
}
"""What returns the function that executes a statement, by driver. It imports the driver, so
:func:`check_driver` comes first."""

BINDERS: Final[Mapping[str, Load]] = {
    "psycopg": _bound_by_psycopg,
    "psycopg_async": _bound_by_psycopg,
    "asyncpg": lambda: _by_asyncpg,
}
"""What returns the function that sends the values apart from the statement's text, by driver:
nobody reads them in ``pg_stat_activity``."""

PIDS: Final[Mapping[str, Callable[[Any], int]]] = {
    "psycopg": lambda connection: int(drivers_own(connection).pgconn.backend_pid),
    "psycopg_async": lambda connection: int(drivers_own(connection).pgconn.backend_pid),
    "asyncpg": lambda connection: int(drivers_own(connection).get_server_pid()),
}
"""The function that returns the process that the driver was connected to, by driver. Behind a
pooler, it is none of the server's."""
