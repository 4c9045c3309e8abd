"""Other drivers of PostgreSQL than the tests' usual ones."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import URL

__all__ = ["with_driver"]


def with_driver(url: URL, driver: str) -> URL:
    """Return the URL of a PostgreSQL on a socket for another of SQLAlchemy's drivers."""
    found = url.set(drivername=f"postgresql+{driver}")
    if driver != "pg8000":
        return found
    # It wants the path of the socket instead of its folder, and takes it in no other form.
    folder = url.query["host"]
    assert isinstance(folder, str)
    path = Path(folder) / f".s.PGSQL.{url.query.get('port', 5432)}"
    return found.set(query={"unix_sock": str(path)})
