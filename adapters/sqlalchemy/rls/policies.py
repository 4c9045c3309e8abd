"""The policies of a table, as SQL.

Each table gets two or more:

- permissive ones, because PostgreSQL shows no row without: each compares the tenant by itself, so
  that a table stays closed whichever one of its policies is dropped. Most tables have one for all
  commands; where every tenant reads some rows, there is one for each command;
- where tenants are signed, a permissive one for signed system scopes, for a role of its own;
- a restrictive one that compares the tenant, too. Restrictive policies apply in addition to all
  others, so a permissive policy that is added later cannot expose more rows;
- a restrictive one that looks up the rows that a new or changed row refers to. PostgreSQL's
  own foreign key check sees every tenant's rows;
- where every tenant reads some rows, restrictive ones for ``UPDATE`` and ``DELETE``, which leave
  these rows out.

The function that returns the tenant is called in a subquery: the planner evaluates it once per
statement, before it reads any row, and can use the value in an index scan.

PostgreSQL applies the policies of the table that a statement names. A statement that names a
partition bypasses the policies of the partitioned table. Partitions therefore get row-level
security without a policy and show no rows when queried directly; queries on the partitioned
table still reach their rows.

https://www.postgresql.org/docs/current/sql-createpolicy.html
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from .comment import record
from .conditions import (
    Conditions,
    conditions_of,
    reference_condition,
    signed_condition,
    system_condition,
)
from .functions import drop_unused, lookup_functions_of, tenant_functions_of
from .specification import TablePolicySpec
from .sql import literal, quoted, table_name
from .verifier import verifier_functions_of, verifier_statements

__all__ = [
    "ACCESS",
    "ALL",
    "DELETE",
    "REFERENCES",
    "TENANT",
    "UPDATE",
    "Policy",
    "policies_of",
    "statements_to_create",
    "statements_to_drop",
]

ACCESS: Final = "tenantshield_access"
INSERTED: Final = "tenantshield_access_insert"
UPDATED: Final = "tenantshield_access_update"
DELETED: Final = "tenantshield_access_delete"
SYSTEM: Final = "tenantshield_system"
TENANT: Final = "tenantshield_tenant"
REFERENCES: Final = "tenantshield_references"
UPDATE: Final = "tenantshield_update"
DELETE: Final = "tenantshield_delete"
ALL: Final = (ACCESS, INSERTED, UPDATED, DELETED, SYSTEM, TENANT, REFERENCES, UPDATE, DELETE)
"""The names of all policies of this package."""

Command = Literal["ALL", "SELECT", "INSERT", "UPDATE", "DELETE"]


@dataclass(frozen=True, slots=True)
class Policy:
    """One policy.

    Attributes:
        name: its name, the same on every table.
        using: the condition for rows that are read, changed or deleted, as SQL; ``None`` if
            there is none.
        check: the condition for rows that are written; ``None`` if it is the same.
        restrictive: whether it is restrictive rather than permissive.
        command: the command that it is for.
        roles: the roles that it is for; empty for all of them.
    """

    name: str
    using: str | None
    check: str | None = None
    restrictive: bool = False
    command: Command = "ALL"
    roles: tuple[str, ...] = ()

    @property
    def written(self) -> str | None:
        """The condition for rows that are written; ``None`` if the command writes none."""
        if self.command in {"SELECT", "DELETE"}:
            return None
        return self.using if self.check is None else self.check


def policies_of(spec: TablePolicySpec, specs: Sequence[TablePolicySpec] = ()) -> list[Policy]:
    """Return the policies of one table.

    Args:
        spec: the table's specification.
        specs: the specifications of all tables with policies, or at least of the tables
            that this one refers to.

    Raises:
        KeyError: the column's ``kind`` cannot be compared with its ``storage``.
    """
    rows = conditions_of(spec)
    split = rows.visible != rows.own
    permitted, restricted = rows, rows
    if spec.signed:
        permitted = rows.and_(signed_condition())
    if spec.system_role is not None:
        restricted = rows.or_(system_condition())
    policies = [*_permissive(spec, permitted), *_restrictive(restricted, split=split)]
    referred = reference_condition(spec, specs)
    if referred is not None:
        policies.append(Policy(REFERENCES, using=None, check=referred, restrictive=True))
    return policies


def _permissive(spec: TablePolicySpec, rows: Conditions) -> Iterator[Policy]:
    roles = spec.roles
    if rows.visible == rows.own:
        yield Policy(ACCESS, rows.visible, roles=roles)
    else:
        yield Policy(ACCESS, rows.visible, command="SELECT", roles=roles)
        yield Policy(INSERTED, None, rows.own, command="INSERT", roles=roles)
        yield Policy(UPDATED, rows.own, command="UPDATE", roles=roles)
        yield Policy(DELETED, rows.own, command="DELETE", roles=roles)
    if spec.system_role is not None:
        yield Policy(SYSTEM, system_condition(), roles=(spec.system_role,))


def _restrictive(rows: Conditions, *, split: bool) -> Iterator[Policy]:
    if not split:
        yield Policy(TENANT, rows.visible, restrictive=True)
        return
    yield Policy(TENANT, rows.visible, rows.own, restrictive=True)
    yield Policy(UPDATE, rows.own, restrictive=True, command="UPDATE")
    yield Policy(DELETE, rows.own, restrictive=True, command="DELETE")


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
    yield from verifier_statements(spec)
    for function in (*tenant_functions_of(spec), *lookup_functions_of(spec, specs)):
        yield function.definition
    # Enabled first: between two statements the table may show too few rows, never too many.
    yield f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY"
    yield f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY"
    for name in ALL:
        yield f"DROP POLICY IF EXISTS {name} ON {table}"
    for policy in reversed(policies):
        yield _statement(policy, table)
    yield f"COMMENT ON POLICY {TENANT} ON {table} IS {literal(record(spec))}"
    yield _for_each_partition(table, "ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")


def _statement(policy: Policy, table: str) -> str:
    return " ".join(
        [
            f"CREATE POLICY {policy.name} ON {table}",
            f"AS {'RESTRICTIVE' if policy.restrictive else 'PERMISSIVE'} FOR {policy.command}",
            f"TO {', '.join(map(quoted, policy.roles)) or 'PUBLIC'}",
            *([] if policy.using is None else [f"USING ({policy.using})"]),
            *([] if policy.written is None else [f"WITH CHECK ({policy.written})"]),
        ]
    )


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
    for function in lookup_functions_of(spec, specs):
        yield f"DROP FUNCTION IF EXISTS {table_name(function.schema, function.name)}"
    for function in (*tenant_functions_of(spec), *verifier_functions_of(spec)):
        yield drop_unused(function)
