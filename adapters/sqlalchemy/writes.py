"""What may be written: the tenant of an ``INSERT``, the columns of a ``SET``.

These work on SQLAlchemy's compile state of a statement, after the ORM has turned
attributes into columns and before any of it is rendered.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

from sqlalchemy import BindParameter, Select, select
from sqlalchemy.sql import coercions, roles
from sqlalchemy.sql.elements import ColumnClause, Label, Null
from sqlalchemy.sql.expression import FromClause

from .binds import checked, filled
from .errors import CrossTenantAccessError, UnguardedStatementError
from .predicate import RuleFor, base_table
from .registry import OwnColumn, Rule, registry

__all__ = ["check_set", "complete_insert"]


def complete_insert(
    state: Any,
    rule: Rule,
    column_keys: Iterable[str] | None,
) -> None:
    """Have an ``INSERT`` write the tenant in scope, and no other.

    Args:
        state: SQLAlchemy's compile state of the statement.
        rule: how the table is tied to a tenant.
        column_keys: the parameters that will come with each execution.

    Raises:
        CrossTenantAccessError: the tenant is ``None`` or computed.
        UnguardedStatementError: the statement's table does not list its tenant column.
    """
    if not isinstance(rule, OwnColumn):
        return
    key = _tenant_key(state.statement.table, rule)
    if state.statement._select_names:
        _complete_from_select(state, rule, key)
    elif state._has_multi_parameters:
        rows = [_with_tenant(row, rule, key) for row in state._multi_parameters]
        state._multi_parameters = rows
        state._dict_parameters = rows[0]
    else:
        given = dict(state._dict_parameters or {})
        if column_keys is not None and key in column_keys and key not in _keys_of(given):
            given[key] = checked(BindParameter(key, type_=rule.type, required=True), rule)
        else:
            given = _with_tenant(given, rule, key)
        state._dict_parameters = given
        state._no_parameters = False


def _keys_of(values: Mapping[Any, Any]) -> set[str]:
    return {_key_of(column) for column in values}


def _key_of(column: Any) -> str:
    return (
        column if isinstance(column, str) else coercions.expect_as_key(roles.DMLColumnRole, column)
    )


def _tenant_key(table: FromClause, rule: OwnColumn) -> str:
    for column in table.c:
        if column.name == rule.column:
            return column.key
    raise UnguardedStatementError(
        f"INSERT into {rule.label}: this table construct does not list the tenant column "
        f"{rule.column!r}, so it cannot be filled in; add it, or use the declared table"
    )


def _with_tenant(values: Mapping[Any, Any], rule: OwnColumn, key: str) -> dict[Any, Any]:
    """Return ``values`` with the tenant checked where it is given, filled where not."""
    completed = dict(values)
    for column, value in values.items():
        if _key_of(column) == key:
            completed[column] = _checked_value(value, rule)
            return completed
    completed[key] = filled(rule, "INSERT")
    return completed


def _checked_value(value: Any, rule: OwnColumn) -> Any:
    if isinstance(value, BindParameter):
        # private: the clone must keep the name under which its value will come.
        return checked(value._clone(maintain_key=True), rule)
    if value is None or isinstance(value, Null):
        raise CrossTenantAccessError(
            f"INSERT on {rule.label}: {rule.key} is NULL; leave it out and it is filled with "
            "the tenant in scope"
        )
    if hasattr(value, "__clause_element__") or hasattr(value, "_compiler_dispatch"):
        _refuse_computed(rule)
    return checked(BindParameter(None, value, type_=rule.type, unique=True), rule)


def _refuse_computed(rule: OwnColumn) -> NoReturn:
    raise CrossTenantAccessError(
        f"INSERT on {rule.label}: {rule.key} is computed by the database, which could name "
        "any tenant; leave it out and it is filled with the tenant in scope"
    )


# -- INSERT ... SELECT -----------------------------------------------------------


def _complete_from_select(state: Any, rule: OwnColumn, key: str) -> None:
    statement = state.statement._clone()
    names = [_key_of(name) for name in statement._select_names]
    source = statement.select
    if key in names:
        _check_selected_tenant(source, names.index(key), rule)
    inner = source.subquery()
    columns = list(inner.c)
    if len(columns) != len(names):
        raise UnguardedStatementError(
            f"INSERT into {rule.label} from a SELECT: the SELECT has {len(columns)} distinct "
            f"columns for {len(names)} names; give each a label of its own"
        )
    selected = [
        filled(rule, "INSERT") if name == key else column
        for name, column in zip(names, columns, strict=True)
    ]
    if key not in names:
        names.append(key)
        selected.append(filled(rule, "INSERT"))
    # The rows come out of a subquery, so that DISTINCT, LIMIT or a UNION in it mean
    # what they meant without the tenant.
    statement.select = select(*selected).select_from(inner)
    statement._select_names = names
    state.statement = statement
    state._dict_parameters = {name: Null() for name in names}


def _check_selected_tenant(source: Any, position: int, rule: OwnColumn) -> None:
    """Let a selected tenant pass where it can only be the tenant in scope."""
    if isinstance(source, Select):
        selected: Any = list(source.selected_columns)[position]
        while isinstance(selected, Label):
            selected = selected.element
        if isinstance(selected, ColumnClause) and _is_tenant_column(selected, rule):
            return
    _refuse_computed(rule)


def _is_tenant_column(column: ColumnClause[Any], rule: OwnColumn) -> bool:
    table = None if column.table is None else base_table(column.table)
    if table is None:
        return False
    source = registry.rule_for(table)
    return isinstance(source, OwnColumn) and source.column == column.name


# -- UPDATE ----------------------------------------------------------------------


def check_set(state: Any, rule_for: RuleFor, column_keys: Iterable[str] | None) -> None:
    """Refuse an ``UPDATE`` that sets a tenant column.

    Raises:
        CrossTenantAccessError: it does; a row never changes tenant.
    """
    tables = [state.statement.table, *state._extra_froms]
    for element in tables:
        table = base_table(element)
        rule = None if table is None else rule_for(table)
        if isinstance(rule, OwnColumn):
            _check_set_of(state, element, rule, column_keys)


def _check_set_of(
    state: Any, element: FromClause, rule: OwnColumn, column_keys: Iterable[str] | None
) -> None:
    keys = {column.key for column in element.c if column.name == rule.column}
    is_target = element is state.statement.table
    for column in state._dict_parameters or {}:
        table = getattr(column, "table", None)
        if _key_of(column) in keys and (table == element or (table is None and is_target)):
            refuse_set(rule)
    if is_target and column_keys is not None and not keys.isdisjoint(column_keys):
        refuse_set(rule)


def refuse_set(rule: OwnColumn) -> NoReturn:
    """Raise for a ``SET`` of ``rule``'s tenant column."""
    raise CrossTenantAccessError(
        f"UPDATE on {rule.label} sets {rule.key}: a row never changes tenant; leave it out, or "
        'move the row inside system_scope("why")'
    )
