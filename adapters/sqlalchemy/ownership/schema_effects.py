"""What a table's own definition makes the database do to rows of other tenants.

An inherited table is read and changed with its parent, and a constraint may delete or drop a
row to resolve a conflict. No statement says so, so the definition is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from sqlalchemy import Column, PrimaryKeyConstraint, Table, UniqueConstraint
from sqlalchemy.types import String, TypeDecorator, TypeEngine

from ..errors import ConfigurationError
from .model import (
    ColumnOwnership,
    Ownership,
    ParentKey,
    ParentOwnership,
    TableKey,
    table_key,
    table_label,
)

__all__ = ["check_collations", "check_definitions"]

_RESOLVING: Final = frozenset({"REPLACE", "IGNORE"})
"""The clauses of ``ON CONFLICT`` by which SQLite goes on without an error."""


def check_definitions(
    tables: Iterable[Table], ownerships: Mapping[TableKey, Ownership], shared: frozenset[TableKey]
) -> None:
    """Check what the definitions of ``tables`` make the database do by itself.

    Args:
        tables: all known tables.
        ownerships: the ownership of those that belong to tenants.
        shared: the tables that were declared as shared.

    Raises:
        ConfigurationError: one of them reaches rows of other tenants.
    """
    tables = list(tables)
    by_name: dict[str, list[Table]] = {}
    for table in tables:
        by_name.setdefault(table.name.casefold(), []).append(table)
    for table in tables:
        ownership = ownerships.get(table_key(table))
        for name in _inherited(table):
            parents = by_name.get(name.casefold(), [])
            for parent in parents:
                inherited = ownerships.get(table_key(parent))
                if table_key(table) not in shared or inherited is None:
                    _check_inheritance(table, ownership, table_label(parent), inherited)
            if not parents:
                _check_inheritance(table, ownership, name, None)
        if ownership is not None:
            _check_conflict_clauses(table, ownership)
    _check_replaced_parents(tables, ownerships)


# -- INHERITS ----------------------------------------------------------------------


def _inherited(table: Table) -> tuple[str, ...]:
    given = table.dialect_options["postgresql"].get("inherits")
    if given is None:
        return ()
    return (given,) if isinstance(given, str) else tuple(given)


def _check_inheritance(
    table: Table, ownership: Ownership | None, parent: str, inherited: Ownership | None
) -> None:
    if ownership is None and inherited is None:
        return
    if ownership is not None and inherited is not None and _are_alike(ownership, inherited):
        return
    if inherited is None:
        raise ConfigurationError(
            f"{table_label(table)} is tenant-aware and inherits from {parent}, which is not: a "
            f"statement on {parent} reaches every tenant's rows. Mark {parent} with "
            "@tenant_aware and the same tenant column, or remove postgresql_inherits"
        )
    raise ConfigurationError(
        f"{table_label(table)} inherits from {parent}, which is tenant-aware, and is not assigned "
        f"to tenants in the same way: mark it with @tenant_aware and the tenant column of {parent}"
    )


def _are_alike(left: Ownership, right: Ownership) -> bool:
    if isinstance(left, ColumnOwnership) and isinstance(right, ColumnOwnership):
        return left.column == right.column and left.python_type is right.python_type
    return _keys(left) == _keys(right)


def _keys(ownership: Ownership) -> frozenset[tuple[tuple[str, ...], TableKey]] | None:
    if isinstance(ownership, ColumnOwnership):
        return None
    return frozenset((each.columns, table_key(each.parent)) for each in ownership.parent_keys)


# -- ON CONFLICT -------------------------------------------------------------------


def _conflict_clauses(table: Table) -> Iterator[tuple[str, frozenset[str]]]:
    """Yield the clause of each unique or primary key of ``table``, and the key's columns."""
    for constraint in list(table.constraints):
        if not isinstance(constraint, PrimaryKeyConstraint | UniqueConstraint):
            continue
        columns = list(constraint.columns)
        kind = "primary_key" if isinstance(constraint, PrimaryKeyConstraint) else "unique"
        clause = constraint.dialect_options["sqlite"].get("on_conflict")
        if clause is None and len(columns) == 1:
            clause = columns[0].dialect_options["sqlite"].get(f"on_conflict_{kind}")
        yield _upper(clause), frozenset(each.name for each in columns)


