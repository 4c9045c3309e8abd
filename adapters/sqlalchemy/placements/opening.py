"""Creates the engine of a tenant's database."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Engine, create_engine, event, make_url
from sqlalchemy.engine import Dialect
from sqlalchemy.pool import AsyncAdaptedQueuePool, QueuePool

from ..errors import ConfigurationError, PlacementError, PlacementUnavailableError
from .databases import Databases
from .placement import Placement

__all__ = ["open_database"]


def open_database(name: str, databases: Databases, base: Engine) -> Engine:
    """Return a new engine, which asks for the URL again for each connection.

    Args:
        name: the database.
        databases: how it is reached.
        base: the engine of the application.

    Raises:
        PlacementError: there is no such database.
        ConfigurationError: it is of another kind than that of ``base``.
    """
    options = dict(databases.options)
    connect_args = options.pop("connect_args", {})
    is_async = base.dialect.is_async
    pool = {
        "poolclass": AsyncAdaptedQueuePool if is_async else QueuePool,
        "pool_size": databases.connections,
        "max_overflow": 0,
    }
    create: Callable[..., Any] = _create_async if is_async else create_engine
    engine: Engine = create(_url(name, databases), **options, **pool)
    theirs, ours = engine.dialect, base.dialect
    if (theirs.name, theirs.driver) != (ours.name, ours.driver):
        raise ConfigurationError(
            f"{Placement(database=name)} is reached by {theirs.name}+{theirs.driver}, and the "
            f"engine with placements by {ours.name}+{ours.driver}: let Databases(url=...) return "
            "URLs of the same"
        )

    def connect(dialect: Dialect, record: Any, args: Any, parameters: Any) -> Any:
        url = _url(name, databases)
        given, named = dialect.create_connect_args(url)
        _check_file(dialect, url, name)
        try:
            return dialect.connect(*given, **{**named, **connect_args})
        except Exception as error:
            # Before it could be wrapped in SQLAlchemy's, which some drivers' errors are not.
            raise PlacementUnavailableError(
                f"{Placement(database=name)} cannot be reached: see the cause, and check the URL "
                "that Databases(url=...) returns"
            ) from error

    event.listen(engine, "do_connect", connect)
    if databases.configure is not None:
        databases.configure(engine)
    return engine


def _create_async(url: URL, **options: Any) -> Engine:
    # Imported here: it requires greenlet, and sync programs may not have it.
    from sqlalchemy.ext.asyncio import create_async_engine

    return create_async_engine(url, **options).sync_engine


def _url(name: str, databases: Databases) -> URL:
    try:
        return make_url(databases.url(name))
    except LookupError as error:
        raise PlacementError(
            f"{Placement(database=name)} is unknown: Databases(url=...) has no URL for it; add it "
            "there, or correct the attribute of the tenant that names it"
        ) from error


def _check_file(dialect: Dialect, url: URL, name: str) -> None:
    """Refuse a file that does not exist, which SQLite would create."""
    if dialect.name == "sqlite" and not (url.database and Path(url.database).is_file()):
        raise PlacementError(
            f"{Placement(database=name)} does not exist: create its file with its tables, or "
            "correct the attribute of the tenant that names it"
        )
