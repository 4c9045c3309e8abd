"""Puts the policies of all tables in place, or takes them away."""

from __future__ import annotations

from sqlalchemy import MetaData
from sqlalchemy.engine import Connection

from tenantshield_mw.context import system_scope

from ..errors import ConfigurationError
from .policies import statements_to_create, statements_to_drop
from .specification import specs_of

__all__ = ["create_policies", "drop_policies", "policy_statements"]


def policy_statements(metadata: MetaData) -> list[str]:
    """Return what :func:`create_policies` executes, for psql or a migration of one's own.

    Args:
        metadata: the tables; those of a declarative base are in ``Base.metadata``.

    Raises:
        ConfigurationError: a tenant column cannot be compared in the database.
    """
    specs = specs_of(metadata)
    return [text for each in specs for text in statements_to_create(each, specs)]


def create_policies(connection: Connection, metadata: MetaData) -> None:
    """Put the policies of all tenant-aware and tied tables in place.

    Row-level security is enabled and forced, so that it holds for the tables' owner too.
    It does not hold for superusers and roles with ``BYPASSRLS``. To be run again whenever
    a declaration has changed; what is in place is replaced.

    ::

        with owner_engine.begin() as connection:
            Base.metadata.create_all(connection)
            rls.create_policies(connection, Base.metadata)

    Args:
        connection: of the tables' owner, on PostgreSQL. With an ``AsyncConnection``:
            ``await connection.run_sync(rls.create_policies, Base.metadata)``.
        metadata: the tables; they exist already.

    Raises:
        ConfigurationError: the database is another one, or a tenant column cannot be
            compared in it.
    """
    _execute(connection, policy_statements(metadata))


def drop_policies(connection: Connection, metadata: MetaData) -> None:
    """Take away what :func:`create_policies` put in place.

    Args:
        connection: of the tables' owner, on PostgreSQL.
        metadata: the tables.

    Raises:
        ConfigurationError: the database is another one.
    """
    specs = specs_of(metadata)
    _execute(connection, [text for each in specs for text in statements_to_drop(each, specs)])


def _execute(connection: Connection, statements: list[str]) -> None:
    if connection.dialect.name != "postgresql":
        raise ConfigurationError(
            f"row-level security is PostgreSQL's, and this is {connection.dialect.name!r}; "
            "there, the guard works without it"
        )
    # It touches no row, but names the tables.
    with system_scope("row-level security policies"):
        for statement in statements:
            # Without parameters a percent sign is itself.
            connection.exec_driver_sql(statement, execution_options={"no_parameters": True})
