"""NULL in a foreign key: where it becomes a key, or makes the row nobody's.

A database may write the next number, a default, 0 or an empty text in the place of ``NULL``, which
may be another tenant's key. And a row that belongs to a tenant through its parent belongs to none
without one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from sqlalchemy import (
    CTE,
    BindParameter,
    Case,
    Join,
    Select,
    Subquery,
    Table,
    func,
    null,
    select,
)
from sqlalchemy.sql.elements import Cast, ColumnClause, Grouping, Label
from sqlalchemy.sql.expression import FromClause, TableClause
from sqlalchemy.sql.functions import FunctionElement, coalesce
from sqlalchemy.sql.selectable import AliasedReturnsRows, FromGrouping, SelectStatementGrouping

from ..databases import Database
from ..errors import CrossTenantAccessError, UnguardedStatementError
from ..ownership.derivation import is_not_null
from ..ownership.model import Reference, table_key, table_label
from .conversions import name_of
from .joins import base_table, leaves
from .proofs import ReferencesOf, is_new_row

__all__ = [
    "NeverNull",
    "filled",
    "kept_from_null",
    "makes_number_of_0",
    "null_error",
    "refuse_maybe_null",
    "refuse_null",
    "refuse_zero",
]


def filled(reference: Reference, database: Database | None) -> frozenset[str]:
    """Return the columns of a foreign key in which ``NULL`` would become a value."""
    if database is None or not database.fills_null:
        return frozenset()
    if database.converts_null:
        return reference.not_null
    return reference.not_null & reference.made_by_database


def makes_number_of_0(reference: Reference, name: str, database: Database | None) -> bool:
    """Return whether the database writes the next number instead of a 0 in the column ``name``."""
    return database is not None and database.numbers_zero and name in reference.numbered


def kept_from_null(
    value: Any,
    name: str,
    reference: Reference,
    database: Database | None,
    is_never: Callable[[], bool],
) -> Any:
    """Return an expression of a foreign key such that it is not ``NULL`` where that matters.

    It matters where the database would write a value instead, or where the row would be without
    the parent that it belongs to and the database takes it.

    Args:
        value: the expression.
        name: the name of the column that it is written to.
        reference: the foreign key.
        database: the database that the statement is for.
        is_never: returns whether it is never ``NULL`` anyway.

    Raises:
        UnguardedStatementError: it could be ``NULL``.
    """
    becomes = name in filled(reference, database)
    if makes_number_of_0(reference, name, database):
        value = func.nullif(value, 0)
    elif not (becomes or (reference.owns and name not in reference.not_null)) or is_never():
        return value
    if not becomes or database is None or not database.converts_null:
        refuse_maybe_null(reference)
    # Such a database refuses a subquery with several rows, but only when it needs its value.
    several = select(null()).union_all(select(null())).scalar_subquery()
    return func.coalesce(value, several)


def refuse_null(reference: Reference) -> NoReturn:
    """Raise for a foreign key that is ``NULL`` where the database writes a value instead."""
    raise null_error(reference)


def null_error(reference: Reference) -> CrossTenantAccessError:
    """Return the error for a foreign key that is ``NULL`` where it would become a value."""
    return CrossTenantAccessError(
        f"{', '.join(reference.columns)} of {reference.label} is NULL, which the column cannot be: "
        "the database could write a number or a default instead, and so refer to another tenant's "
        f"{table_label(reference.parent)}; give it a value"
    )


def refuse_zero(reference: Reference) -> NoReturn:
    """Raise for a foreign key that is 0 where the database writes the next number instead."""
    raise CrossTenantAccessError(
        f"{', '.join(reference.columns)} of {reference.label} is 0, or not known as a number, and "
        "is declared with autoincrement: the database would write the next number, and so refer to "
        f"another tenant's {table_label(reference.parent)}; declare it with autoincrement=False"
    )


def refuse_maybe_null(reference: Reference) -> NoReturn:
    """Raise for a foreign key that is set to an expression without a value, perhaps."""
    names, parent = ", ".join(reference.columns), table_label(reference.parent)
    becomes = (
        "belong to no tenant" if reference.owns else f"refer to another tenant's {parent} instead"
    )
    raise UnguardedStatementError(
        f"{names} of {reference.label} is set to an expression that could be NULL, and the row "
        f"could then {becomes}: read the key first and give it as a value, or use a column that is "
        "NOT NULL, or coalesce() with a value"
    )


class NeverNull:
    """Proves that an expression of a foreign key is never ``NULL``.

    That it yields this tenant's keys is for ``proofs.py`` to prove. A parameter is looked up.

    Args:
        references_of: returns the foreign keys of a table.
        reference: the foreign key that is set to the expression.
        updated: the table whose columns the expression may name, in an ``UPDATE``.
        upserted: the table of an upsert in whose ``SET`` the expression is.
    """

    def __init__(
        self,
        references_of: ReferencesOf,
        reference: Reference,
        *,
        updated: FromClause | None = None,
        upserted: TableClause | None = None,
    ) -> None:
        self._references_of = references_of
        self._reference = reference
        self._upserted = upserted
        self._read: set[Any] = set() if updated is None else {updated}
        self._seen: set[tuple[int, int]] = set()

    def of(self, value: Any) -> bool:
        """Return whether an expression is never ``NULL``."""
        if hasattr(value, "__clause_element__"):
            value = value.__clause_element__()
        match value:
            case BindParameter():
                return True
            case Label() | Grouping():
                return self.of(value.element)
            case Cast():
                return self.of(value.clause)
            case FunctionElement():
                is_known = isinstance(value, coalesce) and name_of(value) == "coalesce"
                return is_known and any(map(self.of, value.clauses))
            case Case():
                results = [result for _, result in value.whens]
                return value.else_ is not None and all(map(self.of, [*results, value.else_]))
            case ColumnClause():
                return self._column(value)
            case _:
                # A subquery may have no row, and an aggregate none to count.
                return False

    def selected(self, source: Any, position: int) -> bool:
        """Return whether one column of a ``SELECT``, ``UNION`` or similar is never ``NULL``."""
        parts = getattr(source, "selects", None)
        if parts is not None:
            return all(self.selected(each, position) for each in parts)
        if isinstance(source, SelectStatementGrouping):
            return self.selected(source.element, position)
        if not isinstance(source, Select) or _makes_nulls(source):
            return False
        selected = list(source.selected_columns)
        if position >= len(selected):
            return False
        read, upserted = self._read, self._upserted
        self._upserted = None
        self._read = {leaf for each in source.get_final_froms() for leaf in leaves(each)}
        try:
            return self.of(selected[position])
        finally:
            self._read, self._upserted = read, upserted

    def _column(self, column: ColumnClause[Any]) -> bool:
        element = column.table
        if element is None or column.is_literal:
            return False
        table = base_table(element)
        if is_new_row(element, self._upserted):
            return table is not None and self._is_checked(table, column.name)
        if element not in self._read:
            return False
        if table is None:
            return self._derived(element, column)
        return self._is_checked(table, column.name) or _is_declared(table, column.name)

    def _is_checked(self, table: TableClause, name: str) -> bool:
        """Return whether it is a foreign key that has a value in each row that a tenant reads."""
        return any(
            name in each.columns and (each.owns or name in each.not_null)
            for each in self._references_of(table)
        ) or (
            table_key(table) == table_key(self._reference.parent)
            and _is_declared(self._reference.parent, name)
        )

    def _derived(self, element: Any, column: ColumnClause[Any]) -> bool:
        """Return whether a column of a subquery or CTE is never ``NULL``."""
        while isinstance(element, AliasedReturnsRows) and not isinstance(element, Subquery | CTE):
            element = element.element
        if not isinstance(element, Subquery | CTE):
            return False
        keys = [each.key for each in element.c]
        if column.key not in keys:
            return False
        seen = (id(element), keys.index(column.key))
        if seen in self._seen:
            # A recursive CTE: proven by induction, from its first part and from each step.
            return True
        self._seen.add(seen)
        return self.selected(element.element, seen[1])


def _is_declared(table: TableClause, name: str) -> bool:
    if not isinstance(table, Table):
        return False
    return any(each.name == name and is_not_null(each) for each in table.columns)


def _makes_nulls(source: Select[Any]) -> bool:
    """Return whether a query may add ``NULL`` to its rows, by an outer join or by subtotals."""
    # private: what stands in GROUP BY and behind the statement.
    grouped: Any = source._group_by_clauses
    if source._suffixes or not all(isinstance(each, ColumnClause) for each in grouped):
        return True
    return any(map(_is_outer, source.get_final_froms()))


def _is_outer(element: Any) -> bool:
    if isinstance(element, FromGrouping):
        return _is_outer(element.element)
    return isinstance(element, Join) and (
        element.isouter or element.full or _is_outer(element.left) or _is_outer(element.right)
    )
