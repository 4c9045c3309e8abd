"""The functions that the policies call, as SQL.

The tenant of the transaction is returned by a function, whose result a policy compares with the
tenant column. A foreign key that leads back to its own table is looked up by one, because a
policy must not read the table that it protects; that one runs with the caller's rights.

https://www.postgresql.org/docs/current/sql-createfunction.html
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from .specification import Kind, ParentLink, Storage, TablePolicySpec, TenantColumn
from .sql import literal, quoted, table_name

__all__ = [
    "BOOLEAN",
    "LOOKUP",
    "PREFIX",
    "SETTINGS",
    "Function",
    "Nature",
    "drop_unused",
    "lookup_function",
    "lookup_functions_of",
    "needs_functions",
    "tenant_function",
    "tenant_functions_of",
]

SETTINGS: Final[Mapping[Kind, str]] = {
    "text": "tenantshield.text",
    "integer": "tenantshield.integer",
    "uuid": "tenantshield.uuid",
}
"""The database settings with the tenant of a transaction, by the type of its identifier. The
tenants 7 and "7" are different."""

PREFIX: Final = "tenantshield_"
"""The prefix of all functions' names."""
LOOKUP: Final = "tenantshield_refers_"
"""The prefix of the names of the functions that look up references."""

BOOLEAN: Final = 16
"""The oid of a type: https://github.com/postgres/postgres/blob/master/src/include/catalog/pg_type.dat"""

_UUID: Final = (
    "CASE WHEN {0} OPERATOR(pg_catalog.~) "
    "'^[0-9a-fA-F]{{8}}(-?[0-9a-fA-F]{{4}}){{3}}-?[0-9a-fA-F]{{12}}$' "
    "THEN {0}::pg_catalog.uuid END"
)
_NUMERIC: Final = "{0}::pg_catalog.numeric OPERATOR(pg_catalog.%s) '%d'::pg_catalog.numeric"
_INTEGER: Final = (
    "CASE WHEN {0} OPERATOR(pg_catalog.~) '^-?[0-9]{{1,19}}$' THEN "
    f"CASE WHEN {_NUMERIC % ('>=', -(2**63))} AND {_NUMERIC % ('<=', 2**63 - 1)} "
    "THEN {0}::pg_catalog.int8 END END"
)

# None of them fails. PostgreSQL may evaluate a condition of an attacker's own first, and call the
# function only if some row fits, whoever it belongs to: an error would tell him so.
_CONVERSIONS: Final[Mapping[tuple[Kind, Storage], tuple[str, str, int]]] = {
    ("text", "text"): ("text", "{}", 25),
    ("text", "char"): ("bpchar", "{}::pg_catalog.bpchar", 1042),
    ("text", "uuid"): ("uuid", _UUID, 2950),
    ("text", "hex"): ("bpchar", "pg_catalog.replace({}, '-', '')::pg_catalog.bpchar", 1042),
    ("integer", "integer"): ("int8", _INTEGER, 20),
    ("uuid", "uuid"): ("uuid", _UUID, 2950),
    ("uuid", "hex"): ("bpchar", "pg_catalog.replace({}, '-', '')::pg_catalog.bpchar", 1042),
}
"""The type of the column, how a setting is converted to it, and the type's oid."""


@dataclass(frozen=True, slots=True)
class Nature:
    """What a function is, apart from its name, its arguments and its body.

    All functions are written in PL/pgSQL.

    Attributes:
        returns: the oid of the type that it returns.
        volatility: ``v`` for volatile, ``s`` for stable.
        parallel: ``u`` for unsafe, ``r`` for restricted, ``s`` for safe.
        definer: whether it runs with the rights of its owner.
        settings: the settings that it runs with.
    """

    returns: int = BOOLEAN
    volatility: str = "v"
    parallel: str = "u"
    definer: bool = False
    settings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Function:
    """A function that a policy calls.

    Attributes:
        schema: its schema; ``None`` for the default one.
        name: its name.
        body: its body.
        definition: the statement that creates it.
        nature: what else there is to compare.
        reference: the foreign key that it looks up; ``None`` if it returns the tenant.
    """

    schema: str | None
    name: str
    body: str
    definition: str
    nature: Nature
    reference: ParentLink | None = None


# -- the tenant --------------------------------------------------------------------


def tenant_function(spec: TablePolicySpec, column: TenantColumn) -> Function:
    """Return the function that returns the tenant, for policies of the table of ``spec``.

    Args:
        spec: the table.
        column: the tenant column that the result is compared with.

    Raises:
        KeyError: the column's ``kind`` cannot be compared with its ``storage``.
    """
    type_, conversion, oid = _CONVERSIONS[column.kind, column.storage]
    name = f"{PREFIX}{column.kind}"
    if column.storage != column.kind:
        name += f"_as_{column.storage}"
    # Once a custom setting was set in a session, it reverts to the empty string, not to NULL.
    # Operators and functions have their schema, so that no search path changes the meaning.
    value = f"pg_catalog.current_setting('{SETTINGS[column.kind]}', true)"
    body = (
        f" BEGIN RETURN CASE WHEN {value} OPERATOR(pg_catalog.=) '' THEN NULL "
        f"ELSE {conversion.format(value)} END; END "
    )
    definition = (
        f"CREATE OR REPLACE FUNCTION {table_name(spec.schema, name)}() "
        f"RETURNS pg_catalog.{type_} LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY INVOKER AS "
        f"$tenantshield${body}$tenantshield$"
    )
    return Function(spec.schema, name, body, definition, Nature(oid, "s", "s"))


def tenant_functions_of(spec: TablePolicySpec) -> list[Function]:
    """Return the functions that return the tenant, for the policies of one table.

    Tables of one schema share them.
    """
    columns = [] if spec.column is None else [spec.column]
    ahead = list(spec.ties)
    while ahead:
        for each in ahead.pop().own:
            if isinstance(each, TenantColumn):
                columns.append(each)
            else:
                ahead.append(each)
    return list(dict.fromkeys(tenant_function(spec, each) for each in columns))


def drop_unused(function: Function) -> str:
    """Return the statement that drops a function unless another table's policies call it."""
    name = table_name(function.schema, function.name)
    body = (
        "BEGIN IF NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend WHERE "
        "classid = 'pg_catalog.pg_policy'::pg_catalog.regclass "
        "AND refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass "
        f"AND refobjid = pg_catalog.to_regprocedure({literal(f'{name}()')})) "
        f"THEN DROP FUNCTION IF EXISTS {name}(); END IF; END"
    )
    return f"DO $tenantshield$ {body} $tenantshield$"


# -- references --------------------------------------------------------------------


def lookup_function(spec: TablePolicySpec, link: ParentLink) -> Function:
    """Return the function that looks up a reference of the table of ``spec``."""
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
    return Function(spec.schema, name, body, definition, Nature(), reference=link)


def needs_functions(
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


def lookup_functions_of(
    spec: TablePolicySpec, specs: Sequence[TablePolicySpec] = ()
) -> list[Function]:
    """Return the functions that look up the references of one table."""
    by_function = needs_functions(spec, specs)
    return [lookup_function(spec, each) for each in spec.references if each in by_function]
