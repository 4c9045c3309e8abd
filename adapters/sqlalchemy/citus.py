"""Statements that distribute the declared tables over a Citus cluster, by tenant.

The tenant column becomes the distribution column. All rows of a tenant are then on one node,
and Citus routes a statement that the guard has confined to that node alone.

https://docs.citusdata.com/en/stable/develop/api_udf.html
https://docs.citusdata.com/en/stable/develop/reference_ddl.html
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Index, MetaData, PrimaryKeyConstraint, Table, UniqueConstraint

from .errors import ConfigurationError
from .ownership.model import ColumnOwnership, ParentKey, carries_tenant, table_label
from .ownership.registry import registry
from .rls.sql import POSTGRESQL, literal, table_name

__all__ = ["citus_statements"]


def citus_statements(metadata: MetaData) -> list[str]:
    """Return the statements that distribute the tables of ``metadata`` over a Citus cluster.

    Tenant-aware tables are distributed by their tenant column, and co-located if the columns
    have the same type. Shared tables become reference tables, which are copied to each node.
    Run the statements on the coordinator, after the tables were created and before they hold
    many rows::

        with owner_engine.begin() as connection, system_scope("distribute the tables"):
            Base.metadata.create_all(connection)
            for statement in citus_statements(Base.metadata):
                connection.exec_driver_sql(statement)

    Args:
        metadata: the tables, such as ``Base.metadata``.

    Returns:
        One ``SELECT`` per table: shared tables first, then parents before the tables that
        refer to them.

    Raises:
        ConfigurationError: a table cannot be distributed by its tenant. The message lists
            all obstacles and how to remove them.
    """
    problems = [each for table in metadata.sorted_tables for each in _problems(table)]
    if problems:
        raise ConfigurationError(
            "these tables cannot be distributed by their tenant:\n  " + "\n  ".join(problems)
        )
    shared = [
        f"SELECT create_reference_table({_name(table)})"
        for table in metadata.sorted_tables
        if registry.is_shared(table)
    ]
    return shared + list(_distributed(metadata))


def _distributed(metadata: MetaData) -> Iterator[str]:
    first: dict[str, Table] = {}
    for table in metadata.sorted_tables:
        rule = registry.ownership_of(table)
        if isinstance(rule, ColumnOwnership):
            neighbour = first.setdefault(_stored_as(rule), table)
            beside = literal("none") if neighbour is table else _name(neighbour)
            yield (
                f"SELECT create_distributed_table({_name(table)}, {literal(rule.column)}, "
                f"colocate_with => {beside})"
            )


def _problems(table: Table) -> Iterator[str]:
    label = table_label(table)
    rule = registry.ownership_of(table)
    if registry.is_shared(table):
        for key in table.foreign_key_constraints:
            if not registry.is_shared(key.referred_table):
                yield (
                    f"{label} is shared and refers to {table_label(key.referred_table)}, which "
                    "is not: a reference table may refer only to reference tables"
                )
    elif rule is None:
        yield (
            f"{label} is not declared: mark it with @tenant_aware, or with "
            "@shared_across_tenants if its rows are the same for all tenants"
        )
    elif not isinstance(rule, ColumnOwnership):
        (tie, *_) = rule.parent_keys
        yield (
            f"{label} is tied to {table_label(tie.parent)} and has no tenant column: add one, "
            "mark the table with @tenant_aware, and change the foreign key to "
            f"{_tenant_foreign_key(tie)}"
        )
    else:
        if rule.shared_rows is not None:
            yield (
                f"{label} has rows that every tenant reads, and a distributed table has each row "
                "on one node: keep them in a table of their own, with @shared_across_tenants"
            )
        yield from _problems_of_keys(table, rule)
        yield from _problems_of_references(table, rule)


def _problems_of_keys(table: Table, rule: ColumnOwnership) -> Iterator[str]:
    label = table_label(table)
    for constraint in table.constraints:
        if isinstance(constraint, PrimaryKeyConstraint | UniqueConstraint):
            names = [each.name for each in constraint.columns]
            if names and rule.column not in names:
                kind = "primary key" if isinstance(constraint, PrimaryKeyConstraint) else "unique"
                yield (
                    f"{label}: {kind} ({', '.join(names)}) does not include the tenant: change it "
                    f"to ({', '.join([rule.column, *names])})"
                )
    for index in sorted(table.indexes, key=lambda each: str(each.name)):
        if index.unique and rule.column not in _names_in(index):
            yield (
                f"{label}: the unique index {index.name} does not include the tenant: add "
                f"{rule.column} as its first column"
            )


def _problems_of_references(table: Table, rule: ColumnOwnership) -> Iterator[str]:
    label = table_label(table)
    for key in table.foreign_key_constraints:
        tie = ParentKey(
            tuple(each.parent.name for each in key.elements),
            key.referred_table,
            tuple(each.column.name for each in key.elements),
        )
        parent = registry.ownership_of(tie.parent)
        # Tied and undeclared tables have a message of their own.
        if isinstance(parent, ColumnOwnership) and not carries_tenant(tie, rule, parent):
            yield (
                f"{label}: the foreign key ({', '.join(tie.columns)}) does not include the "
                f"tenant: change it to {_tenant_foreign_key(tie)}"
            )


def _names_in(index: Index) -> list[str]:
    return [getattr(each, "name", "") for each in index.expressions]


def _stored_as(rule: ColumnOwnership) -> str:
    # Citus co-locates tables by the type of the distribution column, regardless of length.
    return str(rule.type_.compile(POSTGRESQL)).partition("(")[0]


def _name(table: Table) -> str:
    return literal(table_name(table.schema, table.name))


def _tenant_foreign_key(tie: ParentKey) -> str:
    parent = table_label(tie.parent)
    theirs = tuple(f"{parent}.{each}" for each in tie.parent_columns)
    return f"tenant_foreign_key({_python(tie.columns)}, {_python(theirs)})"


def _python(names: tuple[str, ...]) -> str:
    quoted = ", ".join(f'"{each}"' for each in names)
    return quoted if len(names) == 1 else f"({quoted})"
