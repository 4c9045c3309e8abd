"""The policies of a table, as SQL.

Each table gets up to five:

- a permissive one that allows all rows, because PostgreSQL shows none without a permissive
  policy;
- a restrictive one that compares the tenant. Restrictive policies apply in addition to all
  others, so a policy that is added later cannot expose more rows;
- a restrictive one that looks up the rows that a new or changed row refers to. PostgreSQL's
  own foreign key check sees every tenant's rows;
- where every tenant reads some rows, restrictive ones for ``UPDATE`` and ``DELETE``, which leave
  these rows out.

The setting is read in a subquery: the planner evaluates it once per statement, before it
reads any row, and can use the value in an index scan.

PostgreSQL applies the policies of the table that a statement names. A statement that names a
partition bypasses the policies of the partitioned table. Partitions therefore get row-level
security without a policy and show no rows when queried directly; queries on the partitioned
table still reach their rows.

A foreign key may lead back to its own table, but a policy must not read the table that it
protects. Such a reference is looked up by a function, which runs with the caller's rights.

https://www.postgresql.org/docs/current/sql-createpolicy.html
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from .comment import record
from .specification import Kind, ParentLink, Storage, TablePolicySpec, TenantColumn
from .sql import literal, quoted, table_name

__all__ = [
    "ACCESS",
    "ALL",
    "DELETE",
    "LOOKUP",
    "REFERENCES",
    "SETTINGS",
    "TENANT",
    "UPDATE",
    "Function",
    "Policy",
    "functions_of",
    "policies_of",
    "statements_to_create",
    "statements_to_drop",
]

SETTINGS: Final[Mapping[Kind, str]] = {
    "text": "tenantshield.text",
    "integer": "tenantshield.integer",
    "uuid": "tenantshield.uuid",
}
"""The database settings with the tenant of a transaction, by the type of its identifier. The
tenants 7 and "7" are different."""

ACCESS: Final = "tenantshield_access"
TENANT: Final = "tenantshield_tenant"
REFERENCES: Final = "tenantshield_references"
UPDATE: Final = "tenantshield_update"
DELETE: Final = "tenantshield_delete"
ALL: Final = (ACCESS, TENANT, REFERENCES, UPDATE, DELETE)
"""The names of all policies of this package."""
LOOKUP: Final = "tenantshield_refers_"
"""The prefix of the functions' names."""

_CASTS: Final[Mapping[tuple[Kind, Storage], str]] = {
    ("text", "text"): "{}",
    ("text", "char"): "{}::bpchar",
    ("text", "uuid"): "{}::uuid",
    ("text", "hex"): "replace({}, '-', '')::bpchar",
    ("integer", "integer"): "{}::bigint",
    ("uuid", "uuid"): "{}::uuid",
    ("uuid", "hex"): "replace({}, '-', '')::bpchar",
}


@dataclass(frozen=True, slots=True)
class Policy:
    """One policy.

    Attributes:
        name: its name, the same on every table.
        restrictive: whether it is restrictive rather than permissive.
        using: the condition for rows that are read, changed or deleted, as SQL.
        check: the condition for rows that are written; ``None`` if it is the same.
        command: the command that it is for.
    """

    name: str
    restrictive: bool
    using: str
    check: str | None = None
    command: Literal["ALL", "UPDATE", "DELETE"] = "ALL"


@dataclass(frozen=True, slots=True)
class Function:
    """A function that a policy calls to look up a reference.

    Attributes:
        schema: the schema of the function and its table; ``None`` for the default one.
        name: its name.
        reference: the foreign key that it looks up.
        body: its body.
        definition: the statement that creates it.
    """

    schema: str | None
    name: str
    reference: ParentLink
    body: str
    definition: str


def _tenant_in_scope(column: TenantColumn) -> str:
    # Once a custom setting was set in a session, it reverts to the empty string, not to NULL.
    value = f"nullif(current_setting('{SETTINGS[column.kind]}', true), '')"
    return f"(SELECT {_CASTS[column.kind, column.storage].format(value)})"


def _is_tenants(row: str, column: TenantColumn) -> str:
    return f"{row}.{quoted(column.name)} = {_tenant_in_scope(column)}"


