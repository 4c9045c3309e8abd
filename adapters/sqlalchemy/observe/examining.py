"""Compile a statement under the guard without sending it, and tell what the guard would do."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias, cast

from sqlalchemy import BindParameter, Delete, Update, literal_column, select
from sqlalchemy.engine import Connection, Dialect
from sqlalchemy.sql.expression import FromClause, TableClause, TextClause

from tenantshield_mw.context import current_bound
from tenantshield_mw.errors import (
    CrossTenantAccessError,
    MissingTenantContextError,
    ScopeMismatchError,
    TenantShieldError,
    UnguardedStatementError,
)
from tenantshield_mw.tenant import TenantContext

from ..compiler.guard import StatementGuard
from ..compiler.joins import base_table
from ..compiler.parameters import processor_for, role_of
from ..compiler.placement import Plan
from ..execution.dialects import guarded_dialect_of
from ..execution.lookups import check_references
from ..ownership.model import ColumnOwnership, Ownership, table_label
from ..ownership.registry import registry
from ..raw_sql.checks import REVIEWED
from .comparisons import Comparisons
from .plain import plain_text, reaches_only_observed
from .reports import Effect

__all__ = ["IS_EXAMINING", "REFUSALS", "Finding", "Verdict", "examine"]

REFUSALS: Final = (
    CrossTenantAccessError,
    MissingTenantContextError,
    ScopeMismatchError,
    UnguardedStatementError,
)
"""The errors that the guard raises for a statement. A wrong configuration is not one of them."""

IS_EXAMINING: Final[ContextVar[bool]] = ContextVar("tenantshield_examining", default=False)
"""Whether what is executed is a look-up of the examination itself."""


@contextmanager
def _looking_up() -> Generator[None]:
    entered = IS_EXAMINING.set(True)
    try:
        yield
    finally:
        IS_EXAMINING.reset(entered)


_GUARDS: Final[ContextVar[list[ExaminingGuard] | None]] = ContextVar(
    "tenantshield_guards", default=None
)

NO_SCOPE: Final = "no tenant is in scope"


class ExaminingGuard(StatementGuard):
    """A guard that notes what it meets.

    Attributes:
        touched: the tables with tenants' rows, also those that only the guard reads.
        inserted: those into which rows are inserted, with their ownership.
        plans: the plan of each ``SELECT``, ``UPDATE`` and ``DELETE``, with the operation.
    """

    def __init__(self, compiler: Any, *, scans: bool) -> None:
        super().__init__(compiler, scans=scans)
        self.touched: set[TableClause] = set()
        self.inserted: list[tuple[TableClause, Ownership]] = []
        self.plans: list[tuple[str, Plan]] = []
        guards = _GUARDS.get()
        if guards is not None:
            guards.append(self)

    def ownership_of(self, table: TableClause) -> Ownership | None:
        found = super().ownership_of(table)
        if found is not None:
            self.touched.add(table)
        return found

    def insert_state(self, statement: Any, kw: Mapping[str, Any]) -> Any:
        state = super().insert_state(statement, kw)
        table = base_table(state.statement.table)
        rule = None if table is None else self.ownership_of(table)
        if table is not None and rule is not None:
            self.inserted.append((table, rule))
        return state

    def filled(self) -> list[ColumnOwnership]:
        """Return the tenant columns of the tables into which rows are inserted."""
        return [rule for _, rule in self.inserted if isinstance(rule, ColumnOwnership)]

    def new_plan(self, operation: str) -> Plan:
        plan = super().new_plan(operation)
        self.plans.append((operation, plan))
        return plan


Rows: TypeAlias = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Finding:
    """What the guard would do with one table of a statement."""

    table: str
    operation: str
    effect: Effect
    detail: str


LookAgain: TypeAlias = Callable[[Rows], list[Finding]]


@dataclass
class Verdict:
    """What the guard would do with a statement.

    Attributes:
        findings: what differs from what the statement does without it.
        is_observed: whether the statement runs as it was: all its tables are observed.
        look_again: examines the parameters that were sent, with those that SQLAlchemy filled
            in, and returns what the guard would do with these.
    """

    findings: list[Finding] = field(default_factory=list)
    is_observed: bool = False
    look_again: LookAgain = lambda _: []


_classes: Final[dict[type[Dialect], type[Dialect]]] = {}


def _examining(guarded: Dialect) -> Dialect:
    """Return a dialect like ``guarded``, whose guard notes what it meets."""
    kind = type(guarded)
    if kind not in _classes:
        compiler = type(
            f"Examining{kind.statement_compiler.__name__}",
            (kind.statement_compiler,),
            {"guard_class": ExaminingGuard},
        )
        namespace = {"statement_compiler": compiler, "supports_statement_cache": True}
        _classes[kind] = cast(
            "type[Dialect]", type(f"Examining{kind.__name__}", (kind,), namespace)
        )
    found = _classes[kind].__new__(_classes[kind])
    found.__dict__ = guarded.__dict__
    return found


def examine(
    connection: Connection,
    statement: Any,
    rows: Rows,
    options: Mapping[str, Any],
    *,
    follows: bool,
) -> Verdict:
    """Return what the guard would do with ``statement``, which is not sent.

    Args:
        connection: the connection on which foreign keys are looked up.
        statement: the statement.
        rows: the parameters of each execution; empty if there are none.
        options: the execution options of the call.
        follows: whether SQLAlchemy wrote it for objects that were read before, so that it need
            not compare the tenant if it reaches this tenant's rows.
    """
    own_options = statement.get_execution_options()
    reviewed = bool(options.get(REVIEWED) or own_options.get(REVIEWED))
    dialect = _examining(guarded_dialect_of(connection, reviewed=reviewed))
    moved = {**connection.get_execution_options(), **own_options, **options}
    guards: list[ExaminingGuard] = []
    entered = _GUARDS.set(guards)
    try:
        compiled = statement.compile(
            dialect=dialect,
            column_keys=sorted(rows[0]) if rows else None,
            for_executemany=len(rows) > 1,
            schema_translate_map=moved.get("schema_translate_map"),
        )
    except REFUSALS as error:
        return _refused(statement, guards, connection.engine.dialect, error)
    finally:
        _GUARDS.reset(entered)
    guard = guards[-1] if guards else None
    if guard is None or not guard.touched:
        return Verdict()
    verdict = Verdict(is_observed=all(map(registry.is_observed, guard.touched)))
    if not verdict.is_observed:
        return verdict
    values = [_values(compiled, each) for each in rows or [{}]]
    if not isinstance(current_bound(), TenantContext):
        verdict.findings += _without_scope(guard)
        return verdict
    if follows:
        verdict.findings += _out_of_reach(connection, statement, rows, moved)
    else:
        verdict.findings += _confined(guard, values, compiled)
        verdict.findings += _writes_over(guard)
    verdict.findings += _values_refused(compiled, values)
    verdict.findings += _references_refused(connection, compiled, values, moved)

    def look_again(sent: Rows) -> list[Finding]:
        filled = [_values(compiled, each) for each in sent]
        return [
            *_tenants_refused(guard, compiled, sent),
            *_values_refused(compiled, filled),
            *_references_refused(connection, compiled, filled, moved),
        ]

    if guard.filled():
        verdict.look_again = look_again
    return verdict


def _refused(
    statement: Any, guards: Sequence[ExaminingGuard], dialect: Dialect, error: TenantShieldError
) -> Verdict:
    # The guard stopped where it refused, so the statement may reach more.
    touched = [table for each in guards for table in each.touched]
    is_observed = registry.observes_all or (
        all(map(registry.is_observed, touched))
        and reaches_only_observed(plain_text(statement, dialect), dialect)
    )
    operation = "raw SQL" if isinstance(statement, TextClause) else _operation_of(statement)
    label = table_label(touched[0]) if touched else ""
    return Verdict([Finding(label, operation, "refused", str(error))], is_observed)


def _operation_of(statement: Any) -> str:
    name = str(statement.__visit_name__).upper()
    return name if name in {"SELECT", "INSERT", "UPDATE", "DELETE"} else "SELECT"


def _values(compiled: Any, row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the value of each parameter by its name in the SQL; those to come are left out."""
    found = {}
    for bind, name in compiled.bind_names.items():
        if bind.key in row:
            found[name] = row[bind.key]
        elif not bind.required:
            found[name] = bind.effective_value
    return found


