"""Finds types that each tenant's schema has of its own, where drivers prepare statements.

A prepared statement keeps the types of its parameters, whatever the search path is later. With a
type of the same name in each schema, it works until a connection that has executed it for one
tenant serves another one, and fails then.

https://www.postgresql.org/docs/current/sql-prepare.html#SQL-PREPARE-NOTES
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from sqlalchemy import Table
from sqlalchemy.dialects.postgresql import DOMAIN, ENUM
from sqlalchemy.engine import Dialect
from sqlalchemy.types import ARRAY, TypeDecorator, TypeEngine

__all__ = ["columns_by_type", "prepares"]

_PREPARING: Final = frozenset({"asyncpg", "psycopg"})


def prepares(dialect: Dialect, dbapi_connection: Any) -> bool:
    """Return whether the driver prepares statements on this connection."""
    own = getattr(dbapi_connection, "driver_connection", dbapi_connection)
    # psycopg's may be None: never.
    return dialect.driver in _PREPARING and getattr(own, "prepare_threshold", 0) is not None


def columns_by_type(tables: Iterable[Table], dialect: Dialect) -> dict[str, str]:
    """Return a column of each enumerated type, or domain, that is found by the search path.

    Args:
        tables: whose columns are looked at.
        dialect: of PostgreSQL.

    Returns:
        the columns, as ``table.column``, by the names of the types.
    """
    found: dict[str, str] = {}
    for table in tables:
        for column in table.columns:
            declared = _stored(column.type, dialect)
            if isinstance(declared, ARRAY):
                declared = _stored(declared.item_type, dialect)
            # Another database's ENUM has no name.
            if isinstance(declared, ENUM | DOMAIN) and declared.name and declared.schema is None:
                found.setdefault(str(declared.name), f"{table.name}.{column.name}")
    return found


def _stored(declared: TypeEngine[Any], dialect: Dialect) -> Any:
    """Return the type that the database has, behind those of the application's own."""
    try:
        declared = declared.dialect_impl(dialect)
    except AttributeError:
        # SQLAlchemy 2.0 cannot say what another database's ENUM is: none of PostgreSQL's.
        return declared
    while isinstance(declared, TypeDecorator):
        declared = declared.impl_instance.dialect_impl(dialect)
    return declared
