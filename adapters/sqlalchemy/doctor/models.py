"""Checks that need only the models: the declarations, the tenant columns and their types."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from sqlalchemy import Column, MetaData, PrimaryKeyConstraint, Table, UniqueConstraint
from sqlalchemy.types import Integer, Uuid

from ..errors import ConfigurationError
from ..ownership.declare import DEFAULT_COLUMN
from ..ownership.limits import undecorated
from ..ownership.model import ColumnOwnership, table_label
from ..ownership.registry import registry
from ..rls.policies import policies_of
from ..rls.specification import spec_of_table
from ..snapshots import values_of_option
from .constraints import check_constraints
from .declarations import declared_tables, rule_of, tables_of, tenant_columns, tenant_references
from .findings import Finding
from .side_effects import check_side_effects

__all__ = ["begins_with", "check_models"]


def check_models(metadata: MetaData) -> Iterator[Finding]:
    """Yield the weaknesses in the models, without any database."""
    names = tenant_columns(metadata)
    for table in tables_of(metadata):
        rule = rule_of(table)
        if registry.is_shared(table):
            yield from _check_shared(table, names)
        elif rule is None:
            yield _undeclared(table, names)
            continue
        elif isinstance(rule, ColumnOwnership):
            yield from _check_tenant_column(table, rule)
        yield from check_constraints(table, rule, metadata)
        if rule is not None:
            if registry.is_observed(table):
                yield _observed(table)
            yield from check_side_effects(table, rule, metadata)
    yield from _differing_types(metadata)


def _undeclared(table: Table, names: frozenset[str]) -> Finding:
    label = table_label(table)
    column = next(
        (each.name for each in table.columns if each.name in {*names, DEFAULT_COLUMN}), None
    )
    nullable = sorted(
        {
            table_label(tie.parent)
            for tie, _, _ in tenant_references(table, table.metadata)
            if any(each.nullable for each in table.columns if each.name in tie.columns)
        }
    )
    reason = "It is neither tenant-aware, nor tied to a table that is, nor shared"
    if column is not None:
        reason += f", and has a column {column}"
    elif nullable:
        reason += (
            f"; its foreign key to {', '.join(nullable)} may be NULL, so it does not tie the "
            "table to a tenant"
        )
    keyword = f"(column={column!r})" if column not in {None, DEFAULT_COLUMN} else ""
    return Finding(
        "undeclared",
        label,
        f"{reason}. The guard ignores it: every tenant sees all of its rows.",
        f"@tenant_aware{keyword} on the class, or @shared_across_tenants if all tenants are "
        "meant to share its rows; for a Table, call the same functions",
        column,
    )


def _observed(table: Table) -> Finding:
    return Finding(
        "observed",
        table_label(table),
        "It is observed: statements run as they are, and nothing keeps tenants apart.",
        "leave out observe(), or name only other tables in it, once its reports are dealt with",
    )


def _check_shared(table: Table, names: frozenset[str]) -> Iterator[Finding]:
    for column in table.columns:
        if column.name in names:
            yield Finding(
                "shared-with-tenant-column",
                table_label(table),
                f"It is shared across tenants and has a column {column.name}, which is the "
                "tenant column of other tables.",
                f"@tenant_aware(column={column.name!r}), unless tenants are looked up in it",
                column.name,
            )


def _check_tenant_column(table: Table, rule: ColumnOwnership) -> Iterator[Finding]:
    label, name = table_label(table), rule.column
    column: Column[object] = table.c[rule.key]
    if column.nullable and (rule.shared_rows is None or rule.shared_rows.value is not None):
        yield Finding(
            "tenant-nullable",
            label,
            f"{name} may be NULL: such a row belongs to no tenant, and the database does not "
            "check a composite foreign key that is partly NULL.",
            f"{rule.key}: Mapped[{rule.python_type.__name__}], or nullable=False",
            name,
        )
    if not any(begins_with(table, name)):
        yield Finding(
            "tenant-not-indexed",
            label,
            f"No primary key, unique constraint or index begins with {name}: each statement "
            "reads all tenants' rows to find those of one.",
            f'Index("ix_{table.name}_{name}", "{name}") in __table_args__, or index=True on the '
            "column",
            name,
        )
    if column.server_default is not None or (
        column.default is not None and column.default.is_scalar
    ):
        which = "server_default" if column.server_default is not None else "default"
        yield Finding(
            "tenant-default",
            label,
            f"{name} has a {which}: a row that is written without the guard, or in a system "
            "scope without a tenant, silently goes to the default tenant.",
            f"remove {which}= from the column; the guard fills it in",
            name,
        )
    yield from _check_type(table, rule)


def begins_with(table: Table, name: str) -> Iterator[bool]:
    """Yield, for each key, unique constraint and full index, whether it begins with ``name``."""
    for constraint in list(table.constraints):
        if isinstance(constraint, PrimaryKeyConstraint | UniqueConstraint) and constraint.columns:
            yield next(iter(constraint.columns)).name == name
    for index in list(table.indexes):
        # A partial index does not contain all rows.
        if not values_of_option(index, "where"):
            yield getattr(index.expressions[0], "name", None) == name


def _check_type(table: Table, rule: ColumnOwnership) -> Iterator[Finding]:
    try:
        spec = spec_of_table(table)
        if spec is not None:
            policies_of(spec)
    except ConfigurationError as error:
        reason = str(error)
    except KeyError:
        reason = (
            f"{rule.column} is a {rule.type_!r} but holds a {rule.python_type.__name__}, and "
            "the database cannot compare the two"
        )
    else:
        return
    yield Finding(
        "tenant-type",
        table_label(table),
        f"{reason[0].upper()}{reason[1:]}. The table cannot have policies.",
        f"{rule.key}: Mapped[str] = mapped_column(String(255), index=True)",
        rule.column,
    )


def _differing_types(metadata: MetaData) -> Iterator[Finding]:
    types = {
        table: (rule, _type_of(rule))
        for table, rule in declared_tables(metadata)
        if isinstance(rule, ColumnOwnership)
    }
    if not types:
        return
    # The most frequent type; the first one if there are several.
    usual, _ = Counter(type_ for _, type_ in types.values()).most_common(1)[0]
    example = next(table for table, (_, type_) in types.items() if type_ == usual)
    for table, (rule, type_) in types.items():
        if type_ != usual:
            yield Finding(
                "tenant-types-differ",
                table_label(table),
                f"{rule.column} is {type_}, but in most tables, such as {table_label(example)}, "
                f"the tenant column is {usual}.",
                f"use {usual} in all tables",
                rule.column,
            )


def _type_of(rule: ColumnOwnership) -> str:
    type_ = undecorated(rule.type_)
    family = next((each for each in (Uuid, Integer) if isinstance(type_, each)), None)
    name = "String" if family is None else family.__name__
    return f"{name} ({rule.python_type.__name__})"
