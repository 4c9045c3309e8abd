"""Checks for schema features that change rows without the guard's involvement."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import MetaData, Table
from sqlalchemy.dialects.postgresql import ExcludeConstraint

from ..ownership.cascades import cascades
from ..ownership.model import ColumnOwnership, Ownership, ParentOwnership, table_label
from ..ownership.table_options import collations, conflict_clauses, inherited_tables
from .constraints import confining_columns, uniques_of
from .declarations import is_confined, rule_of
from .findings import Finding

__all__ = ["check_side_effects"]


def check_side_effects(table: Table, rule: Ownership, metadata: MetaData) -> Iterator[Finding]:
    """Yield the features through which the database itself affects other tenants' rows.

    Args:
        table: a tenant-aware or tied table of ``metadata``.
        rule: how its rows are assigned to a tenant.
        metadata: the tables.
    """
    yield from _check_exclusions(table, rule)
    yield from _check_inheritance(table, metadata)
    yield from _check_replacing(table, rule)
    yield from _check_partial_references(table, metadata)
    yield from _check_collations(table, rule)


def _check_exclusions(table: Table, rule: Ownership) -> Iterator[Finding]:
    for each in list(table.constraints):
        if not isinstance(each, ExcludeConstraint):
            continue
        # Only a comparison by = keeps the constraint within one tenant.
        equal = {str(name) for name, operator in each.operators.items() if operator == "="}
        if is_confined(table, rule, equal):
            continue
        wanted = ", ".join(f'("{name}", "=")' for name in confining_columns(rule))
        yield Finding(
            "exclusion-without-tenant",
            table_label(table),
            "An exclusion constraint applies across all tenants: one tenant's row can prevent "
            "the others from writing theirs, and the error shows its values.",
            f"add {wanted} to the ExcludeConstraint; it needs the extension btree_gist",
            ", ".join(column.name for column in each.columns) or None,
            None if each.name is None else str(each.name),
        )


def _check_inheritance(table: Table, metadata: MetaData) -> Iterator[Finding]:
    for name in inherited_tables(table):
        parent = metadata.tables.get(name)
        if parent is not None and rule_of(parent) is not None:
            continue
        yield Finding(
            "inherited-by-tenant-aware",
            table_label(table),
            f"It inherits from {name}, which is not tenant-aware: statements on {name} read and "
            "change the rows of all tenants.",
            f"@tenant_aware on {name}, or remove postgresql_inherits",
            object=name,
        )


def _check_replacing(table: Table, rule: Ownership) -> Iterator[Finding]:
    for clause, names in conflict_clauses(table):
        if clause != "REPLACE" or not names or is_confined(table, rule, set(names)):
            continue
        yield Finding(
            "conflict-replaces",
            table_label(table),
            f'{", ".join(names)} must be unique across all tenants, with "REPLACE" on conflict: '
            "on SQLite, an ordinary INSERT deletes another tenant's row.",
            f"remove the option, or add {', '.join(confining_columns(rule))} to the constraint",
            ", ".join(names),
        )


def _check_partial_references(table: Table, metadata: MetaData) -> Iterator[Finding]:
    for each in cascades(list(metadata.tables.values())):
        if each.table is not table or not (each.on_delete or each.on_update):
            continue
        rule = rule_of(each.parent)
        referred = set(each.parent_columns)
        if rule is None or (isinstance(rule, ColumnOwnership) and rule.column in referred):
            continue
        if any(key <= referred for key in _keys_of(each.parent)):
            continue
        columns, target = ", ".join(each.columns), table_label(each.parent)
        yield Finding(
            "reference-to-part-of-key",
            table_label(table),
            f"{columns} refers to {target} by {', '.join(sorted(referred))}, which is not unique "
            "there, with a cascade: on MariaDB and MySQL, it reaches other tenants' rows.",
            "refer to the whole key, with the tenant column",
            columns,
        )


def _keys_of(table: Table) -> Iterator[set[str]]:
    if table.primary_key.columns:
        yield {each.name for each in table.primary_key.columns}
    for unique in uniques_of(table):
        if unique.is_plain:
            yield set(unique.names)


def _check_collations(table: Table, rule: Ownership) -> Iterator[Finding]:
    if not isinstance(rule, ParentOwnership):
        return
    for tie in rule.parent_keys:
        for name, parent_name in zip(tie.columns, tie.parent_columns, strict=True):
            own, other = collations(table, name), collations(tie.parent, parent_name)
            if own != other:
                yield Finding(
                    "tie-collations-differ",
                    table_label(table),
                    f"The collation of {name} is {_in_words(own)}, and that of {parent_name} in "
                    f"{table_label(tie.parent)} is {_in_words(other)}.",
                    "give both columns the same collation",
                    name,
                )


def _in_words(found: tuple[tuple[str, str], ...]) -> str:
    named = (
        (collation or "the default") + (f" on {dialect}" if dialect else "")
        for dialect, collation in found
    )
    return ", ".join(named) or "the default"
