"""Sends one statement at the start of a transaction with psycopg, together with ``BEGIN``.

psycopg itself sends ``BEGIN`` before the first statement and waits for the answer. Here both
go to the server in one message, so that setting the tenant takes no extra round trip. Pipeline
mode would do the same, but it costs more than a round trip over a local socket. To psycopg's
``commit()`` and ``rollback()``, the transaction looks as if the application had sent ``BEGIN``.

Each transaction pays for this: what is the same in all of them is remembered, and psycopg is
imported here at the top, since an import within a function costs something each time.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Generator
from typing import Any, Final, TypeAlias

from psycopg.errors import error_from_result
from psycopg.generators import execute, fetch, send
from psycopg.pq import Escaping, ExecStatus, PipelineStatus, TransactionStatus

from ..errors import ConfigurationError
from ..transactions import Send, drivers_own
from .values import REMEMBERED, check_zero_bytes, encoded, numbered

__all__ = ["send_as_parameters", "send_as_text"]

Steps: TypeAlias = Callable[[Any, str, str, tuple[str, ...]], Generator[Any, Any, list[Any]]]
"""Sends a statement on a connection of psycopg's, in an encoding, as a generator that its
``wait()`` drives, and returns the results."""


def _sender(steps: Steps) -> Send:
    def send(dbapi_connection: Any, sql: str, values: tuple[str, ...]) -> tuple[Any, ...]:
        if hasattr(dbapi_connection.dbapi_connection, "run_async"):
            row: tuple[Any, ...] = dbapi_connection.dbapi_connection.run_async(
                lambda connection: send_async(connection, sql, values)
            )
            return row
        connection = drivers_own(dbapi_connection)
        encoding = _checked_encoding(connection)
        with connection.lock:
            return _row(connection.wait(steps(connection, encoding, sql, values)), encoding)

    async def send_async(connection: Any, sql: str, values: tuple[str, ...]) -> tuple[Any, ...]:
        encoding = _checked_encoding(connection)
        async with connection.lock:
            return _row(await connection.wait(steps(connection, encoding, sql, values)), encoding)

    return send


def _checked_encoding(connection: Any) -> str:
    """Return the encoding of a connection on which a statement can be sent."""
    if connection.pgconn.pipeline_status != PipelineStatus.OFF:
        raise ConfigurationError(
            "psycopg's pipeline mode is on, in which the database's answers come too late to tell "
            "it the tenant: execute a statement of the transaction before pipeline(), and leave "
            "its block before the transaction ends or another scope begins"
        )
    encoding: str = connection.info.encoding
    return encoding


def _sending(
    connection: Any, encoding: str, sql: str, values: tuple[str, ...]
) -> Generator[Any, Any, list[Any]]:
    """Send a statement with its values in its text, after ``BEGIN`` in the same message."""
    connection.pgconn.send_query(_message(connection, encoding, sql, values))
    results: list[Any] = yield from execute(connection.pgconn)
    return results


def _message(connection: Any, encoding: str, sql: str, values: tuple[str, ...]) -> bytes:
    # Escaping stops at the first zero byte and would truncate the value.
    check_zero_bytes(*values)
    escape = Escaping(connection.pgconn).escape_literal
    first, *others = _split(sql, encoding)
    parts = [first]
    for value, text in zip(values, others, strict=True):
        # Of the settings for the tenant, most are empty.
        parts += (bytes(escape(encoded(value, encoding))) if value else b"''", text)
    statement = b"".join(parts)
    if _has_begun(connection):
        return statement
    return b"%b; %b" % (_begin(connection), statement)


@functools.lru_cache(REMEMBERED)
def _split(sql: str, encoding: str) -> tuple[bytes, ...]:
    return tuple(each.encode(encoding) for each in sql.split("%s"))


def _has_begun(connection: Any) -> bool:
    return bool(
        connection.autocommit or connection.pgconn.transaction_status != TransactionStatus.IDLE
    )


def _begin(connection: Any) -> bytes:
    return _begin_as(connection.isolation_level, connection.read_only, connection.deferrable)


@functools.cache
def _begin_as(isolation_level: Any, read_only: bool | None, deferrable: bool | None) -> bytes:
    words = ["BEGIN"]
    if isolation_level is not None:
        words += ("ISOLATION LEVEL", isolation_level.name.replace("_", " "))
    if read_only is not None:
        words.append("READ ONLY" if read_only else "READ WRITE")
    if deferrable is not None:
        words.append("DEFERRABLE" if deferrable else "NOT DEFERRABLE")
    return " ".join(words).encode()


def _row(results: list[Any], encoding: str) -> tuple[Any, ...]:
    for result in results:
        if result.status not in (ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK):
            raise error_from_result(result, encoding)
    last = results[-1]
    found = [last.get_value(0, column) for column in range(last.nfields)]
    return tuple([None if each is None else each.decode(encoding) for each in found])


def _binding(
    connection: Any, encoding: str, sql: str, values: tuple[str, ...]
) -> Generator[Any, Any, list[Any]]:
    """Send a statement with its parameters, after ``BEGIN`` if the transaction has not begun.

    A message with several statements cannot have parameters. libpq's own pipeline mode sends both
    at once, at a third of what psycopg's costs.
    """
    pgconn = connection.pgconn
    text = _numbered(sql, len(values), encoding)
    parameters = [encoded(each, encoding) for each in values]
    if _has_begun(connection):
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


@functools.lru_cache(REMEMBERED)
def _numbered(sql: str, count: int, encoding: str) -> bytes:
    return numbered(sql, count).encode(encoding)


send_as_text: Final = _sender(_sending)
"""Executes a statement with the values in its text, and returns its only row."""
send_as_parameters: Final = _sender(_binding)
"""Sends the values apart from the statement's text."""
