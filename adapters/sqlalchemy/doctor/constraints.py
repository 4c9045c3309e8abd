"""Checks on the models' unique constraints, primary keys and foreign keys."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Column, MetaData, PrimaryKeyConstraint, Table, UniqueConstraint
from sqlalchemy.types import Uuid

from ..ownership.cascades import cascades
from ..ownership.model import (
    ColumnOwnership,
    Ownership,
    ParentKey,
    ParentOwnership,
    table_key,
    table_label,
)
from ..ownership.registry import registry
from ..snapshots import values_of_option
from .declarations import is_confined, is_generated, references_of, rule_of, tenant_references
from .findings import Finding

__all__ = ["Unique", "check_constraints", "confining_columns", "uniques_of"]


@dataclass(frozen=True, slots=True)
class Unique:
    """A unique constraint or index of a model.

    Attributes:
        name: its name; ``None`` if the database chooses one.
        columns: the columns that occur in it.
        is_plain: whether it has only columns and no condition.
        is_index: whether it is an index rather than a constraint.
    """

    name: str | None
    columns: tuple[Column[object], ...]
    is_plain: bool
    is_index: bool

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(each.name for each in self.columns)


def uniques_of(table: Table) -> Iterator[Unique]:
    """Yield the unique constraints and indexes of ``table``, without its primary key."""
    for constraint in list(table.constraints):
        if isinstance(constraint, UniqueConstraint):
            name = None if constraint.name is None else str(constraint.name)
            yield Unique(name, tuple(constraint.columns), is_plain=True, is_index=False)
    for index in sorted(table.indexes, key=lambda each: str(each.name)):
        if index.unique:
            columns = tuple(index.columns)
            plain = len(columns) == len(index.expressions) and all(
                isinstance(each, Column) for each in index.expressions
            )
            plain = plain and not values_of_option(index, "where")
            yield Unique(str(index.name), columns, is_plain=plain, is_index=True)


def confining_columns(rule: Ownership) -> tuple[str, ...]:
    """Return the columns that confine rows to a tenant: the tenant column or the first tie."""
    return (rule.column,) if isinstance(rule, ColumnOwnership) else rule.parent_keys[0].columns


def check_constraints(
    table: Table, rule: Ownership | None, metadata: MetaData
) -> Iterator[Finding]:
    """Yield the weaknesses in the constraints of a declared table.

    Args:
        table: a table of ``metadata``.
        rule: how its rows are assigned to a tenant; ``None`` if it is shared.
        metadata: the tables.
    """
    if rule is not None:
        yield from _check_uniques(table, rule)
        yield from _check_primary_key(table, rule)
        yield from _check_ties(table, rule)
        yield from _check_cascades(table, metadata)
    yield from _check_foreign_keys(table, rule, metadata)


def _check_uniques(table: Table, rule: Ownership) -> Iterator[Finding]:
    for unique in uniques_of(table):
        names = unique.names
        if is_confined(table, rule, set(names)) or any(map(is_generated, unique.columns)):
            continue
        yield Finding(
            "unique-without-tenant",
            table_label(table),
            f"{', '.join(names)} must be unique across all tenants: a value that one tenant uses "
            "is unavailable to the others, and the error tells them that it exists.",
            _fix_of_unique(table, rule, unique),
            ", ".join(names),
            unique.name,
        )


def _fix_of_unique(table: Table, rule: Ownership, unique: Unique) -> str:
    ignore = f"leave it and pass --ignore unique-without-tenant:{table_label(table)}"
    confining = confining_columns(rule)
    if tuple(each.name for each in table.primary_key.columns) == confining:
        return (
            f"a tenant has one row, so nothing would be left to check with {confining[0]} in it: "
            f"if the values may be known, such as the names of organizations, {ignore}"
        )
    wanted = ", ".join(f'"{each}"' for each in (*confining, *unique.names))
    if not unique.is_index:
        name = "" if unique.name is None else f', name="{unique.name}"'
        fix = f"UniqueConstraint({wanted}{name}) in its place, in __table_args__"
    elif unique.is_plain:
        fix = f'Index("{unique.name}", {wanted}, unique=True) in its place, in __table_args__'
    else:
        fix = f"put {', '.join(confining)} first in the index {unique.name}"
    return (
        f"{fix}; or, if it is looked up before the tenant is known, such as the address of a "
        f"log-in, {ignore}"
    )


def _check_primary_key(table: Table, rule: Ownership) -> Iterator[Finding]:
    key: PrimaryKeyConstraint = table.primary_key
    columns: list[Column[object]] = list(key.columns)
    names = [each.name for each in columns]
    if not columns or is_confined(table, rule, set(names)):
        return
    if any(is_generated(each) or isinstance(each.type, Uuid) for each in columns):
        return
    wanted = ", ".join(f'"{each}"' for each in (*confining_columns(rule), *names))
    yield Finding(
        "primary-key-without-tenant",
        table_label(table),
        f"The primary key {', '.join(names)} is not generated and does not include the tenant: a "
        "value that one tenant uses is unavailable to the others, and the error tells them that "
        "it exists.",
        f"PrimaryKeyConstraint({wanted}), or a surrogate: an Integer that the database "
        "generates, or a Uuid; if the program fills in unique values, such as UUIDs with a prefix: "
        'mapped_column(..., info={"tenantshield_generated": True})',
        ", ".join(names),
    )


def _check_ties(table: Table, rule: Ownership) -> Iterator[Finding]:
    if not isinstance(rule, ParentOwnership):
        return
    for tie in rule.parent_keys:
        by_name: dict[str, Column[object]] = {each.name: each for each in table.columns}
        nullable = [each for each in tie.columns if by_name[each].nullable]
        if nullable:
            yield Finding(
                "tie-nullable",
                table_label(table),
                f"A row belongs to its tenant through {', '.join(nullable)}, which may be NULL: "
                "such a row belongs to no tenant.",
                f"nullable=False on {', '.join(nullable)}",
                ", ".join(nullable),
            )


def _check_foreign_keys(
    table: Table, rule: Ownership | None, metadata: MetaData
) -> Iterator[Finding]:
    label = table_label(table)
    looked_up = {(each.columns, table_key(each.parent)) for each in references_of(table)}
    for tie, parent, has_tenant in tenant_references(table, metadata):
        if has_tenant:
            continue
        columns, target = ", ".join(tie.columns), table_label(tie.parent)
        if registry.is_shared(table):
            yield Finding(
                "shared-reference",
                label,
                f"It is shared across tenants and refers to {target} by {columns}: every tenant "
                "sees the identifiers of the rows that it refers to.",
                "@tenant_aware in place of @shared_across_tenants, unless this is intended",
                columns,
            )
        elif (tie.columns, table_key(tie.parent)) not in looked_up:
            yield Finding(
                "references-unchecked",
                label,
                f"{columns} refers to {target} without the tenant, and check_references=False "
                "disables the guard's lookup: it may point at another tenant's row.",
                _composite(rule, parent, tie) or "remove check_references=False",
                columns,
            )
        elif composite := _composite(rule, parent, tie):
            yield Finding(
                "reference-without-tenant",
                label,
                f"{columns} refers to {target} without the tenant. The guard looks up the row "
                "before each write; the database itself would accept another tenant's row.",
                composite,
                columns,
            )


def _check_cascades(table: Table, metadata: MetaData) -> Iterator[Finding]:
    for each in cascades(list(metadata.tables.values())):
        actions = [
            f"ON {event} {action}"
            for event, action in (("DELETE", each.on_delete), ("UPDATE", each.on_update))
            if action
        ]
        if each.table is table and actions and rule_of(each.parent) is None:
            columns, target = ", ".join(each.columns), table_label(each.parent)
            action = " and ".join(actions)
            yield Finding(
                "shared-cascades",
                table_label(table),
                f"{columns} refers to {target}, which belongs to no tenant, with {action}: "
                "deleting or changing a row there deletes or changes rows of all tenants here.",
                f"remove {action} from the foreign key, unless only code in system_scope() "
                f"deletes from {target} or changes its keys",
                columns,
            )


def _composite(rule: Ownership | None, parent: Ownership, tie: ParentKey) -> str | None:
    """Return code for the foreign key with the tenant in it."""
    if not isinstance(rule, ColumnOwnership) or not isinstance(parent, ColumnOwnership):
        return None
    if rule.shared_rows is not None or parent.shared_rows is not None:
        # It would not reach the shared rows.
        return None
    ours = [f'"{each}"' for each in tie.columns]
    theirs = [f'"{table_label(tie.parent)}.{each}"' for each in tie.parent_columns]
    parts = [each[0] if len(each) == 1 else f"({', '.join(each)})" for each in (ours, theirs)]
    if rule.column != "tenant_id":
        parts.append(f'tenant="{rule.column}"')
    if parent.column != rule.column:
        parts.append(f'parent_tenant="{parent.column}"')
    return (
        f"tenant_foreign_key({', '.join(parts)}) in __table_args__, in place of the ForeignKey "
        "on the column"
    )
