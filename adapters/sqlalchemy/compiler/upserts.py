"""Upserts: an ``INSERT`` that changes an existing row, if that is this tenant's.

``ON CONFLICT DO UPDATE`` gets a ``WHERE``. ``ON DUPLICATE KEY UPDATE`` has none, so each of its
columns keeps its value if the row is another tenant's.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Protocol

from sqlalchemy import ColumnElement, LargeBinary, and_, case, cast
from sqlalchemy.sql.expression import FromClause, TableClause

from ..databases import Database
from ..errors import UnguardedStatementError
from ..ownership.model import ColumnOwnership, Ownership, table_label
from . import writes
from .foreign_keys import Target
from .joins import base_table
from .placement import Plan
from .predicates import column_of, same
from .rewriting import copy_of, parenthesize

__all__ = ["confined_on_conflict", "confined_on_duplicate_key", "refuse_returning_on_conflict"]


class Guard(Protocol):
    """The part of the statement's guard that is needed here."""

    def target(self, element: FromClause) -> Target: ...

    def refuse_cascade(
        self, table: TableClause | None, changed: Collection[str] | None
    ) -> None: ...

    def upsert_plan(self, table: Any) -> Plan: ...


def confined_on_conflict(on_conflict: Any, table: Any, guard: Guard) -> Any:
    """Return ``ON CONFLICT DO UPDATE`` with the predicates in its ``WHERE``.

    Args:
        on_conflict: the clause.
        table: the table of the ``INSERT``.
        guard: the statement's guard.
    """
    target = guard.target(table)
    if not target.matters():
        return on_conflict
    given = dict(on_conflict.update_values_to_set)
    values = writes.complete_conflict(given.items(), target)
    guard.refuse_cascade(base_table(table), values)
    on_conflict = copy_of(on_conflict, update_values_to_set=list(values.items()))
    plan = guard.upsert_plan(table)
    if plan.where:
        given = on_conflict.update_whereclause
        on_conflict.update_whereclause = and_(
            *plan.where, *(() if given is None else parenthesize([given]))
        )
    return on_conflict


def confined_on_duplicate_key(
    on_duplicate: Any, table: Any, guard: Guard, *, for_executemany: bool
) -> Any:
    """Return ``ON DUPLICATE KEY UPDATE`` with the predicates in each of its values.

    Args:
        on_duplicate: the clause.
        table: the table of the ``INSERT``.
        guard: the statement's guard.
        for_executemany: whether the statement is rendered for many rows.

    Raises:
        UnguardedStatementError: the predicates cannot be sent with many rows.
    """
    target = guard.target(table)
    if not target.matters():
        return on_duplicate
    values = writes.complete_conflict(on_duplicate.update.items(), target)
    guard.refuse_cascade(base_table(table), values)
    if isinstance(target.rule, ColumnOwnership):
        is_own: ColumnElement[bool] | None = _has_new_tenant(table, target.rule, on_duplicate)
    else:
        is_own = _has_parents(table, guard, for_executemany=for_executemany)
    if is_own is not None:
        # There is no WHERE here, so each column keeps its value if the existing row is another
        # tenant's.
        values = {
            # SQLAlchemy leaves out what the table does not list, and warns of it.
            key: case((is_own, value), else_=table.c[key]) if key in table.c else value
            for key, value in values.items()
        }
    return copy_of(on_duplicate, update=values)


def _has_new_tenant(table: Any, rule: ColumnOwnership, on_duplicate: Any) -> ColumnElement[bool]:
    # The new row has the tenant in scope. Without a parameter, since drivers take none in
    # this place where they send many rows at once.
    column = column_of(table, rule.column, rule.type_)
    new = column_of(on_duplicate.inserted_alias, rule.column, rule.type_)
    return and_(same(column, new), same(cast(column, LargeBinary), cast(new, LargeBinary)))


def _has_parents(table: Any, guard: Guard, *, for_executemany: bool) -> ColumnElement[bool] | None:
    plan = guard.upsert_plan(table)
    if plan.where and for_executemany:
        raise UnguardedStatementError(
            f"ON DUPLICATE KEY UPDATE of many rows of {table_label(table)}, which belong to a "
            "tenant through another table: give the rows to values([...]) instead of to "
            "execute()"
        )
    return and_(*plan.where) if plan.where else None


def refuse_returning_on_conflict(state: Any, rule: Ownership, database: Database) -> None:
    """Refuse ``ON DUPLICATE KEY UPDATE`` with ``RETURNING``.

    Raises:
        UnguardedStatementError: the statement could return another tenant's row.
    """
    # private: the clauses after VALUES, and the columns to return.
    insert = state.statement
    if insert._post_values_clause is None or not database.on_duplicate_key:
        return
    if insert._returning or insert._return_defaults:
        raise UnguardedStatementError(
            f"INSERT ... ON DUPLICATE KEY UPDATE ... RETURNING on {rule.label}: the database "
            "would return the existing row even if it is another tenant's; leave RETURNING out "
            "and select the row afterwards"
        )
    # private: SQLAlchemy must not request the key of that row on its own either.
    state._supports_implicit_returning = False
