"""Prove that an expression yields only this tenant's rows.

A foreign key may be set to an expression where that can only name a row of the tenant
in scope: a subquery on the parent, which is guarded like any other, or a column of a
guarded row that is such a foreign key itself and was checked when it was written.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn, TypeAlias

from sqlalchemy import BindParameter, Case, Select
from sqlalchemy.sql.elements import Cast, ColumnClause, Grouping, Label, Null
from sqlalchemy.sql.expression import TableClause
from sqlalchemy.sql.functions import coalesce
from sqlalchemy.sql.selectable import ScalarSelect

from ..errors import UnguardedStatementError
from ..ownership.model import Reference, table_label
from .placement import base_table

__all__ = ["ReferencesOf", "check_selected", "is_proven", "refuse_expression"]

ReferencesOf: TypeAlias = Callable[[TableClause], tuple[Reference, ...]]
"""Returns the foreign keys of a table that are checked when they are written."""


def check_selected(
    source: Any, position: int, reference: Reference, references_of: ReferencesOf
) -> None:
    """Refuse an ``INSERT ... SELECT`` whose foreign key could be another tenant's.

    Raises:
        UnguardedStatementError: it could.
    """
    if len(reference.columns) > 1 or not _column_is_proven(
        source, position, reference, references_of
    ):
        refuse_expression(reference)


def _column_is_proven(
    source: Any, position: int, reference: Reference, references_of: ReferencesOf
) -> bool:
    parts = getattr(source, "selects", None)
    if parts is not None:
        return all(_column_is_proven(each, position, reference, references_of) for each in parts)
    if not isinstance(source, Select):
        element = getattr(source, "element", None)
        return element is not None and _column_is_proven(
            element, position, reference, references_of
        )
    selected = list(source.selected_columns)
    # Raw SQL among the columns is not in this list, and may stand for several.
    if len(selected) != len(source.column_descriptions) or position >= len(selected):
        return False
    return is_proven(selected[position], reference, references_of)


def is_proven(value: Any, reference: Reference, references_of: ReferencesOf) -> bool:
    """Say whether the expression ``value`` can only yield this tenant's rows, or NULL."""

    def proven(each: Any) -> bool:
        return is_proven(each, reference, references_of)

    if hasattr(value, "__clause_element__"):
        value = value.__clause_element__()
    match value:
        case Null():
            return True
        case Label() | Grouping():
            return proven(value.element)
        case Cast():
            return proven(value.clause)
        case ScalarSelect():
            return len(reference.columns) == 1 and _column_is_proven(
                value.element, 0, reference, references_of
            )
        case coalesce():
            return all(proven(each) for each in value.clauses)
        case Case():
            results = [result for _, result in value.whens]
            return all(proven(each) for each in [*results, value.else_] if each is not None)
        case BindParameter():
            # Its value is known, but not as the value of this column: say it directly.
            return False
        case ColumnClause():
            return len(reference.columns) == 1 and _column_points_there(
                value, reference, references_of, proven
            )
        case _:
            return False


def _column_points_there(
    column: ColumnClause[Any],
    reference: Reference,
    references_of: ReferencesOf,
    proven: Callable[[Any], bool],
) -> bool:
    if column.table is None:
        return False
    table = base_table(column.table)
    if table is None:
        bases = column.base_columns
        return bool(bases) and all(each is not column and proven(each) for each in bases)
    target = (reference.parent.schema, reference.parent.name, reference.parent_columns[0])
    if (getattr(table, "schema", None), table.name, column.name) == target:
        return True
    # A column of a guarded row that is such a foreign key itself was checked when it
    # was written.
    return any(
        other.columns == (column.name,)
        and other.parent is reference.parent
        and other.parent_columns == reference.parent_columns
        for other in references_of(table)
    )


def refuse_expression(reference: Reference) -> NoReturn:
    """Raise for a foreign key that is set to what cannot be checked."""
    raise UnguardedStatementError(
        f"{', '.join(reference.columns)} of {reference.label} is set to an expression that could "
        f"yield another tenant's {table_label(reference.parent)}: give a value, a subquery on "
        f"{table_label(reference.parent)}, or a column that is a foreign key to it"
    )
