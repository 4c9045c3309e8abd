"""The policy of a table that Citus has distributed.

Citus creates the policies on the shards again, without ``AS RESTRICTIVE`` (see
``CreatePolicyCommandForPolicy`` in its ``policy.c``). PostgreSQL shows what any permissive policy
allows, so there must be only one, and it must not contain a subquery, which Citus refuses.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from sqlalchemy.engine import Connection

from ..errors import ConfigurationError
from .functions import SETTINGS
from .policies import Policy
from .specification import Kind, Storage, TablePolicySpec
from .sql import execute, literal, quoted, table_name

__all__ = ["POLICY", "distributed_oids", "distributed_policy", "refuse_distributed"]

POLICY: Final = "tenantshield_citus"
"""The name of the policy on each table."""

_METADATA: Final = "pg_catalog.pg_dist_partition"
"""One row for each table that Citus manages:
https://docs.citusdata.com/en/stable/develop/api_metadata.html"""

_CASTS: Final[Mapping[tuple[Kind, Storage], str]] = {
    ("text", "text"): "",
    ("text", "uuid"): "::uuid",
    ("integer", "integer"): "::bigint",
    ("uuid", "uuid"): "::uuid",
}


def distributed_policy(spec: TablePolicySpec) -> Policy | None:
    """Return the policy of a distributed table; ``None`` if Citus could not keep any for it."""
    column = spec.column
    cast = None if column is None else _CASTS.get((column.kind, column.storage))
    if column is None or cast is None:
        return None
    setting = f"nullif(current_setting({literal(SETTINGS[column.kind])}, true), '')"
    return Policy(POLICY, f"{quoted(column.name)} = {setting}{cast}")


def distributed_oids(connection: Connection) -> frozenset[int]:
    """Return the tables that Citus has distributed by a column.

    Args:
        connection: a connection to PostgreSQL.
    """
    if not _is_citus(connection):
        return frozenset()
    found = execute(connection, f"SELECT logicalrelid::oid FROM {_METADATA} WHERE partmethod = 'h'")
    return frozenset(oid for (oid,) in found)


def _is_citus(connection: Connection) -> bool:
    return execute(connection, f"SELECT to_regclass({literal(_METADATA)})").scalar() is not None


def refuse_distributed(connection: Connection, specs: Iterable[TablePolicySpec]) -> None:
    """Refuse tables that Citus has distributed.

    Args:
        connection: a connection to PostgreSQL, in a system scope.
        specs: the tables that are to get policies.

    Raises:
        ConfigurationError: some of them are distributed.
    """
    if not _is_citus(connection):
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
