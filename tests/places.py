"""The databases on which a test runs: each kind, and PostgreSQL with policies."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Final, Literal

from sqlalchemy import MetaData, create_engine

from tenantshield_mw import system_scope
from tenantshield_mw.adapters.sqlalchemy import rls
from tests.databases import NAMES, Database, DatabaseName, database
from tests.policy_database import PolicyDatabase, policy_database

__all__ = ["PLACES", "Place", "empty_and_fill", "place"]

Place = DatabaseName | Literal["policies"]

PLACES: Final[tuple[Place, ...]] = (*NAMES, "policies")
"""Each kind of database, and PostgreSQL with policies."""


@contextmanager
def place(name: Place, metadata: MetaData) -> Generator[Database, None, None]:
    """Yield a database that has these tables."""
    with policy_database() if name == "policies" else database(name) as here:
        if isinstance(here, PolicyDatabase):
            engine = create_engine(here.url)
            with system_scope("the schema"), engine.begin() as connection:
                connection.exec_driver_sql(f"SET ROLE {here.owner}")
                metadata.create_all(connection)
                rls.create_policies(connection, metadata)
            here.grant()
        else:
            engine = here.engine()
            metadata.create_all(engine)
        engine.dispose()
        yield here


def empty_and_fill(here: Database, metadata: MetaData, *statements: str) -> None:
    """Leave only the rows that ``statements`` write."""
    here.run(
        *(f"DELETE FROM {each.name}" for each in reversed(metadata.sorted_tables)), *statements
    )