def _elements(guard: ExaminingGuard) -> Iterator[tuple[FromClause, Ownership, str]]:
    for operation, plan in guard.plans:
        if not plan.is_joined:
            yield from ((element, rule, operation) for element, rule in plan.owned)
            yield from ((element, rule, operation) for element, rule in plan.tied)


def _label_of(element: FromClause) -> str:
    return table_label(cast("TableClause", base_table(element)))


def _without_scope(guard: ExaminingGuard) -> Iterator[Finding]:
    for element, _, operation in _elements(guard):
        yield Finding(_label_of(element), operation, "refused", NO_SCOPE)
    for table, _ in guard.inserted:
        yield Finding(table_label(table), "INSERT", "refused", NO_SCOPE)


def _confined(guard: ExaminingGuard, values: Rows, compiled: Any) -> Iterator[Finding]:
    bound = cast("TenantContext", current_bound())

    def is_tenants(rule: ColumnOwnership, bind: BindParameter[Any]) -> bool:
        name = compiled.bind_names.get(bind, bind.key)
        given = [row.get(name, bind.effective_value) for row in values]
        flat = [each for one in given for each in (one if isinstance(one, list | tuple) else [one])]
        return all(rule.is_same_tenant(each, bound.tenant_id) for each in flat)

    elements = list(_elements(guard))
    comparisons = Comparisons({element: rule for element, rule, _ in elements}, is_tenants)
    for _, plan in guard.plans:
        comparisons.add(plan.terms())
    missing = set(comparisons.missing())
    for element, rule, operation in elements:
        label = _label_of(element)
        if element in comparisons.others:
            yield Finding(label, operation, "confined", "compares another tenant than in scope")
        elif element in missing:
            what = rule.key if isinstance(rule, ColumnOwnership) else "its parent's tenant"
            yield Finding(label, operation, "confined", f"does not compare {what}")