def _upper(clause: str | None) -> str:
    return (clause or "").strip().upper()


def _check_conflict_clauses(table: Table, ownership: Ownership) -> None:
    for clause, columns in _conflict_clauses(table):
        if clause in _RESOLVING and not _includes_tenant(columns, ownership):
            does = "deletes" if clause == "REPLACE" else "silently loses"
            raise ConfigurationError(
                f"{table_label(table)} has ON CONFLICT {clause} on {', '.join(sorted(columns))}, "
                f"which does not include the tenant: an INSERT or UPDATE then {does} a row "
                "because of another tenant's. Add the tenant column to the constraint, or remove "
                "sqlite_on_conflict"
            )
    for column in table.columns:
        clause = _upper(column.dialect_options["sqlite"].get("on_conflict_not_null"))
        if clause == "REPLACE" and (column.foreign_keys or _is_tenant(column, ownership)):
            raise ConfigurationError(
                f"{table_label(table)}.{column.name} has ON CONFLICT REPLACE for NULL: SQLite then "
                "writes the default, which is not checked; remove sqlite_on_conflict_not_null"
            )


def _is_tenant(column: Column[Any], ownership: Ownership) -> bool:
    return isinstance(ownership, ColumnOwnership) and column.name == ownership.column


def _includes_tenant(columns: frozenset[str], ownership: Ownership) -> bool:
    """Return whether only rows of one tenant can be equal in ``columns``."""
    if isinstance(ownership, ParentOwnership):
        return any(
            columns.issuperset(each.columns)
            and not any(_collation(ownership.table, name) for name in each.columns)
            for each in ownership.parent_keys
        )
    # Under a collation the ids of two tenants may be equal.
    return ownership.column in columns and not _collation(ownership.table, ownership.column)


def _check_replaced_parents(tables: list[Table], ownerships: Mapping[TableKey, Ownership]) -> None:
    """Refuse to replace a row of a table without a tenant if the tenants' rows go with it."""
    replaced = {
        table_key(table): table
        for table in tables
        if table_key(table) not in ownerships
        and any(clause == "REPLACE" for clause, _ in _conflict_clauses(table))
    }
    if not replaced:
        return
    for table in tables:
        for element in (each for key in table.foreign_key_constraints for each in key.elements):
            schema, _, name = element.target_fullname.rpartition(".")[0].rpartition(".")
            action = (element.constraint.ondelete or "") if element.constraint is not None else ""
            found = replaced.get((schema or None, name))
            if found is not None and action.strip().upper() not in {"", "NO ACTION", "RESTRICT"}:
                raise ConfigurationError(
                    f"{table_label(found)} has ON CONFLICT REPLACE, and rows of "
                    f"{table_label(table)} are deleted or changed together with its rows, any "
                    "tenant's: remove sqlite_on_conflict, or the foreign key's ondelete"
                )


# -- collations --------------------------------------------------------------------


def check_collations(table: Table, key: ParentKey) -> None:
    """Check that a foreign key compares text as the column that it refers to does.

    Raises:
        ConfigurationError: the collations differ, so a row could match two parents, one of
            them another tenant's.
    """
    for ours, theirs in zip(key.columns, key.parent_columns, strict=True):
        if _collation(table, ours) != _collation(key.parent, theirs):
            raise ConfigurationError(
                f"{table_label(table)}.{ours} and {table_label(key.parent)}.{theirs}, which it "
                "refers to, have different collations: a row could belong to two tenants. Give "
                "both the same collation"
            )


def _collation(table: Table, name: str) -> tuple[tuple[str, str], ...]:
    """Return the collations of a column's type, by database; empty where it has none."""
    column = next((each for each in table.columns if each.name == name), None)
    if column is None:
        return ()
    # private: the types that replace this one on some databases.
    types = {"": column.type, **column.type._variant_mapping}
    found = {dialect: _collation_of(type_) for dialect, type_ in types.items()}
    default = found[""]
    return tuple(
        sorted(
            (dialect, each)
            for dialect, each in found.items()
            if each != default or (dialect == "" and each)
        )
    )


def _collation_of(type_: TypeEngine[Any]) -> str:
    while isinstance(type_, TypeDecorator):
        type_ = type_.impl_instance
    collation = (type_.collation or "") if isinstance(type_, String) else ""
    return "" if collation.casefold() == "binary" else collation.casefold()
