"""Checks of PostgreSQL's policies against those that the models want."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby

from sqlalchemy import MetaData
from sqlalchemy.engine import Connection

from ..errors import ConfigurationError
from ..rls.differences import Difference, DifferenceKind, find_differences
from ..rls.policies import ACCESS, TENANT, policies_of, table_name
from ..rls.specification import TablePolicySpec, spec_of_table
from .declarations import declared_tables
from .findings import Finding
from .kinds import Kind
from .privileges import Server

__all__ = ["check_policies"]

_KINDS: dict[DifferenceKind, Kind] = {
    "not enabled": "policies-not-enabled",
    "not forced": "policies-not-forced",
    "policy missing": "policy-missing",
    "function missing": "policy-missing",
    "policy outdated": "policy-outdated",
    "function outdated": "policy-outdated",
}

_CREATE = (
    "as the owner of the tables: rls.create_policies(connection, Base.metadata), or run what "
    "rls.policy_statements(Base.metadata) returns"
)


def check_policies(connection: Connection, metadata: MetaData, server: Server) -> Iterator[Finding]:
    """Yield what is not in place of the policies of the tables."""
    differences = [
        each
        for each in find_differences(connection, list(_specs(metadata)))
        if not _is_of_partition(each, server)
    ]
    for (schema, table), group in groupby(differences, lambda each: (each.schema, each.table)):
        yield from _of_table(schema, table, list(group))


def _is_of_partition(difference: Difference, server: Server) -> bool:
    """Say whether it is a partition that is open, and not the table itself.

    Told with the other children of tables, where the role may use it.
    """
    table = server.relation(difference.schema, difference.table)
    return difference.kind == "not enabled" and table is not None and table.is_enabled


def _specs(metadata: MetaData) -> Iterator[TablePolicySpec]:
    for table, _ in declared_tables(metadata):
        try:
            spec = spec_of_table(table)
            if spec is not None:
                policies_of(spec)
                yield spec
        except (ConfigurationError, KeyError):
            # Told by the checks on the models.
            continue


def _of_table(schema: str | None, table: str, group: list[Difference]) -> Iterable[Finding]:
    label = f"{schema}.{table}" if schema else table
    kinds = {each.kind for each in group}
    if "no such table" in kinds:
        # Told by the checks on the schema.
        return
    name = table_name(schema, table)
    missing = {each.detail for each in group if each.kind == "policy missing"}
    if "not enabled" in kinds and {ACCESS, TENANT} <= missing:
        yield Finding(
            "policies-missing",
            label,
            "It has no row-level security: a raw cursor, a function or another program sees "
            "all tenants' rows.",
            _CREATE,
        )
        group = [each for each in group if each.kind == "policy unexpected"]
    for each in group:
        yield _as_finding(each, label, name)


def _as_finding(difference: Difference, label: str, name: str) -> Finding:
    about, _, detail = difference.detail.partition(": ")
    match difference.kind:
        case "not enabled":
            reason = "Row-level security is switched off: its policies hold for nobody."
            fix = f"ALTER TABLE {name} ENABLE ROW LEVEL SECURITY;"
        case "not forced":
            reason = "Row-level security is not forced: its policies do not hold for its owner."
            fix = f"ALTER TABLE {name} FORCE ROW LEVEL SECURITY;"
        case "policy unexpected" if difference.harmless:
            fix = f"DROP POLICY {table_name(None, about)} ON {name}; unless it is wanted"
            return Finding(
                "policy-foreign", label, f"The policy {about} is {detail}.", fix, object=about
            )
        case "policy unexpected":
            fix = f"DROP POLICY {table_name(None, about)} ON {name};"
            return Finding(
                "policy-unexpected", label, f"The policy {about}: {detail}.", fix, object=about
            )
        case kind:
            state = f"is not what the models want: {detail}" if detail else "is not there"
            if not detail and kind == "function outdated":
                state = "is not what the models want"
            what = "function" if kind.startswith("function") else "policy"
            return Finding(
                _KINDS[kind], label, f"The {what} {about} {state}.", _CREATE, object=about
            )
    return Finding(_KINDS[difference.kind], label, reason, fix)
