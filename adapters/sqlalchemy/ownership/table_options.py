"""Options of a table's definition that affect how the database treats its rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import PrimaryKeyConstraint, Table, UniqueConstraint
from sqlalchemy.types import String, TypeEngine

from .forms import forms_of
from .limits import undecorated

__all__ = ["collations", "conflict_clauses", "inherited_tables", "upper"]


def inherited_tables(table: Table) -> tuple[str, ...]:
    """Return the names of the tables that ``table`` inherits from on PostgreSQL."""
    given = table.dialect_options["postgresql"].get("inherits")
    if given is None:
        return ()
    return (given,) if isinstance(given, str) else tuple(map(str, given))


def conflict_clauses(table: Table) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield SQLite's ``ON CONFLICT`` clause of each primary and unique key of ``table``.

    Yields:
        The clause in upper case, empty if there is none, and the names of the key's columns.
    """
    for constraint in list(table.constraints):
        if not isinstance(constraint, PrimaryKeyConstraint | UniqueConstraint):
            continue
        columns = list(constraint.columns)
        kind = "primary_key" if isinstance(constraint, PrimaryKeyConstraint) else "unique"
        clause = constraint.dialect_options["sqlite"].get("on_conflict")
        # For a constraint with a single column, SQLAlchemy also uses the column's option.
        if clause is None and len(columns) == 1:
            clause = columns[0].dialect_options["sqlite"].get(f"on_conflict_{kind}")
        yield upper(clause), tuple(each.name for each in columns)


def upper(clause: object) -> str:
    """Return an optional clause in upper case; empty if there is none."""
    return str(clause or "").strip().upper()


def collations(table: Table, name: str) -> tuple[tuple[str, str], ...]:
    """Return the collations of a column, in lower case, by database; empty if it has none.

    The database is the name of SQLAlchemy's dialect, or ``""`` for every other one. A binary
    collation compares exactly, like none.
    """
    column = next((each for each in table.columns if each.name == name), None)
    if column is None:
        return ()
    default = _collation_of(undecorated(column.type))
    found = {each.dialect.name: _collation_of(each.stored) for each in forms_of(column.type)}
    found[""] = default
    return tuple(
        sorted(
            (dialect, each)
            for dialect, each in found.items()
            if each != default or (dialect == "" and each)
        )
    )


def _collation_of(type_: TypeEngine[Any]) -> str:
    collation = (type_.collation or "") if isinstance(type_, String) else ""
    return "" if collation.casefold() == "binary" else collation.casefold()
