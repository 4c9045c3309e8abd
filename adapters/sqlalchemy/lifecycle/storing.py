"""Statements that store rows that were written as JSON, for many rows each."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, Final

from sqlalchemy import Column, Insert, Update, bindparam, func, insert, select, update
from sqlalchemy.engine import Connection

from ..doctor.declarations import rule_of
from ..ownership.model import ColumnOwnership
from ..rls.sql import table_name
from .keys import is_numbered
from .plan import Plan
from .rows import TableRows, Written

__all__ = [
    "Highest",
    "Insertion",
    "Replacement",
    "later_columns",
    "replaceable_columns",
    "untouched_by_updates",
]

_FEW: Final = 1_000_000
"""Numbers that are counted one by one, which takes less than a second."""


class Insertion:
    """Inserts rows of one table.

    Args:
        rows: the table.
        left_out: the columns that the database fills; the tenant comes from the scope.
    """

    def __init__(self, rows: TableRows, left_out: Collection[str] = ()) -> None:
        tenant = _tenant_column(rows)
        self._rows = rows
        self._names = [name for name in rows.columns if name not in left_out and name != tenant]
        self.statement: Insert = insert(rows.table).values(_bound(rows, self._names, "p"))

    def parameters(self, written: Iterable[Written]) -> list[dict[str, Any]]:
        """Return the values of rows."""
        return [_read(self._rows, row, self._names, "p") for row in written]


class Replacement:
    """Writes other values into rows of one table, which are found by their primary key.

    Args:
        rows: the table.
        names: the columns to write.
    """

    def __init__(self, rows: TableRows, names: Iterable[str]) -> None:
        self._rows = rows
        self._names = [*names]
        self._key = [each.name for each in rows.table.primary_key]
        self.statement: Update = update(rows.table).values(_bound(rows, self._names, "v"))
        for number, name in enumerate(self._key):
            bound = bindparam(f"k{number}", type_=rows.columns[name].type_)
            self.statement = self.statement.where(rows.as_stored(name) == bound)

    def parameters(self, written: Iterable[Written]) -> list[dict[str, Any]]:
        """Return the values of rows."""
        return [
            _read(self._rows, row, self._names, "v") | _read(self._rows, row, self._key, "k")
            for row in written
        ]


class Highest:
    """The highest numbers that were written into columns which the database counts up.

    Args:
        rows: the table.
    """

    def __init__(self, rows: TableRows) -> None:
        self._columns = {each.name: each for each in rows.table.c if is_numbered(each)}
        self._numbers: dict[str, int] = {}
        self._counted: dict[str, int] = {}

    def add(self, written: Collection[Written]) -> None:
        """Add rows that were written."""
        for name in self._columns:
            known = self._numbers.get(name, 0)
            self._numbers[name] = max([known, *(row[name] or 0 for row in written)])

    def count_on(self, connection: Connection) -> None:
        """Let PostgreSQL count on behind them, where it does not yet."""
        for name, number in self._numbers.items():
            if number > self._counted.get(name, 0):
                _count_on(connection, self._columns[name], number)
                self._counted[name] = number


def later_columns(plan: Plan, rows: TableRows) -> list[str]:
    """Return the columns that are written when all rows are there."""
    found = [column for each in plan.later.get(rows.table, ()) for column in each.columns]
    return [*dict.fromkeys(each.name for each in found)]


def replaceable_columns(rows: TableRows) -> list[str]:
    """Return the columns that can be written into a row that exists: neither key nor tenant."""
    kept = {_tenant_column(rows), *(each.name for each in rows.table.primary_key)}
    return [name for name in rows.columns if name not in kept]


def untouched_by_updates(rows: TableRows, names: Iterable[str]) -> list[str]:
    """Return the columns to write so that an update changes ``names`` and no other column: an
    ``onupdate`` would write another value than the row has.
    """
    kept = [
        name
        for name, each in rows.columns.items()
        if each.column.onupdate is not None or each.column.server_onupdate is not None
    ]
    return [*dict.fromkeys([*names, *kept])]


def _tenant_column(rows: TableRows) -> str | None:
    rule = rule_of(rows.table)
    return rule.column if isinstance(rule, ColumnOwnership) else None


def _bound(rows: TableRows, names: Iterable[str], prefix: str) -> dict[Any, Any]:
    return {
        rows.columns[name].column: bindparam(f"{prefix}{number}", type_=rows.columns[name].type_)
        for number, name in enumerate(names)
    }


def _read(rows: TableRows, row: Written, names: Iterable[str], prefix: str) -> dict[str, Any]:
    return {
        f"{prefix}{number}": rows.columns[name].read(row[name]) for number, name in enumerate(names)
    }


def _count_on(connection: Connection, column: Column[Any], number: int) -> None:
    table = column.table
    found = connection.scalar(
        select(func.pg_get_serial_sequence(table_name(table.schema, table.name), column.name))
    )
    if found is None:
        return
    # Counted and not set, so that a number that somebody else has got does not come again.
    next_number: int = connection.scalars(select(func.nextval(found))).one()
    if 0 < (missing := number - next_number) < _FEW:
        series = func.generate_series(1, missing).table_valued("number")
        connection.execute(select(func.count(func.nextval(found))).select_from(series))
    elif missing > 0:
        connection.execute(select(func.setval(found, number)))
