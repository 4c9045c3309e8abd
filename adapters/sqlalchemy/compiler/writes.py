"""What may be written: the tenant of an ``INSERT``, the columns of a ``SET``.

These work on SQLAlchemy's compile state of a statement, after the ORM has turned
attributes into columns and before any of it is rendered.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

from sqlalchemy import BindParameter, Select, select
from sqlalchemy.sql.elements import ColumnClause, Label, Null
from sqlalchemy.sql.expression import FromClause

from ..errors import CrossTenantAccessError, UnguardedStatementError
from ..ownership.model import ColumnOwnership, table_label
from ..ownership.registry import registry
from .foreign_keys import Target, key_of, refuse_orphan
from .parameters import checked, filled
from .placement import base_table
from .proofs import check_selected
from .rewriting import parenthesize_value

__all__ = ["complete_conflict", "complete_insert", "complete_update"]


def complete_insert(state: Any, target: Target, column_keys: Iterable[str] | None) -> None:
    """Have an ``INSERT`` write the tenant in scope, and point at this tenant's rows only.

    Args:
        state: SQLAlchemy's compile state of the statement.
        target: what is known of the table.
        column_keys: the parameters that will come with each execution.

    Raises:
        CrossTenantAccessError: the tenant is ``None`` or computed.
        UnguardedStatementError: the statement's table does not list its tenant column,
            or a foreign key is set to what cannot be checked.
    """
    keys = frozenset(column_keys or ())
    if state.statement._select_names:
        _complete_from_select(state, target)
    elif state._has_multi_parameters:
        rows = [
            _alone(target.note(_with_tenant(row, target, frozenset()), frozenset(), row=number))
            for number, row in enumerate(state._multi_parameters)
        ]
        state._multi_parameters = rows
        state._dict_parameters = rows[0]
    else:
        given = _with_tenant(state._dict_parameters or {}, target, keys)
        given = _alone(target.note(given, keys))
        if given:
            state._dict_parameters = given
            state._no_parameters = False


def _tenant_key(table: FromClause, rule: ColumnOwnership) -> str:
    for column in table.c:
        if column.name == rule.column:
            return column.key
    raise UnguardedStatementError(
        f"INSERT into {rule.label}: this table construct does not list the tenant column "
        f"{rule.column!r}, so it cannot be filled in; add it, or use the declared table"
    )


def _alone(values: Mapping[Any, Any]) -> dict[Any, Any]:
    return {column: parenthesize_value(value) for column, value in values.items()}


def _with_tenant(
    values: Mapping[Any, Any], target: Target, column_keys: frozenset[str]
) -> dict[Any, Any]:
    """Return ``values`` with the tenant checked where it is given, filled where not."""
    completed = dict(values)
    rule = target.rule
    if not isinstance(rule, ColumnOwnership):
        return completed
    key = _tenant_key(target.table, rule)
    for column, value in values.items():
        if key_of(column) == key:
            completed[column] = _checked_value(value, rule)
            return completed
    if key in column_keys:
        completed[key] = checked(BindParameter(key, type_=rule.type_, required=True), rule)
    else:
        completed[key] = filled(rule, "INSERT")
    return completed


def _checked_value(value: Any, rule: ColumnOwnership) -> Any:
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
    return checked(BindParameter(None, value, type_=rule.type_, unique=True), rule)


def _refuse_computed(rule: ColumnOwnership) -> NoReturn:
    raise CrossTenantAccessError(
        f"INSERT on {rule.label}: {rule.key} is computed by the database, which could name "
        "any tenant; leave it out and it is filled with the tenant in scope"
    )


# -- INSERT ... SELECT -----------------------------------------------------------


def _complete_from_select(state: Any, target: Target) -> None:
    statement = state.statement._clone()
    names = [key_of(name) for name in statement._select_names]
    source = statement.select
    inner = source.subquery()
    if len(inner.c) != len(names):
        raise UnguardedStatementError(
            f"INSERT into {table_label(target.table)} from a SELECT that has {len(inner.c)} "
            f"distinct columns for {len(names)} names: give each a label of its own, and write "
            "raw SQL among them as literal_column()"
        )
    _check_selected_references(source, names, target)
    rule = target.rule
    if not isinstance(rule, ColumnOwnership):
        return
    key = _tenant_key(target.table, rule)
    if key in names:
        _check_selected_tenant(source, names.index(key), rule)
    selected = [
        filled(rule, "INSERT") if name == key else column
        for name, column in zip(names, inner.c, strict=True)
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


def _check_selected_references(source: Any, names: list[str], target: Target) -> None:
    keys = {column.name: column.key for column in target.table.c}
    for reference in target.references:
        given = [keys[name] for name in reference.columns if keys.get(name) in names]
        for key in given:
            check_selected(source, names.index(key), reference, target.references_of)
        if reference.owns and not given:
            refuse_orphan(reference)


def _check_selected_tenant(source: Any, position: int, rule: ColumnOwnership) -> None:
    """Let a selected tenant pass where it can only be the tenant in scope."""
    if isinstance(source, Select):
        selected: Any = list(source.selected_columns)[position]
        while isinstance(selected, Label):
            selected = selected.element
        if isinstance(selected, ColumnClause) and _is_tenant_column(selected):
            return
    _refuse_computed(rule)


def _is_tenant_column(column: ColumnClause[Any]) -> bool:
    table = None if column.table is None else base_table(column.table)
    if table is None:
        return False
    source = registry.ownership_of(table)
    return isinstance(source, ColumnOwnership) and source.column == column.name


# -- UPDATE ----------------------------------------------------------------------


def complete_update(
    state: Any,
    target: Target,
    others: Iterable[Target],
    column_keys: Iterable[str] | None,
) -> None:
    """Have an ``UPDATE`` leave the tenant parenthesize, and point at this tenant's rows only.

    Args:
        state: SQLAlchemy's compile state of the statement.
        target: what is known of the table that is updated.
        others: the same of the further tables of an ``UPDATE ... FROM``.
        column_keys: the parameters that will come with each execution.

    Raises:
        CrossTenantAccessError: it sets a tenant column; a row never changes tenant.
        UnguardedStatementError: a foreign key is set to what cannot be checked.
    """
    keys = frozenset(column_keys or ())
    others = list(others)
    given = state._dict_parameters or {}
    _check_set(target, _set_of(given, target, is_target=True) | keys | _set_by_default(target))
    for other in others:
        changed = _set_of(given, other, is_target=False)
        _check_set(other, changed)
        for reference in other.references:
            if not changed.isdisjoint(_keys(other.table, reference.columns)):
                raise UnguardedStatementError(
                    f"UPDATE sets a foreign key of {reference.label}, a further table of the "
                    "statement: update that table in a statement of its own"
                )
    noted = target.note(given, keys, updates=True)
    if noted:
        if _is_guarded(target, others):
            noted = _alone(noted)
        state._dict_parameters = noted
        if getattr(state, "_ordered_values", None):
            # private: 2.0 keeps ordered_values() in a second place.
            state._ordered_values = list(noted.items())
        state._no_parameters = False


def _is_guarded(target: Target, others: Iterable[Target]) -> bool:
    return any(each.rule is not None or each.references for each in (target, *others))


def _set_of(given: Mapping[Any, Any], target: Target, *, is_target: bool) -> frozenset[str]:
    """Return the keys of those columns of ``target`` that are set."""
    return frozenset(
        key_of(column)
        for column in given
        if (table := getattr(column, "table", None)) == target.table
        or (table is None and is_target)
        # The ORM names the mapped table's column where the target is an alias of it.
        or (is_target and base_table(target.table) == table)
    )


def _set_by_default(target: Target) -> frozenset[str]:
    """Return the keys of those columns that SQLAlchemy sets in every ``UPDATE``.

    The declared table has none on its tenant column, but a copy of it may.
    """
    return frozenset(
        column.key for column in target.table.c if getattr(column, "onupdate", None) is not None
    )


def _keys(table: FromClause, names: Iterable[str]) -> frozenset[str]:
    wanted = frozenset(names)
    return frozenset(column.key for column in table.c if column.name in wanted)


def _check_set(target: Target, keys: frozenset[str]) -> None:
    rule = target.rule
    if isinstance(rule, ColumnOwnership) and not keys.isdisjoint(
        _keys(target.table, [rule.column])
    ):
        refuse_set(rule)


def refuse_set(rule: ColumnOwnership) -> NoReturn:
    """Raise for a ``SET`` of ``rule``'s tenant column."""
    raise CrossTenantAccessError(
        f"UPDATE on {rule.label} sets {rule.key}: a row never changes tenant; leave it out, or "
        'move the row inside system_scope("why")'
    )


# -- what to do on a conflict ----------------------------------------------------


def complete_conflict(values: Iterable[tuple[Any, Any]], target: Target) -> list[tuple[Any, Any]]:
    """Return what an upsert sets on a row that is there already, checked like an ``UPDATE``.

    Raises:
        CrossTenantAccessError: it sets the tenant column.
        UnguardedStatementError: a foreign key is set to what cannot be checked.
    """
    given = dict(values)
    _check_set(target, frozenset(key_of(column) for column in given))
    return list(_alone(target.note(given, frozenset(), updates=True)).items())
