"""The policies of a table, as SQL.

Each table gets three at most:

- one that lets rows through at all, since PostgreSQL shows none where there is no
  permissive policy;
- a restrictive one that asks for the tenant. A restrictive policy holds whatever other
  policies there are, so one that somebody adds later cannot let more through;
- a restrictive one that looks up what a new or changed row refers to. PostgreSQL's own
  check of a foreign key sees every tenant's rows.

The setting is read in a subquery of its own: the planner evaluates that once for a
statement, before it looks at any row, and can look its value up in an index.

PostgreSQL asks the policies of the table that a statement names. Whoever names a partition
goes past those of the table that it is a partition of, so partitions get row-level security
with no policy, and show nothing; through their table their rows are reached as ever.

A foreign key may lead back to the table itself, and a policy must not read the table that
it is for. Such a reference is looked up by a function, which runs as whoever writes.

https://www.postgresql.org/docs/current/sql-createpolicy.html
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy.dialects.postgresql.base import PGDialect

from .comment import record
from .specification import Kind, ParentLink, Storage, TablePolicySpec, TenantColumn

__all__ = [
    "ACCESS",
    "LOOKUP",
    "POSTGRESQL",
    "REFERENCES",
    "SETTINGS",
    "TENANT",
    "Function",
    "Policy",
    "functions_of",
    "literal",
    "policies_of",
    "quoted",
    "statements_to_create",
    "statements_to_drop",
    "table_name",
]

SETTINGS: Final[Mapping[Kind, str]] = {
    "text": "tenantshield.text",
    "integer": "tenantshield.integer",
    "uuid": "tenantshield.uuid",
}
"""The database settings that say which tenant a transaction is for, by the type of its
identifier. The tenant 7 and the tenant "7" are two."""

ACCESS: Final = "tenantshield_access"
TENANT: Final = "tenantshield_tenant"
REFERENCES: Final = "tenantshield_references"
LOOKUP: Final = "tenantshield_refers_"
"""What the names of the functions begin with."""

_CASTS: Final[Mapping[tuple[Kind, Storage], str]] = {
    ("text", "text"): "{}",
    ("text", "char"): "{}::bpchar",
    ("text", "uuid"): "{}::uuid",
    ("text", "hex"): "replace({}, '-', '')::bpchar",
    ("integer", "integer"): "{}::bigint",
    ("uuid", "uuid"): "{}::uuid",
    ("uuid", "hex"): "replace({}, '-', '')::bpchar",
}

# With this kind of parameters a percent sign is itself. The class has no types.
_postgresql: Final[Any] = PGDialect
POSTGRESQL: Final[Any] = _postgresql(paramstyle="named")


@dataclass(frozen=True, slots=True)
class Policy:
    """One policy.

    Attributes:
        name: its name, the same on every table.
        restrictive: whether it holds beside all others, or lets through on its own.
        using: what a row that is read, changed or deleted must fulfil, as SQL.
        check: what a row that is written must fulfil; ``None`` for the same.
    """

    name: str
    restrictive: bool
    using: str
    check: str | None = None


@dataclass(frozen=True, slots=True)
class Function:
    """A function that looks a reference up, for a policy.

    Attributes:
        schema: where it is, beside the table; ``None`` for the default one.
        name: its name.
        along: the reference that it looks up.
        body: what it does.
        definition: what creates it, as SQL.
    """

    schema: str | None
    name: str
    along: ParentLink
    body: str
    definition: str


def quoted(name: str) -> str:
    """Return an identifier as it stands in SQL."""
    text: str = POSTGRESQL.identifier_preparer.quote(name)
    return text


def literal(value: str | int | uuid.UUID) -> str:
    """Return a value as it stands in SQL."""
    return str(value) if isinstance(value, int) else "'{}'".format(str(value).replace("'", "''"))


def table_name(schema: str | None, name: str) -> str:
    """Return a table's name as it stands in SQL."""
    return f"{quoted(schema)}.{quoted(name)}" if schema else quoted(name)


def _tenant_in_scope(column: TenantColumn) -> str:
    # A setting that was ever set in a session is the empty string afterwards, not NULL.
    value = f"nullif(current_setting('{SETTINGS[column.kind]}', true), '')"
    return f"(SELECT {_CASTS[column.kind, column.storage].format(value)})"


def _exists(spec: TablePolicySpec, along: ParentLink) -> str:
    """Return the condition that the parent row is one that may be seen.

    The parent's own policies apply in here.
    """
    child, parent = table_name(spec.schema, spec.name), "tenantshield_parent"
    pairs = " AND ".join(
        f"{parent}.{quoted(theirs)} = {child}.{quoted(ours)}"
        for ours, theirs in zip(along.columns, along.parent_columns, strict=True)
    )
    return (
        f"EXISTS (SELECT 1 FROM {table_name(along.parent_schema, along.parent)} AS {parent} "
        f"WHERE {pairs})"
    )


