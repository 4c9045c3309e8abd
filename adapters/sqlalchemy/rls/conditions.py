"""The conditions of policies, as SQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from .functions import lookup_function, needs_functions, tenant_function
from .specification import ParentLink, Storage, TablePolicySpec, TenantColumn
from .sql import literal, quoted, table_name

__all__ = ["Conditions", "conditions_of", "reference_condition"]

_LITERALS: Final[Mapping[Storage, str]] = {
    "text": "",
    "char": "::bpchar",
    "integer": "::bigint",
    "uuid": "::uuid",
    "hex": "::bpchar",
}


@dataclass(frozen=True, slots=True)
class Conditions:
    """Which rows of a table a tenant reaches.

    Attributes:
        visible: the rows that it reads.
        own: the rows that it writes: among those, the ones that are not everybody's.
    """

    visible: str
    own: str


def conditions_of(spec: TablePolicySpec) -> Conditions:
    """Return the conditions for one table.

    Raises:
        KeyError: the column's ``kind`` cannot be compared with its ``storage``.
    """
    table = table_name(spec.schema, spec.name)
    if spec.column is None:
        return Conditions(
            visible=" AND ".join(_exists(spec, table, tie) for tie in spec.ties),
            own=" AND ".join(_exists(spec, table, tie, own=True) for tie in spec.ties),
        )
    shared = [_is(table, spec.column, each) for each in spec.column.shared_rows]
    return Conditions(
        visible=" OR ".join([_is_tenants(spec, table, spec.column), *shared]),
        own=_is_own(spec, table, spec.column),
    )


def _is_tenants(spec: TablePolicySpec, row: str, column: TenantColumn) -> str:
    function = tenant_function(spec, column)
    called = f"(SELECT {table_name(function.schema, function.name)}())"
    return f"{row}.{quoted(column.name)} = {called}"


def _is_own(spec: TablePolicySpec, row: str, column: TenantColumn) -> str:
    """Return the condition that a row, the name of a table or alias, is the tenant's own."""
    condition = _is_tenants(spec, row, column)
    # No tenant may have the identifier of the shared rows: it could write them.
    others = [f"NOT {_is(row, column, each)}" for each in column.shared_rows if each is not None]
    return " AND ".join([condition, *others])


def _is(row: str, column: TenantColumn, value: str | None) -> str:
    name = f"{row}.{quoted(column.name)}"
    if value is None:
        return f"({name} IS NULL)"
    return f"({name} = {literal(value)}{_LITERALS[column.storage]})"


def _exists(
    spec: TablePolicySpec, child: str, link: ParentLink, *, own: bool = False, depth: int = 1
) -> str:
    """Return the condition that the parent row is visible.

    The parent's own policies apply inside the subquery.

    Args:
        spec: the table that the condition is for.
        child: the name of the table or alias that refers to the parent.
        link: the foreign key.
        own: whether the parent must be the tenant's own.
        depth: how many such subqueries this one is inside of, and one.
    """
    parent = "tenantshield_parent" if depth == 1 else f"tenantshield_parent_{depth}"
    conditions = [
        f"{parent}.{quoted(theirs)} = {child}.{quoted(ours)}"
        for ours, theirs in zip(link.columns, link.parent_columns, strict=True)
    ]
    for each in link.own if own else ():
        if isinstance(each, TenantColumn):
            conditions.append(_is_own(spec, parent, each))
        else:
            conditions.append(_exists(spec, parent, each, own=True, depth=depth + 1))
    return (
        f"EXISTS (SELECT 1 FROM {table_name(link.parent_schema, link.parent)} AS {parent} "
        f"WHERE {' AND '.join(conditions)})"
    )


def reference_condition(spec: TablePolicySpec, specs: Sequence[TablePolicySpec] = ()) -> str | None:
    """Return the condition that a row refers to visible rows; ``None`` if it refers to none."""
    by_function = needs_functions(spec, specs)
    conditions = [
        _reference(spec, each, by_function=each in by_function) for each in spec.references
    ]
    return " AND ".join(conditions) or None


def _reference(spec: TablePolicySpec, link: ParentLink, *, by_function: bool) -> str:
    child = table_name(spec.schema, spec.name)
    # As in the foreign key itself, a reference that is partly NULL refers to nothing.
    nulls = [f"{child}.{quoted(ours)} IS NULL" for ours in link.columns]
    if not by_function:
        return f"({' OR '.join([*nulls, _exists(spec, child, link)])})"
    if (link.parent_schema, link.parent) == (spec.schema, spec.name):
        # A new row that refers to itself does not exist yet.
        itself = " AND ".join(
            f"{child}.{quoted(ours)} = {child}.{quoted(theirs)}"
            for ours, theirs in zip(link.columns, link.parent_columns, strict=True)
        )
        nulls.append(f"({itself})")
    function = lookup_function(spec, link)
    arguments = ", ".join(f"{child}.{quoted(ours)}" for ours in link.columns)
    called = f"{table_name(function.schema, function.name)}({arguments})"
    return f"({' OR '.join([*nulls, called])})"