def _is_own(row: str, column: TenantColumn) -> str:
    """Return the condition that a row, the name of a table or alias, is the tenant's own."""
    condition = _is_tenants(row, column)
    # No tenant may have the identifier of the shared rows: it could write them.
    others = [f"NOT {_is(row, column, each)}" for each in column.shared_rows if each is not None]
    return " AND ".join([condition, *others])


def _is(row: str, column: TenantColumn, value: str | None) -> str:
    name = f"{row}.{quoted(column.name)}"
    if value is None:
        return f"({name} IS NULL)"
    casts: Mapping[Storage, str] = {
        "text": "",
        "char": "::bpchar",
        "integer": "::bigint",
        "uuid": "::uuid",
        "hex": "::bpchar",
    }
    return f"({name} = {literal(value)}{casts[column.storage]})"


def _exists(child: str, link: ParentLink, *, own: bool = False, depth: int = 1) -> str:
    """Return the condition that the parent row is visible.

    The parent's own policies apply inside the subquery.

    Args:
        child: the name of the table or alias that refers to it.
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
            conditions.append(_is_own(parent, each))
        else:
            conditions.append(_exists(parent, each, own=True, depth=depth + 1))
    return (
        f"EXISTS (SELECT 1 FROM {table_name(link.parent_schema, link.parent)} AS {parent} "
        f"WHERE {' AND '.join(conditions)})"
    )


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
    function = _function(spec, link)
    arguments = ", ".join(f"{child}.{quoted(ours)}" for ours in link.columns)
    called = f"{table_name(function.schema, function.name)}({arguments})"
    return f"({' OR '.join([*nulls, called])})"


def _function(spec: TablePolicySpec, link: ParentLink) -> Function:
    digest = hashlib.sha256(repr((spec.schema, spec.name, link)).encode()).hexdigest()[:12]
    name = f"{LOOKUP}{digest}"
    parent = table_name(link.parent_schema, link.parent)
    parameters = ", ".join(f"{parent}.{quoted(theirs)}%TYPE" for theirs in link.parent_columns)
    pairs = " AND ".join(
        f"tenantshield_parent.{quoted(theirs)} = ${number}"
        for number, theirs in enumerate(link.parent_columns, 1)
    )
    # VOLATILE, so that it sees rows that the same statement wrote earlier. It uses the search
    # path of the caller, so names without a schema resolve as they do in other statements.
    body = (
        f" BEGIN RETURN EXISTS (SELECT 1 FROM {parent} AS tenantshield_parent WHERE {pairs}); END "
    )
    definition = (
        f"CREATE OR REPLACE FUNCTION {table_name(spec.schema, name)}({parameters}) "
        "RETURNS boolean LANGUAGE plpgsql VOLATILE SECURITY INVOKER AS "
        f"$tenantshield${body}$tenantshield$"
    )
    return Function(spec.schema, name, link, body, definition)


def _needs_functions(
    spec: TablePolicySpec, specs: Iterable[TablePolicySpec]
) -> frozenset[ParentLink]:
    """Return the references of a table that lead back to the table.

    PostgreSQL rejects a policy that reads its own table, directly or indirectly: "infinite
    recursion detected in policy".
    """
    reads = {
        (each.schema, each.name): {(tie.parent_schema, tie.parent) for tie in each.ties}
        for each in specs
    }

    def leads_back(start: tuple[str | None, str]) -> bool:
        seen, ahead = set[tuple[str | None, str]](), [start]
        while ahead:
            here = ahead.pop()
            if here == (spec.schema, spec.name):
                return True
            if here not in seen:
                seen.add(here)
                ahead.extend(reads.get(here, ()))
        return False

    return frozenset(
        each for each in spec.references if leads_back((each.parent_schema, each.parent))
    )


def policies_of(spec: TablePolicySpec, specs: Sequence[TablePolicySpec] = ()) -> list[Policy]:
    """Return the policies of one table.

    Args:
        spec: the table's specification.
        specs: the specifications of all tables with policies, or at least of the tables
            that this one refers to.

    Raises:
        KeyError: the column's ``kind`` cannot be compared with its ``storage``.
    """
    table = table_name(spec.schema, spec.name)
    if spec.column is not None:
        own = _is_own(table, spec.column)
        shared = [_is(table, spec.column, each) for each in spec.column.shared_rows]
        visible = " OR ".join([_is_tenants(table, spec.column), *shared])
        is_split = bool(shared)
    else:
        own = " AND ".join(_exists(table, tie, own=True) for tie in spec.ties)
        visible = " AND ".join(_exists(table, tie) for tie in spec.ties)
        is_split = own != visible
    policies = [
        Policy(ACCESS, restrictive=False, using="true"),
        Policy(TENANT, restrictive=True, using=visible, check=own if is_split else None),
    ]
    if is_split:
        policies.append(Policy(UPDATE, restrictive=True, using=own, command="UPDATE"))
        policies.append(Policy(DELETE, restrictive=True, using=own, command="DELETE"))
    if spec.references:
        by_function = _needs_functions(spec, specs)
        check = " AND ".join(
            _reference(spec, each, by_function=each in by_function) for each in spec.references
        )
        policies.append(Policy(REFERENCES, restrictive=True, using="true", check=check))
    return policies


def functions_of(spec: TablePolicySpec, specs: Sequence[TablePolicySpec] = ()) -> list[Function]:
    """Return the functions that the policies of one table call."""
    by_function = _needs_functions(spec, specs)
    return [_function(spec, each) for each in spec.references if each in by_function]


def _for_each_partition(table: str, action: str, condition: str = "true") -> str:
    # Only the database knows the current partitions.
    body = (
        "DECLARE part regclass; BEGIN FOR part IN SELECT tree.relid "
        f"FROM pg_catalog.pg_partition_tree({literal(table)}) AS tree "
        "JOIN pg_catalog.pg_class AS class ON class.oid = tree.relid "
        f"WHERE tree.level > 0 AND class.relkind IN ('r', 'p') AND {condition} "
        f"LOOP EXECUTE pg_catalog.format('ALTER TABLE %s {action}', part); END LOOP; END"
    )
    return f"DO $tenantshield$ {body} $tenantshield$"


def statements_to_create(
    spec: TablePolicySpec, specs: Sequence[TablePolicySpec] = ()
) -> Iterator[str]:
    """Yield the statements that create the policies of one table.

    They can be run again, also on a table with older policies of this package, which they
    replace.
    """
    table = table_name(spec.schema, spec.name)
    policies = policies_of(spec, specs)
    for function in functions_of(spec, specs):
        yield function.definition
    # Enabled first: between two statements the table may show too few rows, never too many.
    yield f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY"
    yield f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY"
    for name in ALL:
        yield f"DROP POLICY IF EXISTS {name} ON {table}"
    for policy in reversed(policies):
        check = policy.using if policy.check is None else policy.check
        yield (
            f"CREATE POLICY {policy.name} ON {table} "
            f"AS {'RESTRICTIVE' if policy.restrictive else 'PERMISSIVE'} FOR {policy.command} "
            f"TO PUBLIC USING ({policy.using})"
            # What is deleted is not written.
            + ("" if policy.command == "DELETE" else f" WITH CHECK ({check})")
        )
    yield f"COMMENT ON POLICY {TENANT} ON {table} IS {literal(record(spec))}"
    yield _for_each_partition(table, "ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")


def statements_to_drop(
    spec: TablePolicySpec, specs: Sequence[TablePolicySpec] = ()
) -> Iterator[str]:
    """Yield the statements that drop the policies of one table and disable row-level
    security.
    """
    table = table_name(spec.schema, spec.name)
    for name in ALL:
        yield f"DROP POLICY IF EXISTS {name} ON {table}"
    yield f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY"
    yield f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY"
    yield _for_each_partition(
        table,
        "NO FORCE ROW LEVEL SECURITY, DISABLE ROW LEVEL SECURITY",
        # A partition with policies of its own keeps them.
        "NOT EXISTS (SELECT 1 FROM pg_catalog.pg_policy WHERE polrelid = tree.relid)",
    )
    for function in functions_of(spec, specs):
        yield f"DROP FUNCTION IF EXISTS {table_name(function.schema, function.name)}"
