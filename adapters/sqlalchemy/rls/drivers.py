"""Sends one statement at the start of a transaction, with any of the supported drivers.

psycopg itself sends ``BEGIN`` before the first statement and waits for the answer. Here both
go to the server in one message, so that setting the tenant takes no extra round trip. Pipeline
mode would do the same, but it costs more than a round trip over a local socket. To psycopg's
``commit()`` and ``rollback()``, the transaction looks as if the application had sent ``BEGIN``.

https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-MULTI-STATEMENT
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from typing import Any, Final, TypeAlias

from ..errors import ConfigurationError

__all__ = ["BINDERS", "PIDS", "SENDERS", "Send", "check_driver"]

Send: TypeAlias = Callable[[Any, str, tuple[str, ...]], tuple[Any, ...]]
"""Executes a statement, with ``%s`` for each of the values, on a connection from SQLAlchemy's
pool, and returns its only row."""


def _by_psycopg(dbapi_connection: Any, sql: str, values: tuple[str, ...]) -> tuple[Any, ...]:
    if hasattr(dbapi_connection.dbapi_connection, "run_async"):
        row: tuple[Any, ...] = dbapi_connection.dbapi_connection.run_async(
            lambda connection: _send_async(connection, sql, values)
        )
        return row
    from psycopg.generators import execute

    connection = dbapi_connection.driver_connection
    with connection.lock:
        connection.pgconn.send_query(_message(connection, sql, values))
        return _row(connection, connection.wait(execute(connection.pgconn)))


async def _send_async(connection: Any, sql: str, values: tuple[str, ...]) -> tuple[Any, ...]:
    from psycopg.generators import execute

    async with connection.lock:
        connection.pgconn.send_query(_message(connection, sql, values))
        return _row(connection, await connection.wait(execute(connection.pgconn)))


def _message(connection: Any, sql: str, values: tuple[str, ...]) -> bytes:
    from psycopg.pq import Escaping, TransactionStatus

    encoding = connection.info.encoding
    escape = Escaping(connection.pgconn).escape_literal
    first, *others = sql.split("%s")
    parts = [first.encode(encoding)]
    for value, text in zip(values, others, strict=True):
        # Escaping stops at the first zero byte and would truncate the value.
        if "\0" in value:
            raise ConfigurationError("the name of a tenant or a role contains a zero byte")
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


def _bind_by_psycopg(dbapi_connection: Any, sql: str, values: tuple[str, ...]) -> tuple[Any, ...]:
    if hasattr(dbapi_connection.dbapi_connection, "run_async"):
        row: tuple[Any, ...] = dbapi_connection.dbapi_connection.run_async(
            lambda connection: _bind_async(connection, sql, values)
        )
        return row
    connection = dbapi_connection.driver_connection
    with connection.lock:
        return _row(connection, connection.wait(_binding(connection, sql, values)))


async def _bind_async(connection: Any, sql: str, values: tuple[str, ...]) -> tuple[Any, ...]:
    async with connection.lock:
        return _row(connection, await connection.wait(_binding(connection, sql, values)))


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


def _numbered(sql: str, values: tuple[str, ...]) -> str:
    for number in range(1, len(values) + 1):
        sql = sql.replace("%s", f"${number}", 1)
    return sql


def _by_asyncpg(dbapi_connection: Any, sql: str, values: tuple[str, ...]) -> tuple[Any, ...]:
    cursor = dbapi_connection.cursor()
    try:
        cursor.execute(_numbered(sql, values), values)
        return tuple(cursor.fetchone())
    finally:
        cursor.close()


def check_driver(driver: str) -> None:
    """Check that psycopg has the functions that begin its transactions here.

    Args:
        driver: SQLAlchemy's name of the driver.

    Raises:
        ConfigurationError: one of them is missing.
    """
    if not driver.startswith("psycopg"):
        return
    import psycopg
    from psycopg import generators

    missing = [
        name
        for owner, name in (
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
        if not hasattr(owner, name)
    ]
    if missing:
        raise ConfigurationError(
            f"this version of psycopg is not supported: {', '.join(missing)} changed; install "
            "another release of psycopg 3, such as 3.3.9"
        )


SENDERS: Final[Mapping[str, Send]] = {
    "psycopg": _by_psycopg,
    "psycopg_async": _by_psycopg,
    "asyncpg": _by_asyncpg,
}
"""The function that executes a statement, by driver."""

BINDERS: Final[Mapping[str, Send]] = {
    "psycopg": _bind_by_psycopg,
    "psycopg_async": _bind_by_psycopg,
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
