"""Prove that an expression yields only this tenant's rows.

A foreign key may be set to an expression that can only refer to this tenant's rows: a subquery on
the parent, which is guarded like any other, or a column of a guarded row that is itself a foreign
key to that parent and was checked when it was written.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn, TypeAlias

from sqlalchemy import CTE, BindParameter, Case, Delete, Insert, Select, Subquery, Update
from sqlalchemy.sql.elements import Cast, ColumnClause, Grouping, Label, Null
from sqlalchemy.sql.expression import Alias, TableClause
from sqlalchemy.sql.functions import FunctionElement, coalesce, max, min  # noqa: A004  # SQL's own.
from sqlalchemy.sql.selectable import AliasedReturnsRows, ScalarSelect, SelectStatementGrouping
from sqlalchemy.types import NullType, String, TypeEngine

from ..errors import UnguardedStatementError
from ..ownership.limits import undecorated
from ..ownership.model import Reference, table_key, table_label
from ..ownership.registry import registry
from .conversions import name_of
from .joins import base_table
from .key_types import is_exact_number, mixes_exactly, parent_types

__all__ = ["Proof", "ReferencesOf", "check_selected", "is_new_row", "refuse_expression"]

ReferencesOf: TypeAlias = Callable[[TableClause], tuple[Reference, ...]]
"""Returns the foreign keys of a table that are checked when they are written."""


def check_selected(
    source: Any, position: int, reference: Reference, references_of: ReferencesOf
) -> list[BindParameter[Any]]:
    """Refuse an ``INSERT ... SELECT`` whose foreign key could refer to another tenant's row.

    Returns:
        parameters that may become the foreign key, whose values are still to be looked up.

    Raises:
        UnguardedStatementError: the foreign key is composite, or could refer to such a row.
    """
    proof = Proof(reference, references_of)
    if len(reference.columns) > 1 or not proof.selected(source, position):
        refuse_expression(reference)
    return proof.parameters


def is_new_row(element: Any, table: TableClause | None) -> bool:
    """Return whether ``element`` may stand for the new row of an upsert of ``table``."""
    if table is None or not _has_its_name(element):
        return False
    written = base_table(element)
    return written is not None and table_key(written) == table_key(table)


def _has_its_name(element: Any) -> bool:
    # private: ``excluded`` and ``inserted`` are aliases with these names. Anything else may
    # have one of them, too.
    return isinstance(element, Alias) and (
        str(element.name).casefold() in ("excluded", "inserted", "new")
    )


class Proof:
    """Proves that an expression yields only keys of this tenant's rows, or NULL.

    It follows the expression through subqueries to the tables.

    Args:
        reference: the foreign key that is set to the expression.
        references_of: returns the foreign keys of a table.
        upserted: the table of an upsert in whose ``SET`` the expression is.
        reads_rows: whether a column outside of a subquery is a stored row's. In the ``VALUES`` of
            an ``INSERT`` it is the new row's, with a value that nobody has checked.

    Attributes:
        parameters: those that the expression may yield: their values are still to be looked up.
    """

    def __init__(
        self,
        reference: Reference,
        references_of: ReferencesOf,
        upserted: TableClause | None = None,
        *,
        reads_rows: bool = True,
    ) -> None:
        self._upserted = upserted
        self._reads_rows = reads_rows
        self._key_type = parent_types(reference)[0]
        self._parts = 0
        self._is_mixed = False
        self._reference = reference
        self._references_of = references_of
        self._seen: set[tuple[int, int]] = set()
        self.parameters: list[BindParameter[Any]] = []

    def selected(self, source: Any, position: int) -> bool:
        """Return whether one column of a ``SELECT``, ``UNION`` or similar is proven."""
        return self._selected(source, position) and self._is_exact()

    def of(self, value: Any) -> bool:
        """Return whether an expression is proven."""
        return self._of(value) and self._is_exact()

    def _is_exact(self) -> bool:
        # The database gives all that an expression may yield one type, in which a key may be
        # another one.
        return self._parts < 2 or not self._is_mixed

    def _add_part(self, *, is_like_key: bool) -> None:
        self._parts += 1
        self._is_mixed = self._is_mixed or not is_like_key

    def _selected(self, source: Any, position: int) -> bool:
        # In there an alias is what the SELECT reads.
        before = self._upserted, self._reads_rows
        self._upserted, self._reads_rows = None, True
        try:
            return self._read(source, position)
        finally:
            self._upserted, self._reads_rows = before

    def _read(self, source: Any, position: int) -> bool:
        parts = getattr(source, "selects", None)
        if parts is not None:
            return all(self._selected(each, position) for each in parts)
        if isinstance(source, SelectStatementGrouping):
            return self._selected(source.element, position)
        if isinstance(source, Insert | Update | Delete):
            # A CTE that writes: what it returns are rows of this tenant.
            returned = list(source.exported_columns)
            return position < len(returned) and self._of(returned[position])
        if not isinstance(source, Select):
            return False
        selected = list(source.selected_columns)
        # Raw SQL among the columns is not in this list, and may yield several columns.
        if len(selected) != len(source.column_descriptions) or position >= len(selected):
            return False
        return self._of(selected[position])

    def _of(self, value: Any) -> bool:
        if hasattr(value, "__clause_element__"):
            value = value.__clause_element__()
        reference = self._reference
        if len(reference.columns) > 1 and not isinstance(value, Null):
            return False
        # What the tenant reads may be rows of everybody, to which it may tie nothing. And the
        # database might round or cut the key of this tenant's row to another one.
        needs_value = reference.to_own_rows or reference.is_narrower
        if needs_value and not isinstance(value, BindParameter | Grouping | Label | Null):
            return False
        match value:
            case Null():
                return True
            case Label() | Grouping():
                return self._of(value.element)
            case Cast():
                # A cast to another type may truncate the value to another key, and so may one of a
                # parameter, which has the type without having been converted to it.
                given = len(self.parameters)
                return (
                    repr(value.type) == repr(value.clause.type)
                    and self._of(value.clause)
                    and len(self.parameters) == given
                )
            case ScalarSelect():
                return self._selected(value.element, 0)
            case FunctionElement():
                return self._function(value)
            case Case():
                results = [result for _, result in value.whens]
                return all(self._of(each) for each in [*results, value.else_] if each is not None)
            case ColumnClause():
                return self._column(value)
            case BindParameter(literal_execute=False):
                self.parameters.append(value)
                self._add_part(is_like_key=self._is_like_key(value.type))
                return True
            case _:
                # It is not known what it yields.
                return False

    def _function(self, function: Any) -> bool:
        arguments = list(function.clauses)
        name = name_of(function)
        if isinstance(function, coalesce) and name == "coalesce":
            return all(map(self._of, arguments))
        if name == "nullif":
            # Its first argument or NULL, in a type for the comparison with the second one.
            if not all(mixes_exactly(each.type, self._key_type) for each in arguments[1:]):
                return False
            del arguments[1:]
        elif not isinstance(function, max | min) or name not in ("max", "min"):
            return False
        return len(arguments) == 1 and self._of(arguments[0])

    def _is_like_key(self, type_: TypeEngine[Any]) -> bool:
        # The values of a parameter without a type are judged by themselves.
        if isinstance(type_, NullType):
            return is_exact_number(undecorated(self._key_type)) or isinstance(
                undecorated(self._key_type), String
            )
        return mixes_exactly(type_, self._key_type)

    def _column(self, column: ColumnClause[Any]) -> bool:
        element = column.table
        if element is None or column.is_literal or not self._reads_rows:
            return False
        table = base_table(element)
        if is_new_row(element, self._upserted):
            # Its foreign keys were checked in VALUES, but its own key may be another row's.
            return self._is_checked_key(table, column)
        if table is None:
            return self._derived(element, column)
        if registry.ownership_of(table) is None:
            # Its rows are not confined, so they may hold any tenant's keys.
            return False
        parent = (self._reference.parent.schema, self._reference.parent.name)
        is_key = (*table_key(table), column.name) == (*parent, self._reference.parent_columns[0])
        # Not the key of what may be the new row, within a subquery of the SET.
        if is_key and not _has_its_name(element):
            self._add_part(is_like_key=True)
            return True
        return self._is_checked_key(table, column)

    def _is_checked_key(self, table: TableClause | None, column: ColumnClause[Any]) -> bool:
        """Return whether ``column`` is itself a foreign key to the parent, checked when written."""
        if table is None:
            return False
        parent = table_key(self._reference.parent)
        for other in self._references_of(table):
            if (
                other.columns == (column.name,)
                # Perhaps the same table in another MetaData.
                and table_key(other.parent) == parent
                and other.parent_columns == self._reference.parent_columns
            ):
                is_like = not other.is_narrower or mixes_exactly(column.type, self._key_type)
                self._add_part(is_like_key=is_like)
                return True
        return False

    def _derived(self, element: Any, column: ColumnClause[Any]) -> bool:
        """Return whether a column of a subquery or CTE is proven."""
        while isinstance(element, AliasedReturnsRows) and not isinstance(element, Subquery | CTE):
            element = element.element
        if not isinstance(element, Subquery | CTE):
            return False
        position = next(
            (index for index, each in enumerate(element.c) if each.key == column.key), None
        )
        if position is None:
            return False
        key = (id(element), position)
        if key in self._seen:
            # A recursive CTE: proven by induction, from its first part and from each step.
            return True
        self._seen.add(key)
        return self._selected(element.element, position)


def refuse_expression(reference: Reference) -> NoReturn:
    """Raise for a foreign key that is set to something that cannot be checked."""
    if reference.to_own_rows:
        raise UnguardedStatementError(
            f"{', '.join(reference.columns)} of {reference.label} is set to an expression that "
            f"could yield a row of {table_label(reference.parent)} that every tenant reads: give "
            "values"
        )
    raise UnguardedStatementError(
        f"{', '.join(reference.columns)} of {reference.label} is set to an expression that could "
        f"yield another tenant's {table_label(reference.parent)}: give a value, a subquery on "
        f"{table_label(reference.parent)}, or a column that is a foreign key to it"
    )