def _writes_over(guard: ExaminingGuard) -> Iterator[Finding]:
    """Find an upsert that has no plan, as on MySQL and MariaDB, whose clause has no ``WHERE``."""
    if guard.raw.guarded_upserts and not any(each == "INSERT" for each, _ in guard.plans):
        for rule in guard.filled():
            detail = f"writes over a row in the way without comparing {rule.key}"
            yield Finding(rule.label, "INSERT", "confined", detail)


def _out_of_reach(
    connection: Connection, statement: Any, rows: Rows, options: Mapping[str, Any]
) -> Iterator[Finding]:
    """Find the rows that a flush changes or deletes, and that are not this tenant's."""
    if not isinstance(statement, Update | Delete):
        return
    table: Any = statement.table
    found: Any = select(literal_column("1")).select_from(table)
    if statement.whereclause is not None:
        found = found.where(statement.whereclause)
    moved = {key: options[key] for key in ("schema_translate_map",) if key in options}
    with _looking_up():
        are_there = (
            connection.execute(found, row, execution_options=moved).first() is not None
            for row in rows or [{}]
        )
        if not all(are_there):
            detail = "changes a row that is not of the tenant in scope"
            yield Finding(table_label(table), _operation_of(statement), "refused", detail)


def _tenants_refused(guard: ExaminingGuard, compiled: Any, sent: Rows) -> Iterator[Finding]:
    """Find the tenants that an ``INSERT`` wrote, by the names of their columns."""
    bound = cast("TenantContext", current_bound())
    for rule in guard.filled():
        # SQLAlchemy adds a number to the names of all rows but the first in multiple VALUES.
        written = [
            value
            for row in sent
            for name, value in row.items()
            if name == rule.key or name.startswith(f"{rule.key}_m")
        ]
        roles = (role_of(each) for each in compiled.bind_names)
        if not written and any(
            each and each.kind == "fill" and each.operation == "INSERT" and each.rule is rule
            for each in roles
        ):
            yield Finding(rule.label, "INSERT", "confined", f"does not set {rule.key}")
        if not all(rule.is_same_tenant(each, bound.tenant_id) for each in written):
            detail = f"{rule.key} is not the tenant in scope"
            yield Finding(rule.label, "INSERT", "refused", detail)


def _values_refused(compiled: Any, values: Rows) -> Iterator[Finding]:
    for bind, name in compiled.bind_names.items():
        role = role_of(bind)
        if role is None or role.kind != "check":
            continue
        check = processor_for(role, None)
        for row in values:
            try:
                if name in row:
                    check(row[name])
            except REFUSALS as error:
                yield Finding(role.rule.label, role.operation, "refused", str(error))
                break


def _references_refused(
    connection: Connection,
    compiled: Any,
    values: Rows,
    options: Mapping[str, Any],
) -> Iterator[Finding]:
    references = compiled.tenantshield_references
    if not references:
        return
    names = {name for noted in references.values() for row in noted.rows for name in row}
    complete = [row for row in values if names <= row.keys()]
    if not complete:
        return
    for written, rows in references.items():
        try:
            with _looking_up():
                check_references(connection, {written: rows}, complete, options)
        except REFUSALS as error:
            label, operation = written.reference.label, _operation_of(compiled.statement)
            yield Finding(label, operation, "refused", str(error))
