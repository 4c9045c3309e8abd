"""Refuses policies on tables that Citus has distributed."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy.engine import Connection

from ..errors import ConfigurationError
from .specification import TablePolicySpec
from .sql import execute, literal, table_name

__all__ = ["refuse_distributed"]

_METADATA = "pg_catalog.pg_dist_partition"
"""One row for each table that Citus manages:
https://docs.citusdata.com/en/stable/develop/api_metadata.html"""


def refuse_distributed(connection: Connection, specs: Iterable[TablePolicySpec]) -> None:
    """Refuse tables that Citus has distributed.

    Citus creates the policies on the shards again, without ``AS RESTRICTIVE`` (see
    ``CreatePolicyCommandForPolicy`` in its ``policy.c``). PostgreSQL shows what any permissive
    policy allows, so one tenant would see the rows of others.

    Args:
        connection: a connection to PostgreSQL, in a system scope.
        specs: the tables that are to get policies.

    Raises:
        ConfigurationError: some of them are distributed.
    """
    if execute(connection, f"SELECT to_regclass({literal(_METADATA)})").scalar() is None:
        return
    names = [literal(table_name(each.schema, each.name)) for each in specs]
    if not names:
        return
    tables = ", ".join(f"to_regclass({name})" for name in names)
    found = execute(
        connection,
        f"SELECT logicalrelid::regclass::text FROM {_METADATA} WHERE logicalrelid IN ({tables}) "
        "ORDER BY 1",
    )
    distributed = [str(name) for (name,) in found]
    if distributed:
        raise ConfigurationError(
            f"these tables are distributed by Citus: {', '.join(distributed)}. Citus makes "
            "restrictive policies permissive on the shards, where a tenant would then see the "
            "rows of others: execute the statements of citus_policy_statements() instead, and "
            "call enforce(engine, citus=True)"
        )
