"""Compares PostgreSQL's policies with those that the models require."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from sqlalchemy import MetaData
from sqlalchemy.engine import Connection

from ..errors import ConfigurationError
from ..rls.differences import Difference, DifferenceKind, find_differences
from ..rls.distributed import POLICY
from ..rls.policies import ACCESS, TENANT, policies_of
from ..rls.specification import TablePolicySpec, spec_of_table
from ..rls.sql import table_name
from .declarations import declared_tables
from .findings import Finding
from .kinds import Kind
from .privileges import Server

__all__ = ["check_policies", "specs_to_check"]

_KINDS: dict[DifferenceKind, Kind] = {
    "not enabled": "policies-not-enabled",
    "not forced": "policies-not-forced",
    "policy missing": "policy-missing",
    "function missing": "policy-missing",
    "policy outdated": "policy-outdated",
    "function outdated": "policy-outdated",
}

_CREATE = (
    "as the owner of the tables: rls.create_policies(connection, Base.metadata), or run the "
    "statements of rls.policy_statements(Base.metadata)"
)
_CREATE_ON_CITUS = (
    "run the statements of citus_policy_statements(Base.metadata, role=...) on the coordinator"
)


def check_policies(
    connection: Connection, specs: Sequence[TablePolicySpec], server: Server
) -> Iterator[Finding]:
    """Yield the differences between the tables' policies and the models."""
    differences = [
        each for each in find_differences(connection, specs) if not _is_of_partition(each, server)
    ]
    for (schema, table), group in groupby(differences, lambda each: (each.schema, each.table)):
        yield from _of_table(schema, table, list(group))


def _is_of_partition(difference: Difference, server: Server) -> bool:
    """Return whether the difference concerns an open partition rather than the table itself.

    ``check_bypasses`` reports partitions, if the role may use them.
    """
    table = server.relation(difference.schema, difference.table)
    return difference.kind == "not enabled" and table is not None and table.is_enabled


def specs_to_check(metadata: MetaData) -> Iterator[TablePolicySpec]:
    """Yield the specifications of the tables whose tenant the database can compare."""
    for table, _ in declared_tables(metadata):
        try:
            spec = spec_of_table(table)
            if spec is not None:
                policies_of(spec)
                yield spec
        except (ConfigurationError, KeyError):
            # The checks on the models report this.
            continue


def _of_table(schema: str | None, table: str, group: list[Difference]) -> Iterable[Finding]:
    label = f"{schema}.{table}" if schema else table
    kinds = {each.kind for each in group}
    if "no such table" in kinds:
        # The checks on the schema report this.
        return
    name = table_name(schema, table)
    missing = {each.detail for each in group if each.kind == "policy missing"}
    if "not enabled" in kinds and ({ACCESS, TENANT} <= missing or POLICY in missing):
        yield Finding(
            "policies-missing",
            label,
            "It has no row-level security: raw cursors, functions and other programs see all "
            "tenants' rows.",
            _create(group[0]),
        )
        group = [each for each in group if each.kind == "policy unexpected"]
    for each in group:
        yield _as_finding(each, label, name)


def _create(difference: Difference) -> str:
    return _CREATE_ON_CITUS if difference.distributed else _CREATE


def _as_finding(difference: Difference, label: str, name: str) -> Finding:
    about, _, detail = difference.detail.partition(": ")
    match difference.kind:
        case "not enabled":
            reason = "Row-level security is disabled: its policies have no effect."
            fix = f"ALTER TABLE {name} ENABLE ROW LEVEL SECURITY;"
        case "not forced":
            reason = "Row-level security is not forced: its policies do not apply to its owner."
            fix = f"ALTER TABLE {name} FORCE ROW LEVEL SECURITY;"
        case "policy unexpected" if difference.harmless:
            fix = f"DROP POLICY {table_name(None, about)} ON {name}; unless it is intended"
            return Finding(
                "policy-foreign", label, f"The policy {about} is {detail}.", fix, object=about
            )
        case "policy unexpected" if difference.foreign:
            fix = f"DROP POLICY {table_name(None, about)} ON {name};"
            return Finding(
                "policy-unexpected",
                label,
                f"The policy {about} is {detail}: whoever can run arbitrary SQL can name any "
                "tenant.",
                fix,
                object=about,
            )
        case "policy unexpected":
            fix = f"DROP POLICY {table_name(None, about)} ON {name};"
            return Finding(
                "policy-unexpected", label, f"The policy {about} is {detail}.", fix, object=about
            )
        case kind:
            state = f"does not match the models: {detail}" if detail else "is missing"
            if not detail and kind == "function outdated":
                state = "does not match the models"
            what = "function" if kind.startswith("function") else "policy"
            return Finding(
                _KINDS[kind],
                label,
                f"The {what} {about} {state}.",
                _create(difference),
                object=about,
            )
    return Finding(_KINDS[difference.kind], label, reason, fix)
