"""The conditions of policies, as SQL."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from .functions import Function, lookup_function, needs_functions, tenant_function
from .specification import ParentLink, Storage, TablePolicySpec, TenantColumn
from .sql import literal, quoted, table_name
from .verifier import signed_function, system_function

__all__ = [
    "Conditions",
    "conditions_of",
    "reference_condition",
    "signed_condition",
    "system_condition",
]

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

    def or_(self, other: str) -> Conditions:
        """Return the conditions for these rows and others."""
        return Conditions(f"{self.visible} OR {other}", f"({self.own}) OR {other}")

    def and_(self, other: str) -> Conditions:
        """Return the conditions for those of these rows for which another holds."""
        return Conditions(f"{other} AND ({self.visible})", f"{other} AND ({self.own})")


def conditions_of(spec: TablePolicySpec) -> Conditions:
    """Return the conditions for one table.

    Raises:
        KeyError: the column's ``kind`` cannot be compared with its ``storage``.
    """
    return _Conditions(spec).of_table()


def signed_condition() -> str:
    """Return the condition that no tenant is named, or one that is signed."""
    return f"{_called(signed_function())} IS NOT NULL"


def system_condition() -> str:
    """Return the condition that the transaction is in a signed system scope."""
    return _called(system_function())


def _called(function: Function) -> str:
    return f"(SELECT {table_name(function.schema, function.name)}())"


class _Conditions:
    """Writes the conditions for one table."""

    def __init__(self, spec: TablePolicySpec) -> None:
        self._spec = spec

    def of_table(self) -> Conditions:
        spec, table = self._spec, table_name(self._spec.schema, self._spec.name)
        if spec.column is None:
            return Conditions(
                visible=" AND ".join(_exists(table, tie) for tie in spec.ties),
                own=" AND ".join(_exists(table, tie, self._are_own) for tie in spec.ties),
            )
        shared = [_is(table, spec.column, each) for each in spec.column.shared_rows]
        return Conditions(
            visible=" OR ".join([self._is_tenants(table, spec.column), *shared]),
            own=self._is_own(table, spec.column),
        )

    def _is_tenants(self, row: str, column: TenantColumn) -> str:
        called = _called(tenant_function(self._spec, column))
        return f"{row}.{quoted(column.name)} = {called}"

    def _is_own(self, row: str, column: TenantColumn) -> str:
        """Return the condition that a row, the name of a table or alias, is the tenant's own."""
        # No tenant may have the identifier of the shared rows: it could write them.
        others = [
            f"NOT {_is(row, column, each)}" for each in column.shared_rows if each is not None
        ]
        return " AND ".join([self._is_tenants(row, column), *others])

    def _are_own(self, parent: str, link: ParentLink, depth: int) -> list[str]:
        return [
            self._is_own(parent, each)
            if isinstance(each, TenantColumn)
            else _exists(parent, each, self._are_own, depth + 1)
            for each in link.own
        ]


def _is(row: str, column: TenantColumn, value: str | None) -> str:
    name = f"{row}.{quoted(column.name)}"
    if value is None:
        return f"({name} IS NULL)"
    return f"({name} = {literal(value)}{_LITERALS[column.storage]})"


def _exists(
    child: str,
    link: ParentLink,
    own: Callable[[str, ParentLink, int], list[str]] | None = None,
    depth: int = 1,
) -> str:
    """Return the condition that the parent row is visible.

    The parent's own policies apply inside the subquery.

    Args:
        child: the name of the table or alias that refers to the parent.
        link: the foreign key.
        own: returns the conditions that the parent row is the tenant's own; ``None`` if it may
            be one that every tenant reads.
        depth: how many such subqueries this one is inside of, and one.
    """
    parent = "tenantshield_parent" if depth == 1 else f"tenantshield_parent_{depth}"
    conditions = [
        f"{parent}.{quoted(theirs)} = {child}.{quoted(ours)}"
        for ours, theirs in zip(link.columns, link.parent_columns, strict=True)
    ]
    if own is not None:
        conditions += own(parent, link, depth)
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
        return f"({' OR '.join([*nulls, _exists(child, link)])})"
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
