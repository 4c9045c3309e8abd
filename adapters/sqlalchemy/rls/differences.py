"""Compares the policies in a database with those that the models require."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from sqlalchemy.engine import Connection

from .catalog import OURS, Catalog, FoundPolicy, FoundTable, read_catalog
from .distributed import POLICY, distributed_policy
from .expressions import Node, NotOursError, read_condition
from .functions import Function, lookup_functions_of, tenant_functions_of
from .policies import Policy, policies_of
from .specification import ParentLink, TablePolicySpec
from .verifier import verifier_functions_of

__all__ = ["Difference", "DifferenceKind", "compare", "find_differences"]

DifferenceKind: TypeAlias = Literal[
    "no such table",
    "not enabled",
    "not forced",
    "policy missing",
    "policy outdated",
    "policy unexpected",
    "function missing",
    "function outdated",
]


_COMMANDS: Final = {"ALL": "*", "SELECT": "r", "INSERT": "a", "UPDATE": "w", "DELETE": "d"}
"""The letters by which PostgreSQL's catalog names the commands."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference between the database and the models.

    Attributes:
        schema: the table's schema; ``None`` for the default one.
        table: the table's name.
        kind: the kind of difference.
        detail: which policy or function differs, and how.
        harmless: whether it exposes no other tenant's rows. A policy that this package did
            not create is harmless, because the package's restrictive policies still apply.
            Where tenants are signed, a permissive one is not: only the package's permissive
            policies check signatures.
        foreign: whether it is a policy that this package did not create.
        distributed: whether Citus has distributed the table.
    """

    schema: str | None
    table: str
    kind: DifferenceKind
    detail: str
    harmless: bool = False
    foreign: bool = False
    distributed: bool = False

    def __str__(self) -> str:
        label = f"{self.schema}.{self.table}" if self.schema else self.table
        return f"{label}: {self.kind}: {self.detail}"


def find_differences(connection: Connection, specs: Sequence[TablePolicySpec]) -> list[Difference]:
    """Return the policies of ``specs`` that are missing or altered, and unexpected ones.

    ::

        problems = [each for each in find_differences(connection, specs_of(Base.metadata))
                    if not each.harmless]

    A policy counts as altered if its condition, its command, its roles or its type
    (permissive or restrictive) has changed. Functions are compared too.

    Args:
        connection: a connection to PostgreSQL, as any role: every role can read the
            catalog. With an ``AsyncConnection``:
            ``await connection.run_sync(find_differences, specs)``.
        specs: the specifications of all tables, from ``specs_of``. Pass all of them: the
            policies of one table depend on which other tables have policies.

    Returns:
        The differences; empty if everything is in place.

    Raises:
        ConfigurationError: the database is not PostgreSQL.
    """
    catalog = read_catalog(connection, specs)
    return [each for spec in specs for each in compare(catalog, spec, specs)]


def compare(
    catalog: Catalog, spec: TablePolicySpec, specs: Sequence[TablePolicySpec]
) -> Iterator[Difference]:
    """Yield the differences for one table."""
    yield from _Comparison(catalog, spec, specs).differences()


class _Comparison:
    """The comparison of one table with its specification."""

    def __init__(
        self, catalog: Catalog, spec: TablePolicySpec, specs: Sequence[TablePolicySpec]
    ) -> None:
        self._catalog = catalog
        self._spec = spec
        self._table = catalog.table(spec.schema, spec.name)
        self._functions: tuple[Function, ...] = ()
        if self._is_distributed():
            self._wanted = {POLICY: distributed_policy(spec)}
            return
        self._wanted = {each.name: each for each in policies_of(spec, specs)}
        self._functions = (
            *tenant_functions_of(spec),
            *verifier_functions_of(spec),
            *lookup_functions_of(spec, specs),
        )

    def _is_distributed(self) -> bool:
        return self._table is not None and self._table.is_distributed

    def differences(self) -> Iterator[Difference]:
        table = self._table
        if table is None:
            yield self._difference("no such table", "create it, then its policies")
            return
        if not table.is_enabled:
            yield self._difference("not enabled", "ALTER TABLE ... ENABLE ROW LEVEL SECURITY")
        if not table.is_forced:
            yield self._difference(
                "not forced", "ALTER TABLE ... FORCE ROW LEVEL SECURITY: its owner sees all rows"
            )
        for schema, name in table.open_partitions:
            yield self._difference(
                "not enabled",
                f"its partition {schema}.{name} shows all rows when queried directly: "
                "ALTER TABLE ... ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY",
            )
        for name, policy in self._wanted.items():
            found = table.policies.get(name)
            if policy is None or found is None:
                yield self._difference("policy missing", name)
            elif altered := list(self._alterations(policy, found)):
                yield self._difference("policy outdated", f"{policy.name}: {', '.join(altered)}")
        yield from self._others(table)
        for function in self._functions:
            yield from self._compare_function(function)

    def _difference(self, kind: DifferenceKind, detail: str) -> Difference:
        return Difference(
            self._spec.schema,
            self._spec.name,
            kind,
            detail,
            distributed=self._is_distributed(),
        )

    def _others(self, table: FoundTable) -> Iterator[Difference]:
        for name, found in table.policies.items():
            if name in self._wanted:
                continue
            nature = "permissive" if found.permissive else "restrictive"
            if table.is_distributed:
                yield self._difference(
                    "policy unexpected",
                    f"{name}: a {nature} policy, and on the shards Citus makes all of them "
                    "permissive, so that a tenant may see the rows of others",
                )
            elif name in OURS:
                yield self._difference("policy unexpected", f"{name}: no longer required")
            else:
                is_harmless = not (self._spec.signed and found.permissive)
                effect = (
                    "the tenant policy still applies"
                    if is_harmless
                    else "it believes a tenant that is not signed"
                )
                yield Difference(
                    self._spec.schema,
                    self._spec.name,
                    "policy unexpected",
                    f"{name}: a {nature} policy from elsewhere; {effect}",
                    harmless=is_harmless,
                    foreign=True,
                )

    def _alterations(self, wanted: Policy, found: FoundPolicy) -> Iterator[str]:
        if found.permissive == wanted.restrictive:
            yield f"it is {'permissive' if found.permissive else 'restrictive'}"
        if found.command != _COMMANDS[wanted.command]:
            every = wanted.command == "ALL"
            yield f"it is not for {'all commands' if every else wanted.command}"
        # On Citus it is for the application's role, whose name the models do not tell.
        if not self._is_distributed() and found.roles != frozenset(wanted.roles):
            yield f"it is not for {', '.join(wanted.roles) or 'all roles'}"
        if not self._same(wanted.using, found.using):
            yield f"USING is {found.using}"
        if wanted.written is None:
            return
        # Without WITH CHECK, PostgreSQL applies the USING condition to new rows as well.
        check = found.using if found.check is None else found.check
        if not self._same(wanted.written, check):
            yield f"WITH CHECK is {check}"

    def _same(self, wanted: str | None, found: str | None) -> bool:
        if wanted is None or found is None:
            return wanted is found
        required = self._read(wanted)
        try:
            return required == self._read(found)
        except NotOursError:
            return False

    def _read(self, condition: str) -> Node:
        return read_condition(condition, self._spec.name, self._visible_schema)

    def _visible_schema(self, kind: str, name: str) -> str | None:
        # PostgreSQL omits the schema if the search path finds the same object without it.
        if kind == "table":
            table = self._catalog.table(None, name)
            return None if table is None else table.schema
        overloads = self._catalog.overloads(None, name)
        return overloads[0].schema if overloads else None

    def _compare_function(self, wanted: Function) -> Iterator[Difference]:
        overloads = self._catalog.overloads(wanted.schema, wanted.name)
        if not overloads:
            yield self._difference("function missing", wanted.name)
            return
        arguments = self._arguments(wanted.reference)
        if not any(
            (each.nature, each.body, each.arguments) == (wanted.nature, wanted.body, arguments)
            for each in overloads
        ):
            yield self._difference("function outdated", wanted.name)

    def _arguments(self, reference: ParentLink | None) -> tuple[int | None, ...]:
        if reference is None:
            return ()
        parent = self._catalog.table(reference.parent_schema, reference.parent)
        columns = {} if parent is None else parent.columns
        return tuple(columns.get(each) for each in reference.parent_columns)
