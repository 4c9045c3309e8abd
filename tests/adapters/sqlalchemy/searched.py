"""Engines on which a name without a schema may stand for the table in a schema called ``deep``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from sqlalchemy import Engine, StaticPool, event

from tests.databases import Database, DatabaseName

__all__ = ["Connect", "searching_deep"]

Connect: TypeAlias = Callable[[Database], Engine]
"""Makes an engine on a database."""


def searching_deep(first: str) -> list[tuple[DatabaseName, Connect]]:
    """Return what makes such engines, with the names of the databases that can do it.

    Args:
        first: the schema of PostgreSQL's that is searched before.
    """

    def with_a_path(here: Database) -> Engine:
        here.run(f"CREATE SCHEMA IF NOT EXISTS {first}", "CREATE SCHEMA deep")
        return here.engine(connect_args={"options": f"-c search_path={first},deep"})

    return [("postgresql", with_a_path), ("sqlite", _with_an_attached_file)]


def _with_an_attached_file(here: Database) -> Engine:
    engine = here.engine(poolclass=StaticPool)

    @event.listens_for(engine, "connect", insert=True)
    def attach(connection: Any, record: Any) -> None:
        connection.execute("ATTACH ':memory:' AS deep")

    return engine
