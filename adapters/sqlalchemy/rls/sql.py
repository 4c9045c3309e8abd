"""Quotes names and values for PostgreSQL, and executes the SQL that is built from them."""

from __future__ import annotations

import uuid
from typing import Any, Final

from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.engine import Connection, CursorResult

from ..errors import ConfigurationError

__all__ = ["POSTGRESQL", "execute", "literal", "quoted", "require_postgresql", "table_name"]

# SQLAlchemy does not annotate this class. With named parameters, the identifier preparer
# does not double percent signs.
_dialect: Final[Any] = PGDialect
POSTGRESQL: Final[Any] = _dialect(paramstyle="named")


def quoted(name: str) -> str:
    """Return an identifier, quoted where SQL requires it."""
    text: str = POSTGRESQL.identifier_preparer.quote(name)
    return text


def literal(value: str | int | uuid.UUID) -> str:
    """Return a value as an SQL literal."""
    return str(value) if isinstance(value, int) else "'{}'".format(str(value).replace("'", "''"))


def table_name(schema: str | None, name: str) -> str:
    """Return the quoted name of a table, with its schema if it has one."""
    return f"{quoted(schema)}.{quoted(name)}" if schema else quoted(name)


def require_postgresql(connection: Connection) -> None:
    """Refuse every database but PostgreSQL.

    Raises:
        ConfigurationError: the database is not PostgreSQL.
    """
    if connection.dialect.name != "postgresql":
        raise ConfigurationError(
            f"row-level security requires PostgreSQL, and this is {connection.dialect.name!r}; "
            "on other databases, use the guard without policies"
        )


def execute(connection: Connection, sql: str) -> CursorResult[Any]:
    """Execute a statement exactly as it is written."""
    # Without parameters, drivers do not interpret percent signs.
    return connection.exec_driver_sql(sql, execution_options={"no_parameters": True})
