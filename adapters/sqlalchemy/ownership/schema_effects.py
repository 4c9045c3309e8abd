"""What a table's own definition makes the database do to rows of other tenants.

An inherited table is read and changed with its parent, and a constraint may delete or drop a
row to resolve a conflict. No statement shows it, so statements on such a table are refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, TypeAlias

from sqlalchemy import Column, Table
from sqlalchemy.types import (
    BINARY,
    VARBINARY,
    Boolean,
    Date,
    DateTime,
    Float,
    Integer,
    Interval,
    LargeBinary,
    Numeric,
    String,
    Time,
    TypeEngine,
    Uuid,
)

from ..snapshots import foreign_keys_of
from .forms import forms_of
from .model import (
    ColumnOwnership,
    Ownership,
    ParentOwnership,
    TableKey,
    may_be_shared,
    table_key,
    table_label,
)
from .table_options import collations, conflict_clauses, inherited_tables, upper

__all__ = ["refused_tables"]

_RESOLVING: Final = frozenset({"REPLACE", "IGNORE"})
"""The clauses of ``ON CONFLICT`` by which SQLite goes on without an error."""

_PASSIVE: Final = frozenset({"", "NO ACTION", "RESTRICT"})

Refusals: TypeAlias = Iterator[tuple[TableKey, str]]
"""Tables, each with the reason why statements on it are refused."""


def refused_tables(
    tables: Iterable[Table], ownerships: Mapping[TableKey, Ownership], shared: frozenset[TableKey]
) -> dict[TableKey, str]:
    """Return the tables whose definition reaches rows of other tenants, and why.

    Args:
        tables: all known tables.
        ownerships: the ownership of those that belong to tenants.
        shared: the tables that were declared as shared.
    """
    tables = list(tables)
    found = dict(_inheritance(tables, ownerships, shared))
    same: dict[TableKey, list[Table]] = {}
    for table in tables:
        same.setdefault(table_key(table), []).append(table)
    for table in tables:
        ownership = ownerships.get(table_key(table))
        if ownership is not None:
            found.update(_conflicts(table, ownership, ownerships, same[table_key(table)]))
        if isinstance(ownership, ParentOwnership):
            found.update(_collations(table, ownership))
            found.update(_kinds(table, ownership))
    found.update(_replaced_parents(tables, ownerships))
    return found


# -- INHERITS ----------------------------------------------------------------------


def _inheritance(
    tables: list[Table], ownerships: Mapping[TableKey, Ownership], shared: frozenset[TableKey]
) -> Refusals:
    by_name: dict[str, list[TableKey]] = {}
    for table in tables:
        by_name.setdefault(table.name.casefold(), []).append(table_key(table))
    for table in tables:
        key, label = table_key(table), table_label(table)
        ownership = ownerships.get(key)
        for name in inherited_tables(table):
            # One that is not known can still be named in a statement.
            for parent in by_name.get(name.casefold(), [(None, name)]):
                inherited = ownerships.get(parent)
                if ownership is not None and inherited is None:
                    reason = (
                        f"{name} is not tenant-aware, and {label}, which is, inherits from it: a "
                        f"statement on {name} reaches every tenant's rows. Mark {name} with "
                        "@tenant_aware and the same tenant column, or remove postgresql_inherits"
                    )
                    yield parent, reason
                elif inherited is None or key in shared:
                    continue
                elif ownership is None or not _are_alike(ownership, inherited):
                    reason = (
                        f"{label} inherits from {name}, which is tenant-aware, and is not "
                        "assigned to tenants in the same way. Mark it with @tenant_aware and "
                        f"the tenant column of {name}"
                    )
                    yield key, reason


def _are_alike(left: Ownership, right: Ownership) -> bool:
    if isinstance(left, ColumnOwnership) and isinstance(right, ColumnOwnership):
        return (
            left.column == right.column
            and left.python_type is right.python_type
            and left.shared_rows == right.shared_rows
        )
    return _keys(left) == _keys(right)


def _keys(ownership: Ownership) -> frozenset[tuple[tuple[str, ...], TableKey]] | None:
    if isinstance(ownership, ColumnOwnership):
        return None
    return frozenset((each.columns, table_key(each.parent)) for each in ownership.parent_keys)


# -- ON CONFLICT -------------------------------------------------------------------


def _conflicts(
    table: Table,
    ownership: Ownership,
    ownerships: Mapping[TableKey, Ownership],
    same: list[Table],
) -> Refusals:
    label = table_label(table)
    for clause, names in conflict_clauses(table):
        if clause in _RESOLVING and not _includes_tenant(
            frozenset(names), ownership, ownerships, same
        ):
            does = "deletes" if clause == "REPLACE" else "silently loses"
            reason = (
                f"{label} has ON CONFLICT {clause} on {', '.join(sorted(names))}, which does "
                f"not include the tenant: an INSERT or UPDATE then {does} a row because of "
                "another tenant's. Add the tenant column to the constraint, or remove "
                "sqlite_on_conflict"
            )
            yield table_key(table), reason
    for column in table.columns:
        clause = upper(column.dialect_options["sqlite"].get("on_conflict_not_null"))
        if clause == "REPLACE" and (column.foreign_keys or _is_tenant(column, ownership)):
            reason = (
                f"{label}.{column.name} has ON CONFLICT REPLACE for NULL: SQLite then writes "
                "the default, which is not checked. Remove sqlite_on_conflict_not_null"
            )
            yield table_key(table), reason


def _is_tenant(column: Column[Any], ownership: Ownership) -> bool:
    return isinstance(ownership, ColumnOwnership) and column.name == ownership.column


def _includes_tenant(
    columns: frozenset[str],
    ownership: Ownership,
    ownerships: Mapping[TableKey, Ownership],
    same: list[Table],
) -> bool:
    """Return whether only rows of one tenant can be equal in ``columns``.

    Args:
        columns: the names of the columns of a key.
        ownership: how rows are assigned to a tenant.
        ownerships: the same for every table that belongs to tenants.
        same: every object for the table, one of which may say that a column has a collation.
    """
    folding = {name for name in columns if any(collations(each, name) for each in same)}
    if isinstance(ownership, ParentOwnership):
        return any(
            columns.issuperset(each.columns)
            and folding.isdisjoint(each.columns)
            # Rows of two tenants may have the same shared parent.
            and not may_be_shared(each.parent, lambda table: ownerships.get(table_key(table)))
            for each in ownership.parent_keys
        )
    # Under a collation the ids of two tenants may be equal.
    return ownership.column in columns - folding


def _replaced_parents(tables: list[Table], ownerships: Mapping[TableKey, Ownership]) -> Refusals:
    """Yield the tables without a tenant whose rows take others with them when replaced."""
    replaced = {
        table_key(table): table
        for table in tables
        if table_key(table) not in ownerships
        and any(clause == "REPLACE" for clause, _ in conflict_clauses(table))
    }
    if not replaced:
        return
    for table in tables:
        for constraint in foreign_keys_of(table):
            target = constraint.elements[0].target_fullname.rpartition(".")[0]
            schema, _, name = target.rpartition(".")
            key = (schema or None, name)
            if key in replaced and upper(constraint.ondelete) not in _PASSIVE:
                reason = (
                    f"{target} has ON CONFLICT REPLACE, and rows of {table_label(table)} are "
                    "deleted or changed together with its rows, any tenant's. Remove "
                    "sqlite_on_conflict, or the foreign key's ondelete"
                )
                yield key, reason


# -- collations --------------------------------------------------------------------


def _collations(table: Table, ownership: ParentOwnership) -> Refusals:
    """Yield ``table`` if it compares a key in another way than the parent does.

    A row could then match two parents, one of them another tenant's.
    """
    for key in ownership.parent_keys:
        for ours, theirs in zip(key.columns, key.parent_columns, strict=True):
            if collations(table, ours) != collations(key.parent, theirs):
                reason = (
                    f"{table_label(table)}.{ours} and {table_label(key.parent)}.{theirs}, which "
                    "it refers to, have different collations: a row could belong to two tenants. "
                    "Give both the same collation"
                )
                yield table_key(table), reason


# -- kinds of types ----------------------------------------------------------------

_CONVERTED: Final[tuple[tuple[str, tuple[type[Any], ...]], ...]] = (
    ("rounded number", (Float,)),
    ("number", (Integer, Numeric, Boolean)),
    ("time", (Date, DateTime, Time, Interval)),
)
"""Kinds of types, each with its classes, to which a database converts what it compares with them.
"""
_OTHERS: Final = (String, Uuid, LargeBinary, BINARY, VARBINARY)


def _kinds(table: Table, ownership: ParentOwnership) -> Refusals:
    """Yield ``table`` if it has a number for a parent's text, for example.

    The number 42 is equal to the texts ``42`` and ``042`` on some databases, and so a row with it
    would belong to both parents' tenants.
    """
    own = {each.name: each.type for each in table.columns}
    for key in ownership.parent_keys:
        of_parent = {each.name: each.type for each in key.parent.columns}
        for ours, theirs in zip(key.columns, key.parent_columns, strict=True):
            if ours in own and theirs in of_parent and _differ(own[ours], of_parent[theirs]):
                reason = (
                    f"{table_label(table)}.{ours} and {table_label(key.parent)}.{theirs}, which it "
                    f"refers to, are a {own[ours]!r} and a {of_parent[theirs]!r}, one of which is "
                    "converted when they are compared: a row could belong to two tenants. Give "
                    "both the same type"
                )
                yield table_key(table), reason


def _differ(left: TypeEngine[Any], right: TypeEngine[Any]) -> bool:
    """Return whether two types are of different kinds on some database."""
    if left is right:
        return False
    pairs = zip(forms_of(left), forms_of(right), strict=True)
    kinds = ((_kind_of(one.stored), _kind_of(other.stored)) for one, other in pairs)
    # Of a type that is not known, nothing is said.
    return any(one and other and one != other for one, other in kinds)


def _kind_of(type_: TypeEngine[Any]) -> str | None:
    of_others = "other" if isinstance(type_, _OTHERS) else None
    return next((kind for kind, classes in _CONVERTED if isinstance(type_, classes)), of_others)
