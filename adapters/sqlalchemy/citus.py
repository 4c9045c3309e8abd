"""Statements that distribute the declared tables over a Citus cluster, by tenant.

The tenant column becomes the distribution column. All rows of a tenant are then on one node,
and Citus routes a statement that the guard has confined to that node alone.

``pg_dist_partition`` has a row for each table that Citus manages. Its ``partmethod`` is ``h`` for
a table that is distributed by a column, and ``n`` for others.

https://docs.citusdata.com/en/stable/develop/api_udf.html
https://docs.citusdata.com/en/stable/develop/reference_ddl.html
https://docs.citusdata.com/en/stable/develop/api_metadata.html
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from sqlalchemy import Index, MetaData, PrimaryKeyConstraint, Table, UniqueConstraint

from .errors import ConfigurationError
from .ownership.model import ColumnOwnership, ParentKey, carries_tenant, table_label
from .ownership.registry import registry
from .rls.distributed import POLICY, distributed_policy
from .rls.functions import SETTINGS
from .rls.policies import ALL
from .rls.specification import spec_of_table
from .rls.sql import POSTGRESQL, literal, quoted, table_name
from .rls.transactions import SET_LOCAL
from .snapshots import foreign_keys_of

__all__ = ["POLICY", "citus_policy_statements", "citus_statements"]

_MANAGED: Final = "SELECT FROM pg_catalog.pg_dist_partition"

# Citus hands on the statement SET LOCAL, and not what set_config() does; the statement takes no
# parameters, and this function does.
_SET_LOCAL_FUNCTION: Final = (
    f"CREATE OR REPLACE FUNCTION {SET_LOCAL}({', '.join(['text'] * len(SETTINGS))}) RETURNS void "
    "LANGUAGE plpgsql AS $tenantshield$ BEGIN "
    + " ".join(
        f"EXECUTE 'SET LOCAL {setting} = ' || pg_catalog.quote_literal(${number});"
        for number, setting in enumerate(SETTINGS.values(), 1)
    )
    + " END $tenantshield$"
)


def citus_statements(metadata: MetaData) -> list[str]:
    """Return the statements that distribute the tables of ``metadata`` over a Citus cluster.

    Tenant-aware tables are distributed by their tenant column, and co-located if the columns
    have the same type. Shared tables become reference tables, which are copied to each node.
    Run the statements on the coordinator, in one transaction, after the tables were created and
    before they hold many rows. Run them again when there are more tables: those that are
    distributed already stay as they are, and new ones are co-located with them::

        with owner_engine.begin() as connection, system_scope("distribute the tables"):
            Base.metadata.create_all(connection)
            for statement in citus_statements(Base.metadata):
                connection.exec_driver_sql(statement)

    The statements fail if a table has a restrictive policy, or one of ``rls.create_policies()``:
    see :func:`citus_policy_statements`.

    Args:
        metadata: the tables, such as ``Base.metadata``. All of them must exist.

    Returns:
        Two statements that prepare, and one per table: shared tables first, then parents before
        the tables that refer to them.

    Raises:
        ConfigurationError: a table cannot be distributed by its tenant. The message lists
            all obstacles and how to remove them.
    """
    owned = _owned(metadata)
    shared = [table for table in metadata.sorted_tables if registry.is_shared(table)]
    return [
        # Otherwise a foreign key from a table that is still local to a reference table makes
        # Citus manage the former, which then cannot be distributed.
        "SET LOCAL citus.enable_local_reference_table_foreign_keys TO off",
        *_refuse_policies([table for table, _ in owned], f"NOT polpermissive OR {_is_named(ALL)}"),
        *(_reference_table(table) for table in shared),
        *(_distributed_table(table, rule, owned) for table, rule in owned),
    ]


def citus_policy_statements(metadata: MetaData, *, role: str) -> list[str]:
    """Return the statements that create policies for tables which Citus has distributed.

    Each tenant-aware table gets one permissive policy without a subquery. Those of
    ``rls.create_policies()`` would leak, since Citus makes restrictive policies permissive on the
    shards; they are dropped. The application calls ``rls.enforce(engine, citus=True)``.

    Run the statements on the coordinator, in one transaction, after those of
    :func:`citus_statements`, as a role that owns the tables and may alter ``role``; run them again
    when there are more tables::

        with admin_engine.begin() as connection, system_scope("policies"):
            for statement in citus_policy_statements(Base.metadata, role="app"):
                connection.exec_driver_sql(statement)

    The statements fail if a table has a restrictive policy from elsewhere.

    Args:
        metadata: the tables, such as ``Base.metadata``.
        role: the role as which the application logs in. It must not be a superuser, and have no
            ``BYPASSRLS``.

    Returns:
        The statements for the policies, for the function that sends the tenant to the nodes, and
        for the role, whose settings Citus must hand on.

    Raises:
        ConfigurationError: a table cannot be distributed by its tenant, or a policy cannot compare
            its tenant column with a setting.
    """
    tables = [table for table, _ in _owned(metadata)]
    owned = [(table_name(each.schema, each.name), _policy(each)) for each in tables]
    return [
        *(
            f"DROP POLICY IF EXISTS {each} ON {name}"
            for name, _ in owned
            for each in (*ALL, POLICY)
        ),
        *_refuse_policies(tables, "NOT polpermissive"),
        # Enabled first: between two statements a table may show too few rows, never too many.
        *(f"ALTER TABLE {name} ENABLE ROW LEVEL SECURITY" for name, _ in owned),
        *(f"ALTER TABLE {name} FORCE ROW LEVEL SECURITY" for name, _ in owned),
        *(
            f"CREATE POLICY {POLICY} ON {name} TO {quoted(role)} "
            f"USING ({condition}) WITH CHECK ({condition})"
            for name, condition in owned
        ),
        _SET_LOCAL_FUNCTION,
        f"ALTER ROLE {quoted(role)} SET citus.propagate_set_commands = 'local'",
    ]


def _owned(metadata: MetaData) -> list[tuple[Table, ColumnOwnership]]:
    """Return the tables that are distributed, parents first.

    Raises:
        ConfigurationError: a table cannot be distributed by its tenant.
    """
    problems = [each for table in metadata.sorted_tables for each in _problems(table)]
    if problems:
        raise ConfigurationError(
            "these tables cannot be distributed by their tenant:\n  " + "\n  ".join(problems)
        )
    rules = [(table, registry.ownership_of(table)) for table in metadata.sorted_tables]
    return [(table, rule) for table, rule in rules if isinstance(rule, ColumnOwnership)]


def _reference_table(table: Table) -> str:
    name = _name(table)
    # repmodel: a table that Citus manages although it is on the coordinator alone has another.
    done = f"logicalrelid = {name}::regclass AND partmethod = 'n' AND repmodel = 't'"
    return f"SELECT create_reference_table({name}) WHERE NOT EXISTS ({_MANAGED} WHERE {done})"


def _distributed_table(
    table: Table, rule: ColumnOwnership, owned: list[tuple[Table, ColumnOwnership]]
) -> str:
    name, column = _name(table), literal(rule.column)
    others = ", ".join(
        f"{_name(other)}::regclass"
        for other, theirs in owned
        if other is not table and _stored_as(theirs) == _stored_as(rule)
    )
    beside = literal("none")
    if others:
        neighbour = (
            "SELECT logicalrelid::text FROM pg_catalog.pg_dist_partition "
            f"WHERE partmethod = 'h' AND logicalrelid IN ({others}) ORDER BY colocationid LIMIT 1"
        )
        beside = f"coalesce(({neighbour}), {beside})"
    done = (
        f"logicalrelid = {name}::regclass AND partmethod = 'h' "
        f"AND column_to_column_name(logicalrelid, partkey) = {column}"
    )
    return (
        f"SELECT create_distributed_table({name}, {column}, colocate_with => {beside}) "
        f"WHERE NOT EXISTS ({_MANAGED} WHERE {done})"
    )


def _refuse_policies(tables: list[Table], condition: str) -> Iterator[str]:
    """Yield the statement that fails if one of the tables has such a policy."""
    if not tables:
        return
    names = ", ".join(f"{_name(table)}::regclass" for table in tables)
    # Without percent signs, which drivers may take for parameters.
    yield (
        "DO $tenantshield$ DECLARE found text; BEGIN "
        "SELECT string_agg(polname || ' on ' || polrelid::regclass, ', ' ORDER BY polname) "
        f"INTO found FROM pg_catalog.pg_policy WHERE polrelid IN ({names}) AND ({condition}); "
        "IF found IS NOT NULL THEN RAISE EXCEPTION USING MESSAGE = "
        "'Citus makes restrictive policies permissive on the shards, where a tenant would see the "
        "rows of others: drop ' || found, HINT = 'citus_policy_statements() has other policies'; "
        "END IF; END $tenantshield$"
    )


def _is_named(names: tuple[str, ...]) -> str:
    return f"polname IN ({', '.join(map(literal, names))})"


def _policy(table: Table) -> str:
    spec = spec_of_table(table)
    assert spec is not None
    policy = distributed_policy(spec)
    if policy is None or policy.using is None:
        assert spec.column is not None
        raise ConfigurationError(
            f"{table_label(table)}.{spec.column.name} cannot be compared with a setting on Citus: "
            "use a String, an Integer or a Uuid for the tenant column"
        )
    return policy.using


def _problems(table: Table) -> Iterator[str]:
    label = table_label(table)
    rule = registry.ownership_of(table)
    if registry.is_shared(table):
        for key in foreign_keys_of(table):
            if not registry.is_shared(key.referred_table):
                yield (
                    f"{label} is shared and refers to {table_label(key.referred_table)}, which "
                    "is not: a reference table may refer only to reference tables"
                )
    elif rule is None:
        yield (
            f"{label} is not declared: mark it with @tenant_aware, or with "
            "@shared_across_tenants if its rows are the same for all tenants"
        )
    elif not isinstance(rule, ColumnOwnership):
        (tie, *_) = rule.parent_keys
        yield (
            f"{label} is tied to {table_label(tie.parent)} and has no tenant column: add one, "
            "mark the table with @tenant_aware, and change the foreign key to "
            f"{_tenant_foreign_key(tie)}"
        )
    else:
        if rule.shared_rows is not None:
            yield (
                f"{label} has rows that every tenant reads, and a distributed table has each row "
                "on one node: keep them in a table of their own, with @shared_across_tenants"
            )
        yield from _problems_of_keys(table, rule)
        yield from _problems_of_references(table, rule)


def _problems_of_keys(table: Table, rule: ColumnOwnership) -> Iterator[str]:
    label = table_label(table)
    for constraint in list(table.constraints):
        if isinstance(constraint, PrimaryKeyConstraint | UniqueConstraint):
            names = [each.name for each in constraint.columns]
            if names and rule.column not in names:
                kind = "primary key" if isinstance(constraint, PrimaryKeyConstraint) else "unique"
                yield (
                    f"{label}: {kind} ({', '.join(names)}) does not include the tenant: change it "
                    f"to ({', '.join([rule.column, *names])})"
                )
    for index in sorted(table.indexes, key=lambda each: str(each.name)):
        if index.unique and rule.column not in _names_in(index):
            yield (
                f"{label}: the unique index {index.name} does not include the tenant: add "
                f"{rule.column} as its first column"
            )


def _problems_of_references(table: Table, rule: ColumnOwnership) -> Iterator[str]:
    label = table_label(table)
    for key in foreign_keys_of(table):
        tie = ParentKey(
            tuple(each.parent.name for each in key.elements),
            key.referred_table,
            tuple(each.column.name for each in key.elements),
        )
        parent = registry.ownership_of(tie.parent)
        # Tied and undeclared tables have a message of their own.
        if isinstance(parent, ColumnOwnership) and not carries_tenant(tie, rule, parent):
            yield (
                f"{label}: the foreign key ({', '.join(tie.columns)}) does not include the "
                f"tenant: change it to {_tenant_foreign_key(tie)}"
            )


def _names_in(index: Index) -> list[str]:
    return [getattr(each, "name", "") for each in index.expressions]


def _stored_as(rule: ColumnOwnership) -> str:
    # Citus co-locates tables by the type of the distribution column, regardless of length.
    return str(rule.type_.compile(POSTGRESQL)).partition("(")[0]


def _name(table: Table) -> str:
    return literal(table_name(table.schema, table.name))


def _tenant_foreign_key(tie: ParentKey) -> str:
    parent = table_label(tie.parent)
    theirs = tuple(f"{parent}.{each}" for each in tie.parent_columns)
    return f"tenant_foreign_key({_python(tie.columns)}, {_python(theirs)})"


def _python(names: tuple[str, ...]) -> str:
    quoted = ", ".join(f'"{each}"' for each in names)
    return quoted if len(names) == 1 else f"({quoted})"
