"""Check the values that a statement writes: the tenant of an ``INSERT``, the columns of a ``SET``.

This works on SQLAlchemy's compile state of a statement, after the ORM has turned attributes
into columns and before anything is rendered.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import partial
from operator import is_
from typing import Any, Final, NoReturn

from sqlalchemy import BindParameter, Select, literal_column, select
from sqlalchemy.sql.elements import ColumnClause, Label, Null, TypeCoerce
from sqlalchemy.sql.expression import FromClause

from ..errors import CrossTenantAccessError, UnguardedStatementError
from ..ownership.model import ColumnOwnership, table_label
from ..ownership.registry import registry
from .foreign_keys import (
    Target,
    key_of,
    names_of,
    written_name,
)
from .joins import base_table
from .nulls import NeverNull
from .parameters import checked, filled
from .proofs import check_selected, is_new_row
from .rendered import refuse_set
from .rewriting import parenthesize_value

__all__ = ["complete_conflict", "complete_insert", "complete_update"]

_CONSTANT: Final = re.compile(r"(?i:NULL)|'[^'\\]*'")


def complete_insert(state: Any, target: Target, column_keys: Iterable[str] | None) -> None:
    """Make an ``INSERT`` write the tenant in scope, and refer only to this tenant's rows.

    Args:
        state: SQLAlchemy's compile state of the statement.
        target: the table that is written.
        column_keys: the keys of the parameters that each execution passes.

    Raises:
        CrossTenantAccessError: the tenant is ``None`` or computed.
        UnguardedStatementError: the statement's table does not list its tenant column,
            or a foreign key is set to something that cannot be checked.
    """
    keys = frozenset(column_keys or ())
    if state.statement._select_names:
        _complete_from_select(state, target)
    elif state._has_multi_parameters:
        rows = [
            _parenthesized(
                target.note(_with_tenant(row, target, frozenset()), frozenset(), row=number)
            )
            for number, row in enumerate(state._multi_parameters)
        ]
        state._multi_parameters = rows
        state._dict_parameters = rows[0]
    else:
        given = _with_tenant(state._dict_parameters or {}, target, keys)
        given = _parenthesized(target.note(given, keys))
        if given:
            state._dict_parameters = given
            state._no_parameters = False


def _tenant_key(table: FromClause, rule: ColumnOwnership) -> str:
    wanted = rule.column.casefold()
    found = [column for column in table.c if column.name.casefold() == wanted]
    if len(found) == 1:
        return found[0].key
    raise UnguardedStatementError(
        f"INSERT into {rule.label}: this table construct does not list the tenant column "
        f"{rule.column!r} exactly once, so it cannot be filled in; use the declared table"
    )


def _parenthesized(values: Mapping[Any, Any]) -> dict[Any, Any]:
    return {column: parenthesize_value(value) for column, value in values.items()}


def _with_tenant(
    values: Mapping[Any, Any],
    target: Target,
    column_keys: frozenset[str],
    *,
    updates: bool = False,
) -> dict[Any, Any]:
    """Return ``values`` with the tenant checked if it is given.

    If it is not given, an ``INSERT`` gets the tenant in scope, and an ``UPDATE`` nothing. A row
    never changes tenant; setting the tenant that it already has is no change.

    Args:
        values: the values of a row, by column or key.
        target: the table that is written.
        column_keys: the keys of the parameters that each execution passes.
        updates: whether this is the ``SET`` of an ``UPDATE`` or an upsert.
    """
    completed = dict(values)
    rule = target.rule
    if not isinstance(rule, ColumnOwnership):
        return completed
    operation = "UPDATE" if updates else "INSERT"
    name = rule.column.casefold()
    given = names_of(values, target.table)
    if name in given:
        key = given[name]
        if not (updates and _is_same_tenant(completed[key], rule, target)):
            completed[key] = _checked_value(completed[key], rule, operation)
        target.checked.add(name)
        return completed
    key = None if updates else _tenant_key(target.table, rule)
    passed = [each for each in column_keys if written_name(each, target.table) == name]
    # Two keys for the same column are refused.
    for passed_key in names_of(passed, target.table).values():
        completed[passed_key] = checked(
            BindParameter(passed_key, type_=rule.type_, required=True), rule, operation
        )
    if not passed and key is not None:
        completed[key] = filled(rule, operation)
    if passed or not updates:
        target.checked.add(name)
    return completed


def _checked_value(value: Any, rule: ColumnOwnership, operation: str) -> Any:
    if isinstance(value, BindParameter):
        # private: the clone must keep its name, under which the execution passes the value.
        clone: BindParameter[Any] = value._clone(maintain_key=True)
        # It is checked among the parameters of the execution.
        clone.literal_execute = False
        # Another type might store another tenant than the one that is checked.
        clone.type = rule.type_
        return checked(clone, rule, operation)
    if value is None or isinstance(value, Null):
        if operation == "UPDATE":
            refuse_set(rule)
        raise CrossTenantAccessError(
            f"INSERT on {rule.label}: {rule.key} is NULL; leave it out and it is filled with "
            "the tenant in scope"
        )
    if hasattr(value, "__clause_element__") or hasattr(value, "_compiler_dispatch"):
        if operation == "UPDATE":
            refuse_set(rule)
        _refuse_computed(rule)
    return checked(BindParameter(None, value, type_=rule.type_, unique=True), rule, operation)


def _refuse_computed(rule: ColumnOwnership) -> NoReturn:
    raise CrossTenantAccessError(
        f"INSERT on {rule.label}: {rule.key} is computed by the database, which could name "
        "any tenant; leave it out and it is filled with the tenant in scope"
    )


# -- INSERT ... SELECT -----------------------------------------------------------


def _complete_from_select(state: Any, target: Target) -> None:
    statement = state.statement._clone()
    # private: the keys of the columns that the SELECT's columns are written to.
    names = [str(key_of(each)) for each in statement._select_names]
    names_of(names, target.table)
    source = statement.select
    inner = source.subquery()
    if len(inner.c) != len(names):
        raise UnguardedStatementError(
            f"INSERT into {table_label(target.table)} from a SELECT that has {len(inner.c)} "
            f"distinct columns for {len(names)} names: give each column its own label, and write "
            "raw SQL among them as literal_column()"
        )
    columns = _constants_outside(source, list(inner.c))
    selected = _checked_references(source, names, columns, target)
    rule = target.rule
    if isinstance(rule, ColumnOwnership):
        key = _tenant_key(target.table, rule)
        target.checked.add(rule.column.casefold())
        if key in names:
            _check_selected_tenant(source, names.index(key), rule)
            selected[names.index(key)] = filled(rule, "INSERT")
        else:
            names.append(key)
            selected.append(filled(rule, "INSERT"))
    elif all(map(is_, selected, columns)):
        return
    # The rows come from a subquery, so that adding the tenant does not change the meaning of
    # DISTINCT, LIMIT or UNION.
    rows = select(*selected).select_from(inner)
    if statement._post_values_clause is not None:
        # private: an upsert's clause. SQLite would read its ON as the ON of a join.
        rows = rows.where(literal_column("1") == literal_column("1"))
    statement.select = rows
    statement._select_names = names
    state.statement = statement
    state._dict_parameters = {name: Null() for name in names}


def _constants_outside(source: Any, columns: list[Any]) -> list[Any]:
    """Return ``columns``, those of the subquery of ``source``, with each constant as such.

    PostgreSQL gives one whose type is not known the column's type directly in an ``INSERT``, but
    the type ``text`` in a subquery.
    """
    if not isinstance(source, Select):
        return columns
    bare = [each.element if isinstance(each, Label) else each for each in source.selected_columns]
    return [
        value if _is_constant(value) else column
        for value, column in zip(bare, columns, strict=True)
    ]


def _is_constant(value: Any) -> bool:
    while isinstance(value, TypeCoerce):
        value = value.clause
    if isinstance(value, ColumnClause):
        return value.is_literal and _CONSTANT.fullmatch(value.name) is not None
    return isinstance(value, Null | BindParameter)


def _checked_references(
    source: Any, names: list[str], columns: list[Any], target: Target
) -> list[Any]:
    """Return ``columns``, the selected ones, after the foreign keys among them are checked."""
    columns = list(columns)
    keys = {column.name.casefold(): column.key for column in target.table.c}
    for reference in target.references:
        given = [name for name in reference.columns if keys.get(name.casefold()) in names]
        for name in given:
            position = names.index(keys[name.casefold()])
            found = check_selected(source, position, reference, target.references_of)
            target.notes.add_within(found, reference)
            never = NeverNull(target.references_of, reference)
            is_never = partial(never.selected, source, position)
            columns[position] = target.never_null(columns[position], name, reference, is_never)
        target.check_given(reference, given)
        target.checked.update(name.casefold() for name in given)
    return columns


def _check_selected_tenant(source: Any, position: int, rule: ColumnOwnership) -> None:
    """Refuse a selected tenant unless it can only be the tenant in scope."""
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
    """Make an ``UPDATE`` keep the tenant, and refer only to this tenant's rows.

    Args:
        state: SQLAlchemy's compile state of the statement.
        target: the table that is updated.
        others: the further tables of an ``UPDATE ... FROM``.
        column_keys: the keys of the parameters that each execution passes.

    Raises:
        CrossTenantAccessError: it sets a tenant column; a row never changes tenant.
        UnguardedStatementError: a foreign key is set to something that cannot be checked.
    """
    others = list(others)
    tables = [each.table for each in others]
    given = state._dict_parameters or {}
    # A column of a further table is rendered as that table's, if the database supports it.
    own = {key: value for key, value in given.items() if not _is_others(key, tables)}
    keys = frozenset(column_keys or ())
    checked_own = target.note(_with_tenant(own, target, keys, updates=True), keys, updates=True)
    # In the given order, which some databases follow.
    noted = {key: checked_own.pop(key, value) for key, value in given.items()} | checked_own
    if noted:
        if _is_guarded(target, others):
            noted = _parenthesized(noted)
        state._dict_parameters = noted
        if getattr(state, "_ordered_values", None):
            # private: 2.0 keeps ordered_values() in a second place.
            state._ordered_values = list(noted.items())
        state._no_parameters = False


def _is_others(key: Any, tables: list[Any]) -> bool:
    return getattr(key, "table", None) in tables


def _is_guarded(target: Target, others: Iterable[Target]) -> bool:
    return any(each.rule is not None or each.references for each in (target, *others))


def _is_same_tenant(value: Any, rule: ColumnOwnership, target: Target) -> bool:
    """Return whether ``value`` is the tenant of the row itself, or of an upsert's new row."""
    element = value.__clause_element__() if hasattr(value, "__clause_element__") else value
    if not isinstance(element, ColumnClause) or element.name.casefold() != rule.column.casefold():
        return False
    table = element.table
    return table is not None and (
        table is target.table or is_new_row(table, base_table(target.table))
    )


