"""Queries on the declarations, for the checks."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Column, MetaData, Table
from sqlalchemy.sql.schema import Sequence

from ..errors import UnguardedStatementError
from ..ownership.derivation import foreign_keys
from ..ownership.model import (
    ColumnOwnership,
    Ownership,
    ParentKey,
    Reference,
    carries_tenant,
    may_be_shared,
    table_key,
)
from ..ownership.registry import registry

__all__ = [
    "declared_tables",
    "is_confined",
    "is_generated",
    "references_of",
    "rule_of",
    "tables_of",
    "tenant_columns",
    "tenant_references",
]


def tables_of(metadata: MetaData) -> list[Table]:
    """Return the tables sorted by name."""
    return sorted(metadata.tables.values(), key=lambda each: each.fullname)


def rule_of(table: Table) -> Ownership | None:
    """Return how rows of ``table`` are assigned to a tenant; ``None`` if they are not."""
    try:
        return registry.ownership_of(table)
    except UnguardedStatementError:
        # An undeclared table with the name of a declared one in another schema.
        return None


def references_of(table: Table) -> tuple[Reference, ...]:
    """Return the foreign keys of ``table`` that the guard looks up."""
    try:
        return registry.references_of(table)
    except UnguardedStatementError:
        return ()


def declared_tables(metadata: MetaData) -> Iterator[tuple[Table, Ownership]]:
    """Yield the tenant-aware and the tied tables."""
    for table in tables_of(metadata):
        rule = rule_of(table)
        if rule is not None:
            yield table, rule


def tenant_columns(metadata: MetaData) -> frozenset[str]:
    """Return the names by which other tables' tenant columns are recognized.

    The primary key of the table of tenants is not one of them: any table may have an ``id``.
    """
    return frozenset(
        rule.column
        for table, rule in declared_tables(metadata)
        if isinstance(rule, ColumnOwnership)
        and [each.name for each in table.primary_key] != [rule.column]
    )


def tenant_references(
    table: Table, metadata: MetaData
) -> Iterator[tuple[ParentKey, Ownership, bool]]:
    """Yield the foreign keys of ``table`` to tenant-aware and tied tables.

    Yields:
        The foreign key, the ownership of the table that it refers to, and whether the
        foreign key includes the tenant.
    """
    rule = rule_of(table)
    by_key = {table_key(each): each for each in metadata.tables.values()}
    for _, tie in foreign_keys(table, by_key.get):
        parent = rule_of(tie.parent)
        if parent is not None:
            yield tie, parent, carries_tenant(tie, rule, parent)


def is_confined(table: Table, rule: Ownership, columns: set[str]) -> bool:
    """Return whether rows with equal ``columns`` belong to the same tenant.

    They do if the columns include the tenant column, or a foreign key that always points at
    the tenant's own rows.
    """
    if isinstance(rule, ColumnOwnership):
        if rule.column in columns:
            return True
    elif any(
        set(tie.columns) <= columns and not may_be_shared(tie.parent, registry.ownership_of)
        for tie in rule.parent_keys
    ):
        return True
    elif all(may_be_shared(tie.parent, registry.ownership_of) for tie in rule.parent_keys):
        # A tenant writes only rows that are tied to its own.
        return any(set(tie.columns) <= columns for tie in rule.parent_keys)
    return any(
        set(each.columns) <= columns and not may_be_shared(each.parent, registry.ownership_of)
        for each in references_of(table)
    )


def is_generated(column: Column[object]) -> bool:
    """Return whether the program or the database generates the column's values.

    A program that fills in the values itself says so in the column's ``info``.
    """
    if column.info.get("tenantshield_generated") is True:
        return True
    if column.table is not None and column is column.table.autoincrement_column:
        return True
    default = column.default
    if default is not None and (isinstance(default, Sequence) or not default.is_scalar):
        return True
    server_default = column.server_default
    if server_default is None:
        return False
    # A string is the same for each row; a function call or an identity may differ.
    return not isinstance(getattr(server_default, "arg", None), str)
