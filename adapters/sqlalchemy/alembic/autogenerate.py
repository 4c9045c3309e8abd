"""Autogenerate: adds the operations that bring a database's policies up to date."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence
from typing import Any, Final

from alembic import util
from alembic.autogenerate import comparators, renderers
from alembic.autogenerate.api import AutogenContext
from alembic.operations.ops import CreateTableOp, MigrateOperation, UpgradeOps
from sqlalchemy import MetaData, Table

from ..rls.catalog import OURS, Catalog, FoundTable, read_catalog
from ..rls.comment import read_record
from ..rls.differences import compare
from ..rls.policies import policies_of
from ..rls.specification import TablePolicySpec, spec_of_table
from .policies import DropTenantPoliciesOp, PutTenantPoliciesOp

__all__ = ["compare_policies"]

_IMPORT: Final = (
    "from tenantshield_mw.adapters.sqlalchemy.rls import ParentLink, TablePolicySpec, TenantColumn"
)

# Alembic has priorities since 1.18. Earlier versions use the order of registration.
_LAST: Final[dict[str, Any]] = (
    {"priority": util.DispatchPriority.LAST} if hasattr(util, "DispatchPriority") else {}
)


@comparators.dispatch_for("schema", **_LAST)
def compare_policies(
    autogen_context: AutogenContext, upgrade_ops: UpgradeOps, schemas: Collection[str | None]
) -> None:
    """Add the operations that make the policies match the models.

    Policies are dropped before all changes to tables and columns and created after them,
    because PostgreSQL does not drop a column that a policy reads.

    Args:
        autogen_context: Alembic's context.
        upgrade_ops: the operations of the script.
        schemas: the schemas to compare; ``None`` for the default one.
    """
    connection = autogen_context.connection
    if connection is None or connection.dialect.name != "postgresql":
        return
    wanted = {
        spec: table
        for table in autogen_context.sorted_tables
        if (spec := spec_of_table(table)) is not None
    }
    default = connection.dialect.default_schema_name
    catalog = read_catalog(connection, list(wanted))
    comparison = _Comparison(catalog, list(wanted), upgrade_ops)
    for spec, table in wanted.items():
        if (None if spec.schema == default else spec.schema) in schemas and (
            autogen_context.run_object_filters(table, table.name, "table", False, None)  # noqa: FBT003
        ):
            comparison.compare(spec)
    for found in comparison.strays():
        schema = None if found.schema == default else found.schema
        if schema in schemas and _passes_filters(autogen_context, found.name, schema):
            comparison.remove(found, schema)
    upgrade_ops.ops[:0] = comparison.first
    upgrade_ops.ops.extend(comparison.last)


def _passes_filters(autogen_context: AutogenContext, name: str, schema: str | None) -> bool:
    """Return whether the filters of env.py include a table that the models do not have."""
    # The models have no Table for an object filter to look at, so it gets an empty one.
    stray = Table(name, MetaData(), schema=schema)
    return autogen_context.run_name_filters(
        name, "table", {"schema_name": schema}
    ) and autogen_context.run_object_filters(stray, name, "table", True, None)  # noqa: FBT003


class _Comparison:
    """The comparison of a database with the models, and the operations that result.

    Attributes:
        first: the operations that come before all others in the script.
        last: the operations that come after all others.
    """

    def __init__(
        self, catalog: Catalog, specs: Sequence[TablePolicySpec], upgrade_ops: UpgradeOps
    ) -> None:
        self.first: list[MigrateOperation] = []
        self.last: list[MigrateOperation] = []
        self._catalog = catalog
        self._specs = specs
        self._recorded = [
            spec
            for table in catalog.tables
            for policy in table.policies.values()
            if (spec := read_record(policy.comment)) is not None
        ]
        self._created = {
            (each.schema, each.table_name)
            for each in upgrade_ops.ops
            if isinstance(each, CreateTableOp)
        }

    def compare(self, spec: TablePolicySpec) -> None:
        """Add the operations for one table of the models."""
        found = self._catalog.table(spec.schema, spec.name)
        if found is None:
            if (spec.schema, spec.name) in self._created:
                self._put(spec)
            return
        if all(each.foreign for each in compare(self._catalog, spec, self._specs)):
            return
        before = self._made_from(found)
        if before is not None and before != spec:
            # Row-level security stays enabled in between, so the table shows no rows.
            self._drop(before, leave_enabled=True)
            self._put(spec, leave_enabled=True)
        elif _has_ours(found):
            self._put(spec, before=spec)
        else:
            self._put(spec, leave_enabled=found.is_enabled)

    def strays(self) -> list[FoundTable]:
        """Return the tables with policies that the models do not require."""
        wanted = [self._catalog.table(each.schema, each.name) for each in self._specs]
        return [each for each in self._catalog.tables if _has_ours(each) and each not in wanted]

    def remove(self, found: FoundTable, schema: str | None) -> None:
        """Add the operation that drops the policies of one table."""
        before = self._made_from(found) or TablePolicySpec(found.name, schema)
        others = [each for each in found.policies if each not in OURS]
        self._drop(before, leave_enabled=bool(others))

    def _put(self, spec: TablePolicySpec, **options: Any) -> None:
        among = _among(spec, self._specs)
        self.last.append(PutTenantPoliciesOp(spec, among=among, **options))

    def _drop(self, spec: TablePolicySpec, *, leave_enabled: bool) -> None:
        among = _among(spec, self._recorded)
        self.first.append(DropTenantPoliciesOp(spec, among=among, leave_enabled=leave_enabled))

    def _made_from(self, found: FoundTable) -> TablePolicySpec | None:
        """Return the recorded specification of the policies, unless they were altered."""
        for spec in self._recorded:
            if self._catalog.table(spec.schema, spec.name) is found:
                differences = compare(self._catalog, spec, self._recorded)
                return None if any(not each.foreign for each in differences) else spec
        return None


def _has_ours(found: FoundTable) -> bool:
    return any(each in OURS for each in found.policies)


def _among(spec: TablePolicySpec, specs: Sequence[TablePolicySpec]) -> tuple[TablePolicySpec, ...]:
    """Return the specifications among ``specs`` that affect the policies of this table."""
    if policies_of(spec, specs) == policies_of(spec):
        return ()
    by_name = {(each.schema, each.name): each for each in specs}
    ahead = [(each.parent_schema, each.parent) for each in spec.references]
    reached: dict[tuple[str | None, str], TablePolicySpec] = {}
    while ahead:
        here = ahead.pop()
        if here in by_name and here not in reached:
            reached[here] = by_name[here]
            ahead.extend((each.parent_schema, each.parent) for each in by_name[here].ties)
    return tuple(reached.values())


# -- scripts -----------------------------------------------------------------------


@renderers.dispatch_for(PutTenantPoliciesOp)
def _render_put(autogen_context: AutogenContext, operation: PutTenantPoliciesOp) -> str:
    return _render_call(
        autogen_context,
        "put_tenant_policies",
        operation.spec,
        among=operation.among,
        before=operation.before,
        leave_enabled=operation.leave_enabled,
    )


@renderers.dispatch_for(DropTenantPoliciesOp)
def _render_drop(autogen_context: AutogenContext, operation: DropTenantPoliciesOp) -> str:
    return _render_call(
        autogen_context,
        "drop_tenant_policies",
        operation.spec,
        among=operation.among,
        leave_enabled=operation.leave_enabled,
    )


def _render_call(
    autogen_context: AutogenContext, name: str, spec: TablePolicySpec, **options: Any
) -> str:
    autogen_context.imports.add(_IMPORT)
    prefix = autogen_context.opts.get("alembic_module_prefix") or ""
    arguments = [
        _render(spec),
        *(f"{key}={_render(value)}" for key, value in options.items() if value),
    ]
    lines = "".join(f"    {each},\n" for each in arguments)
    return f"{prefix}{name}(\n{lines})"


def _render(value: Any) -> str:
    """Return a value as Python source, leaving out fields that have their defaults."""
    if isinstance(value, tuple):
        items: tuple[Any, ...] = value
        return f"({''.join(_render(each) + ', ' for each in items).rstrip()})"
    if not dataclasses.is_dataclass(value):
        return repr(value)
    arguments = [
        f"{each.name}={_render(getattr(value, each.name))}"
        for each in dataclasses.fields(value)
        if getattr(value, each.name) != each.default
    ]
    return f"{type(value).__name__}({', '.join(arguments)})"
