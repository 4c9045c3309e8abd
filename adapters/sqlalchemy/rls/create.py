"""Creates and drops the policies of all tables."""

from __future__ import annotations

from sqlalchemy import MetaData
from sqlalchemy.engine import Connection

from tenantshield_mw.context import system_scope

from .distributed import refuse_distributed
from .policies import statements_to_create, statements_to_drop
from .specification import specs_of
from .sql import execute, require_postgresql

__all__ = ["create_policies", "drop_policies", "policy_statements"]


def policy_statements(metadata: MetaData) -> list[str]:
    """Return the statements that :func:`create_policies` executes, to run them by other means.

    Args:
        metadata: the tables, such as ``Base.metadata``.

    Raises:
        ConfigurationError: the database cannot compare a tenant column with the tenant's
            identifier.
    """
    specs = specs_of(metadata)
    return [text for each in specs for text in statements_to_create(each, specs)]


def create_policies(connection: Connection, metadata: MetaData) -> None:
    """Create the policies of all tenant-aware and tied tables.

    Row-level security is enabled and forced, so it applies to the tables' owner too. It
    does not apply to superusers and roles with ``BYPASSRLS``. Run this again whenever a
    declaration changes: existing policies of this package are replaced.

    ::

        with owner_engine.begin() as connection:
            Base.metadata.create_all(connection)
            rls.create_policies(connection, Base.metadata)

    Args:
        connection: a connection to PostgreSQL as the tables' owner. With an
            ``AsyncConnection``:
            ``await connection.run_sync(rls.create_policies, Base.metadata)``.
        metadata: the tables, which must exist in the database.

    Raises:
        ConfigurationError: the database is not PostgreSQL, or cannot compare a tenant
            column with the tenant's identifier; or Citus has distributed one of the tables.
    """
    statements = policy_statements(metadata)
    require_postgresql(connection)
    with system_scope("row-level security policies"):
        refuse_distributed(connection, specs_of(metadata))
    _execute(connection, statements)


def drop_policies(connection: Connection, metadata: MetaData) -> None:
    """Drop the policies that :func:`create_policies` created.

    Args:
        connection: a connection to PostgreSQL as the tables' owner.
        metadata: the tables.

    Raises:
        ConfigurationError: the database is not PostgreSQL.
    """
    specs = specs_of(metadata)
    _execute(connection, [text for each in specs for text in statements_to_drop(each, specs)])


def _execute(connection: Connection, statements: list[str]) -> None:
    require_postgresql(connection)
    # The statements touch no rows, but they name tenant-aware tables.
    with system_scope("row-level security policies"):
        for statement in statements:
            execute(connection, statement)
