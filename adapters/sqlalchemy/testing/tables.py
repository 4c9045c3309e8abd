"""The tables and policies of a test database."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from sqlalchemy import Engine, MetaData
from sqlalchemy.engine import Connection

from tenantshield_mw.context import system_scope

from ..rls.create import create_policies
from ..rls.sql import execute, quoted, table_name

__all__ = ["grant", "tables"]

_REASON = "the tables of a test database"


@contextmanager
def tables(owner: Engine, metadata: MetaData, *, role: str | None = None) -> Generator[None]:
    """Create all tables, on PostgreSQL with their policies, and drop them after the block.

    Args:
        owner: an engine that logs in as the role that is to own the tables.
        metadata: the tables.
        role: on PostgreSQL, the role of the application: it is granted ``SELECT``, ``INSERT``,
            ``UPDATE`` and ``DELETE``. ``None`` if it needs no grants.
    """
    with system_scope(_REASON), owner.begin() as connection:
        metadata.create_all(connection)
        if connection.dialect.name == "postgresql":
            create_policies(connection, metadata)
            if role is not None:
                grant(connection, metadata, role)
    try:
        yield
    finally:
        with system_scope(_REASON), owner.begin() as connection:
            metadata.drop_all(connection)


def grant(connection: Connection, metadata: MetaData, role: str) -> None:
    """Grant a role the use of all tables."""
    to = f"TO {quoted(role)}"
    schemas: set[str] = set()
    for table in list(metadata.tables.values()):
        name = table_name(table.schema, table.name)
        execute(connection, f"GRANT SELECT, INSERT, UPDATE, DELETE ON {name} {to}")
        schemas.add(table.schema or execute(connection, "SELECT current_schema()").scalar_one())
    for schema in map(quoted, sorted(schemas)):
        execute(connection, f"GRANT USAGE ON SCHEMA {schema} {to}")
        execute(connection, f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA {schema} {to}")