def _reference(spec: TablePolicySpec, along: ParentLink, *, by_function: bool) -> str:
    child = table_name(spec.schema, spec.name)
    # As for the foreign key itself: one that is NULL in part refers to nothing.
    nulls = [f"{child}.{quoted(ours)} IS NULL" for ours in along.columns]
    if not by_function:
        return f"({' OR '.join([*nulls, _exists(spec, along)])})"
    if (along.parent_schema, along.parent) == (spec.schema, spec.name):
        # A row that refers to itself is not there yet.
        itself = " AND ".join(
            f"{child}.{quoted(ours)} = {child}.{quoted(theirs)}"
            for ours, theirs in zip(along.columns, along.parent_columns, strict=True)
        )
        nulls.append(f"({itself})")
    function = _function(spec, along)
    arguments = ", ".join(f"{child}.{quoted(ours)}" for ours in along.columns)
    called = f"{table_name(function.schema, function.name)}({arguments})"
    return f"({' OR '.join([*nulls, called])})"


def _function(spec: TablePolicySpec, along: ParentLink) -> Function:
    digest = hashlib.sha256(repr((spec.schema, spec.name, along)).encode()).hexdigest()[:12]
    name = f"{LOOKUP}{digest}"
    parent = table_name(along.parent_schema, along.parent)
    parameters = ", ".join(f"{parent}.{quoted(theirs)}%TYPE" for theirs in along.parent_columns)
    pairs = " AND ".join(
        f"tenantshield_parent.{quoted(theirs)} = ${number}"
        for number, theirs in enumerate(along.parent_columns, 1)
    )
    # VOLATILE, so that it sees rows that the same statement has written before.
    # The search path is the one of now, at each call: names without a schema are meant as
    # everywhere else.
    body = (
        f" BEGIN RETURN EXISTS (SELECT 1 FROM {parent} AS tenantshield_parent WHERE {pairs}); END "
    )
    definition = (
        f"CREATE OR REPLACE FUNCTION {table_name(spec.schema, name)}({parameters}) "
        "RETURNS boolean LANGUAGE plpgsql VOLATILE SECURITY INVOKER AS "
        f"$tenantshield${body}$tenantshield$"
    )
    return Function(spec.schema, name, along, body, definition)


def _needs_functions(
    spec: TablePolicySpec, specs: Iterable[TablePolicySpec]
) -> frozenset[ParentLink]:
    """Return the references of a table from which a way leads back to it.

    A policy that reads, in however many steps, the table that it is for is an error:
    "infinite recursion detected in policy".
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
        spec: the table.
        specs: all tables that have policies; those to which it refers are enough.

    Raises:
        KeyError: the column's ``kind`` cannot be compared with its ``storage``.
    """
    if spec.column is not None:
        column = f"{table_name(spec.schema, spec.name)}.{quoted(spec.column.name)}"
        predicate = f"{column} = {_tenant_in_scope(spec.column)}"
    else:
        predicate = " AND ".join(_exists(spec, tie) for tie in spec.ties)
    policies = [
        Policy(ACCESS, restrictive=False, using="true"),
        Policy(TENANT, restrictive=True, using=predicate),
    ]
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
    # Which there are is known to the database alone, and changes.
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
    """Return the statements that put the policies of one table in place.

    They can be run again, also over older policies of this package: what is there of
    those is replaced.
    """
    table = table_name(spec.schema, spec.name)
    policies = policies_of(spec, specs)
    for function in functions_of(spec, specs):
        yield function.definition
    # Closed first: between two of these statements the table shows less, never more.
    yield f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY"
    yield f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY"
    for name in (ACCESS, TENANT, REFERENCES):
        yield f"DROP POLICY IF EXISTS {name} ON {table}"
    for policy in reversed(policies):
        check = policy.using if policy.check is None else policy.check
        yield (
            f"CREATE POLICY {policy.name} ON {table} "
            f"AS {'RESTRICTIVE' if policy.restrictive else 'PERMISSIVE'} FOR ALL TO PUBLIC "
            f"USING ({policy.using}) WITH CHECK ({check})"
        )
    yield f"COMMENT ON POLICY {TENANT} ON {table} IS {literal(record(spec))}"
    yield _for_each_partition(table, "ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")


def statements_to_drop(
    spec: TablePolicySpec, specs: Sequence[TablePolicySpec] = ()
) -> Iterator[str]:
    """Return the statements that take the policies of one table away, and then row-level
    security itself.
    """
    table = table_name(spec.schema, spec.name)
    for name in (ACCESS, TENANT, REFERENCES):
        yield f"DROP POLICY IF EXISTS {name} ON {table}"
    yield f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY"
    yield f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY"
    yield _for_each_partition(
        table,
        "NO FORCE ROW LEVEL SECURITY, DISABLE ROW LEVEL SECURITY",
        # One that has policies got them from somebody who means them.
        "NOT EXISTS (SELECT 1 FROM pg_catalog.pg_policy WHERE polrelid = tree.relid)",
    )
    for function in functions_of(spec, specs):
        yield f"DROP FUNCTION IF EXISTS {table_name(function.schema, function.name)}"
