"""Engines whose connections find the tables of one place, for work outside of the application.

Such an engine has no ``Placements``: whoever makes, migrates or moves a place uses it while it is
closed to the application.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import URL, Engine, create_engine, event
from sqlalchemy.pool import NullPool, Pool

from ..errors import ConfigurationError
from ..lifecycle.opening import begin_transactions
from ..placements.placement import Placement
from ..placements.schemas import Schemas

__all__ = ["engine_at", "path_of", "take_path"]


def path_of(placement: Placement, schemas: Schemas | None) -> tuple[str, ...]:
    """Return the search path of a place; empty if there are no schemas."""
    if schemas is None:
        return ()
    return (placement.schema or schemas.shared, *schemas.common)


def take_path(dbapi_connection: Any, path: tuple[str, ...]) -> None:
    """Let a connection use a search path until it is closed.

    Raises:
        ConfigurationError: the first of its schemas does not exist: tables would be created in
            the next one.
    """
    if not path:
        return
    cursor = dbapi_connection.cursor()
    try:
        quoted = ", ".join(f'"{each}"' for each in path)
        cursor.execute(f"SET search_path TO {quoted}, pg_temp")
        cursor.execute("SELECT CAST(pg_catalog.current_schema() AS pg_catalog.text)")
        (found,) = cursor.fetchone()
    finally:
        cursor.close()
    if found != path[0]:
        raise ConfigurationError(
            f"the schema {path[0]!r} does not exist, or the role of the connection may not use it"
        )
    # A rollback would undo it.
    dbapi_connection.commit()


def engine_at(
    url: URL, path: tuple[str, ...], poolclass: type[Pool] = NullPool, **options: Any
) -> Engine:
    """Return an engine at one place.

    Args:
        url: the database, with a sync driver.
        path: what :func:`path_of` returned.
        poolclass: the pool; by default it keeps no connection open.
        options: more options of ``create_engine``.
    """
    engine = create_engine(url, poolclass=poolclass, **options)
    begin_transactions(engine)

    @event.listens_for(engine, "connect", insert=True)
    def connect(dbapi_connection: Any, record: Any) -> None:
        take_path(dbapi_connection, path)

    return engine
