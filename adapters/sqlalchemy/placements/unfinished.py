"""The mark of a place that is being made or emptied."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import Engine

__all__ = ["UNFINISHED", "is_unfinished"]

UNFINISHED: Final = "tenantshield_unfinished"
"""The name of a table that a place has while it is being made or emptied. Nothing but a placement
with ``unfinished=True`` reaches the place until the table is dropped. What it contains is up to
the code that makes the place."""

_QUERIES: Final[Mapping[str, str]] = {
    "sqlite": f"SELECT max(name) FROM main.sqlite_master WHERE name = '{UNFINISHED}'",
    "postgresql": f"SELECT CAST(pg_catalog.to_regclass('{UNFINISHED}') AS text)",
    "mysql": (
        "SELECT max(table_name) FROM information_schema.tables "
        f"WHERE table_schema = DATABASE() AND table_name = '{UNFINISHED}'"
    ),
}
"""What returns something else than ``NULL`` if a database has the mark."""


def is_unfinished(engine: Engine) -> bool:
    """Return whether a database has the mark."""
    # The driver's own, since the database is not open to any scope yet.
    connection = engine.raw_connection()
    try:
        cursor: Any = connection.cursor()
        try:
            cursor.execute(_QUERIES["mysql" if _is_mysql(engine) else engine.dialect.name])
            (found,) = cursor.fetchone()
        finally:
            cursor.close()
    finally:
        connection.close()
    return found is not None


def _is_mysql(engine: Engine) -> bool:
    return engine.dialect.name in ("mysql", "mariadb")
