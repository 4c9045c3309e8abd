"""Checks that MariaDB or MySQL rejects values that do not fit their columns.

https://mariadb.com/kb/en/sql-mode/
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from sqlalchemy.engine import Connection

from .findings import Finding

__all__ = ["check_sql_mode"]

_STRICT: Final = frozenset({"STRICT_ALL_TABLES", "STRICT_TRANS_TABLES", "TRADITIONAL"})


def check_sql_mode(connection: Connection) -> Iterator[Finding]:
    """Yield a finding if the connection's ``sql_mode`` is not strict."""
    cursor = connection.connection.cursor()
    try:
        cursor.execute("SELECT @@SESSION.sql_mode")
        (mode,) = cursor.fetchone() or ("",)
    finally:
        cursor.close()
    if _STRICT.isdisjoint(str(mode).upper().split(",")):
        yield Finding(
            "sql-mode-not-strict",
            None,
            "sql_mode is not strict: a tenant identifier that is too long for its column is "
            "silently truncated, and the row becomes another tenant's.",
            "add STRICT_ALL_TABLES to sql_mode, on the server and in the application's settings",
        )
