"""Sends one statement at the start of a transaction, with any of the supported drivers.

psycopg itself sends ``BEGIN`` before the first statement and waits for the answer. Here both
go to the server in one message, so that setting the tenant takes no extra round trip. Pipeline
mode would do the same, but it costs more than a round trip over a local socket. To psycopg's
``commit()`` and ``rollback()``, the transaction looks as if the application had sent ``BEGIN``.

pg8000 waits four times for ``BEGIN`` and a statement with values. Here both go to the server
before one ``Sync``, which takes one round trip. It derives the state of a transaction from what
the server says, so nothing else changes.

psycopg2 sends ``BEGIN`` alone, and neither commits nor rolls back a transaction that it did not
begin: the statement takes a round trip of its own. It also does with asyncpg.

https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-MULTI-STATEMENT
https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-PIPELINING
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from typing import Any, Final, TypeAlias

from ..errors import ConfigurationError

__all__ = ["BINDERS", "PIDS", "SENDERS", "Send", "check_driver"]

_UNNAMED: Final = b"\0"
"""The name of the unnamed statement, as pg8000 sends it."""

Send: TypeAlias = Callable[[Any, str, tuple[str, ...]], tuple[Any, ...]]
"""Executes a statement, with ``%s`` for each of the values, on a connection from SQLAlchemy's
pool, and returns its only row."""


Steps: TypeAlias = Callable[[Any, str, tuple[str, ...]], Generator[Any, Any, list[Any]]]
"""Sends a statement on a connection of psycopg's, as a generator that its ``wait()`` drives, and
returns the results."""


def _by_psycopg(steps: Steps) -> Send:
    def send(dbapi_connection: Any, sql: str, values: tuple[str, ...]) -> tuple[Any, ...]:
        if hasattr(dbapi_connection.dbapi_connection, "run_async"):
            row: tuple[Any, ...] = dbapi_connection.dbapi_connection.run_async(
                lambda connection: send_async(connection, sql, values)
            )
            return row
        connection = dbapi_connection.driver_connection
        with connection.lock:
            return _row(connection, connection.wait(steps(connection, sql, values)))

    async def send_async(connection: Any, sql: str, values: tuple[str, ...]) -> tuple[Any, ...]:
        async with connection.lock:
            return _row(connection, await connection.wait(steps(connection, sql, values)))

    return send


def _sending(connection: Any, sql: str, values: tuple[str, ...]) -> Generator[Any, Any, list[Any]]:
    """Send a statement with its values in its text, after ``BEGIN`` in the same message."""
    from psycopg.generators import execute

    connection.pgconn.send_query(_message(connection, sql, values))
    results: list[Any] = yield from execute(connection.pgconn)
    return results


def _message(connection: Any, sql: str, values: tuple[str, ...]) -> bytes:
    from psycopg.pq import Escaping, TransactionStatus

    encoding = connection.info.encoding
    escape = Escaping(connection.pgconn).escape_literal
    first, *others = sql.split("%s")
    parts = [first.encode(encoding)]
    for value, text in zip(values, others, strict=True):
        # Escaping stops at the first zero byte and would truncate the value.
        _check_zero_bytes(value)
        parts += (bytes(escape(value.encode(encoding))), text.encode(encoding))
    statement = b"".join(parts)
    if connection.autocommit or connection.pgconn.transaction_status != TransactionStatus.IDLE:
        return statement
    return b"%b; %b" % (_begin(connection), statement)


def _begin(connection: Any) -> bytes:
    words = ["BEGIN"]
    if connection.isolation_level is not None:
        words += ("ISOLATION LEVEL", connection.isolation_level.name.replace("_", " "))
    if connection.read_only is not None:
        words.append("READ ONLY" if connection.read_only else "READ WRITE")
    if connection.deferrable is not None:
        words.append("DEFERRABLE" if connection.deferrable else "NOT DEFERRABLE")
    return " ".join(words).encode()


def _row(connection: Any, results: list[Any]) -> tuple[Any, ...]:
    from psycopg.errors import error_from_result
    from psycopg.pq import ExecStatus

    encoding = connection.info.encoding
    for result in results:
        if result.status not in (ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK):
            raise error_from_result(result, encoding)
    last = results[-1]
    found = (last.get_value(0, column) for column in range(last.nfields))
    return tuple(None if each is None else each.decode(encoding) for each in found)


def _binding(connection: Any, sql: str, values: tuple[str, ...]) -> Generator[Any, Any, list[Any]]:
    """Send a statement with its parameters, after ``BEGIN`` if the transaction has not begun.

    A message with several statements cannot have parameters. libpq's own pipeline mode sends both
    at once, at a third of what psycopg's costs.
    """
    from psycopg.generators import execute, fetch, send
    from psycopg.pq import ExecStatus, TransactionStatus

    pgconn = connection.pgconn
    text, parameters = _bound(connection, sql, values)
    if connection.autocommit or pgconn.transaction_status != TransactionStatus.IDLE:
        pgconn.send_query_params(text, parameters)
        results: list[Any] = yield from execute(pgconn)
        return results
    found: list[Any] = []
    pgconn.enter_pipeline_mode()
    try:
        pgconn.send_query_params(_begin(connection), None)
        pgconn.send_query_params(text, parameters)
        pgconn.pipeline_sync()
        yield from send(pgconn)
        # After the results of each statement comes None.
        while True:
            result = yield from fetch(pgconn)
            if result is not None and result.status == ExecStatus.PIPELINE_SYNC:
                return found
            if result is not None:
                found.append(result)
    finally:
        pgconn.exit_pipeline_mode()


def _bound(connection: Any, sql: str, values: tuple[str, ...]) -> tuple[bytes, list[bytes]]:
    encoding = connection.info.encoding
    return _numbered(sql, values).encode(encoding), [each.encode(encoding) for each in values]


def _by_asyncpg(dbapi_connection: Any, sql: str, values: tuple[str, ...]) -> tuple[Any, ...]:
    cursor = dbapi_connection.cursor()
    try:
        cursor.execute(_numbered(sql, values), values)
        return tuple(cursor.fetchone())
    finally:
        cursor.close()


def _by_psycopg2(dbapi_connection: Any, sql: str, values: tuple[str, ...]) -> tuple[Any, ...]:
    from psycopg2.extensions import cursor

    _check_zero_bytes(*values)
    # The application may have chosen another class, whose rows are not tuples.
    with dbapi_connection.driver_connection.cursor(cursor_factory=cursor) as opened:
        opened.execute(sql, values)
        row: tuple[Any, ...] = opened.fetchone()
        return row


def _by_pg8000(dbapi_connection: Any, sql: str, values: tuple[str, ...]) -> tuple[Any, ...]:
    connection = dbapi_connection.driver_connection
    # Fails before anything is sent: half of a message would precede the next statement.
    "".join(values).encode(connection._client_encoding)
    sql = _numbered(sql, values)
    if not connection.autocommit and not connection._in_transaction:
        connection.send_PARSE(_UNNAMED, "BEGIN")
        connection.send_BIND(_UNNAMED, ())
        connection.send_EXECUTE()
    connection.send_PARSE(_UNNAMED, sql)
    connection.send_DESCRIBE_STATEMENT(_UNNAMED)
    # This adds Bind, Execute and Sync, and raises the server's error to any of the messages.
    found = connection.execute_named(_UNNAMED, values, (), (), sql)
    return tuple(found.rows[0])


def _numbered(sql: str, values: tuple[str, ...]) -> str:
    for number in range(1, len(values) + 1):
        sql = sql.replace("%s", f"${number}", 1)
    return sql


def _check_zero_bytes(*values: str) -> None:
    if any("\0" in value for value in values):
        raise ConfigurationError("the name of a tenant or a role contains a zero byte")


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


_SENT: Final = _by_psycopg(_sending)
_BOUND: Final = _by_psycopg(_binding)

SENDERS: Final[Mapping[str, Send]] = {
    "psycopg": _SENT,
    "psycopg_async": _SENT,
    "psycopg2": _by_psycopg2,
    "pg8000": _by_pg8000,
    "asyncpg": _by_asyncpg,
}
"""The function that executes a statement, by driver."""

BINDERS: Final[Mapping[str, Send]] = {
    "psycopg": _BOUND,
    "psycopg_async": _BOUND,
    "asyncpg": _by_asyncpg,
}
"""The function that sends the values apart from the statement's text, by driver: nobody reads them
in ``pg_stat_activity``."""

PIDS: Final[Mapping[str, Callable[[Any], int]]] = {
    "psycopg": lambda connection: int(connection.driver_connection.pgconn.backend_pid),
    "psycopg_async": lambda connection: int(connection.driver_connection.pgconn.backend_pid),
    "asyncpg": lambda connection: int(connection.driver_connection.get_server_pid()),
}
"""The function that returns the process that the driver was connected to, by driver. Behind a
pooler, it is none of the server's."""
