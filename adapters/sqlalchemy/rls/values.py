"""What is sent to the database with any driver: a statement with the values that belong in it."""

from __future__ import annotations

import functools
from typing import Any, Final

from ..errors import ConfigurationError

__all__ = ["REMEMBERED", "check_zero_bytes", "drivers_own", "numbered"]

REMEMBERED: Final = 128
"""How many statements are remembered. Each transaction begins with one of a few."""


def drivers_own(dbapi_connection: Any) -> Any:
    """Return the driver's connection; of one that was detached, the pool no longer knows it."""
    inner = dbapi_connection.dbapi_connection
    # SQLAlchemy wraps connections of async drivers.
    return getattr(inner, "driver_connection", inner)


@functools.lru_cache(REMEMBERED)
def numbered(sql: str, count: int) -> str:
    """Return a statement with ``$1`` for the first of its values, and so on."""
    for number in range(1, count + 1):
        sql = sql.replace("%s", f"${number}", 1)
    return sql


def check_zero_bytes(*values: str) -> None:
    """Check what is named to the database, which takes no zero byte.

    Raises:
        ConfigurationError: a value contains one.
    """
    if "\0" in "".join(values):
        raise ConfigurationError("the name of a tenant or a role contains a zero byte")