# -- what to do on a conflict ----------------------------------------------------


def complete_conflict(values: Iterable[tuple[Any, Any]], target: Target) -> dict[str, Any]:
    """Return what an upsert sets on an existing row, checked like an ``UPDATE``.

    Args:
        values: pairs of a string, column or expression, and the value that it is set to.
        target: the table that is written.

    Returns:
        The values by column key, or by name for columns that the table construct does not list.

    Raises:
        CrossTenantAccessError: it sets the tenant column to another tenant.
        UnguardedStatementError: a foreign key is set to something that cannot be checked, or
            an expression is set instead of a column.
    """
    pairs = list(values)
    if any(written_name(key, target.table) is None for key, _ in pairs):
        raise UnguardedStatementError(
            f"an upsert on {table_label(target.table)} sets an expression, not a column: set "
            "each column separately"
        )
    given = dict(pairs)
    names = names_of(given, target.table)
    for name in names:
        target.refuse_other_name(name)
    keys = {column.name.casefold(): column.key for column in target.table.c}
    by_key = {keys.get(name, str(key_of(key))): given[key] for name, key in names.items()}
    by_key = _with_tenant(by_key, target, frozenset(), updates=True)
    noted = target.note(by_key, frozenset(), updates=True, has_defaults=False)
    unchecked = (target.sensitive & names.keys()) - target.checked
    if unchecked:
        raise UnguardedStatementError(
            f"an upsert on {table_label(target.table)} sets a tenant column or a foreign key that "
            "this table construct does not list: use the declared table"
        )
    return _parenthesized(noted)
