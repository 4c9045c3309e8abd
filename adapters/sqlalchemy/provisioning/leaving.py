"""Finds what a tenant would leave behind at a place, since the fleet does not know it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from sqlalchemy import Connection, Engine, Table, inspect

from tenantshield_mw.context import system_scope

from ..errors import ConfigurationError
from ..lifecycle.plan import Plan
from ..lifecycle.rows import count_of
from ..ownership.model import table_key, table_label
from ..rls.sql import table_name
from .copying import Rows

__all__ = ["check_leaving"]

_REASON: Final = "find what a tenant would leave behind"

_REFERRING: Final = (
    # Not those of partitions, which follow from that of their table.
    "SELECT conrelid, conrelid::pg_catalog.regclass::pg_catalog.text FROM "
    "pg_catalog.pg_constraint WHERE contype = 'f' AND conparentid = 0 AND confrelid = "
    "pg_catalog.to_regclass('{}')"
)

# Bits of tgtype: 1 is for each row, 2 before, 8 DELETE. An ev_type of 4 is DELETE.
_KEEPING: Final = (
    "SELECT tgname FROM pg_catalog.pg_trigger WHERE NOT tgisinternal AND tgenabled <> 'D' AND "
    "tgtype & 11 = 11 AND tgrelid = pg_catalog.to_regclass('{0}') UNION ALL "
    "SELECT rulename FROM pg_catalog.pg_rewrite WHERE ev_type = '4' AND is_instead AND "
    "ev_class = pg_catalog.to_regclass('{0}')"
)

_OID: Final = "SELECT pg_catalog.to_regclass('{}')::pg_catalog.oid"


def check_leaving(engine: Engine, source: Rows) -> None:
    """Check that everything of the tenant is known, before it leaves.

    Args:
        engine: an engine of the place that tells no tenant, on PostgreSQL.
        source: the rows of the tenant there.

    Raises:
        ConfigurationError: a table has columns that its model lacks, or another ``MetaData`` has
            rows of the tenant, or rows of a table without a model may refer to the tenant's, or a
            trigger or rule may keep the tenant's from being deleted.
    """
    plan = source.plan
    with system_scope(_REASON), engine.connect() as connection:
        if columns := [*_unknown_columns(connection, plan)]:
            raise ConfigurationError(
                f"columns that the models lack would lose their values: {', '.join(columns)}; add "
                "them to the models, or drop them"
            )
        if tables := [*_referring(connection, plan)]:
            raise ConfigurationError(
                "tables without a model have foreign keys to those of tenants, whose rows could "
                f"not be deleted, or would take theirs with them: {', '.join(tables)}; add models "
                "for these tables, or empty them"
            )
        if keeping := [*_keeping(connection, plan)]:
            raise ConfigurationError(
                "triggers or rules could keep rows from being deleted where the tenant leaves: "
                f"{', '.join(keeping)}; drop or disable them, or let triggers run AFTER DELETE"
            )
        there = [each for each in _elsewhere(plan) if _is_there(connection, each)]
    with source.transaction() as connection:
        if left := [table_label(each) for each in there if count_of(connection, each)]:
            raise ConfigurationError(
                f"the tenant has rows in tables of another MetaData: {', '.join(left)}; a tenant "
                "moves with all of its rows, so give Fleet(...) one MetaData with all tables"
            )


def _unknown_columns(connection: Connection, plan: Plan) -> Iterator[str]:
    inspector = inspect(connection)
    for table in plan.tables:
        known = {each.name for each in table.c}
        for column in inspector.get_columns(table.name, table.schema):
            if column["name"] not in known and "computed" not in column:
                yield f"{table_label(table)}.{column['name']}"


def _referring(connection: Connection, plan: Plan) -> Iterator[str]:
    """Yield the tables without a model that refer to those of tenants, and have rows."""
    known = {_ask(connection, _OID, each)[0][0] for each in (*plan.tables, *plan.shared)}
    for table in plan.tables:
        for oid, name in _ask(connection, _REFERRING, table):
            if oid not in known and connection.exec_driver_sql(f"SELECT FROM {name} LIMIT 1").all():
                yield name


def _keeping(connection: Connection, plan: Plan) -> Iterator[str]:
    for table in plan.tables:
        for name, _ in _ask(connection, _KEEPING, table):
            yield f"{name} on {table_label(table)}"


def _ask(connection: Connection, query: str, table: Table) -> list[tuple[Any, Any]]:
    name = table_name(table.schema, table.name).replace("'", "''")
    return [(row[0], row[-1]) for row in connection.exec_driver_sql(query.format(name))]


def _elsewhere(plan: Plan) -> Iterator[Table]:
    known = {table_key(each) for each in plan.tables}
    return (each for each in plan.elsewhere if table_key(each) not in known)


def _is_there(connection: Connection, table: Table) -> bool:
    return inspect(connection).has_table(table.name, table.schema)
