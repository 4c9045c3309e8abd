"""What tenants' tables hold, and what a write did to the other tenant's rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

from sqlalchemy import Table, select
from sqlalchemy.engine import Connection

from tenantshield_mw.context import system_scope

from ..doctor.declarations import rule_of
from ..ownership.model import ColumnOwnership, table_label
from ..snapshots import foreign_keys_of
from .rows import REASON, THEIRS, Row, Rows

__all__ = ["Contents"]

DriverRows: TypeAlias = list[tuple[Any, ...]]


class Contents:
    """The contents of all tables with tenants' rows, before anything was tried.

    All of these tables are read back after each write, since a write may change any of them: by a
    cascade, a trigger or a rule. The driver alone reads them, which costs a fraction of what
    SQLAlchemy does; a table whose rows are not the same is then read by SQLAlchemy, too.

    Args:
        connection: the connection on which the ways will be tried.
        rows: the rows of both tenants.
    """

    def __init__(self, connection: Connection, rows: Rows) -> None:
        self._connection = connection
        self._rows = rows
        name = connection.dialect.identifier_preparer.format_table
        self._queries = {
            table: f"SELECT * FROM {name(table)}"
            for table in rows.made
            if rule_of(table) is not None
        }
        with system_scope(REASON):
            self._before = {table: self._read(table) for table in self._queries}
        self._stored = dict(self._by_driver(self._queries))

    def left(self, first: Table) -> str:
        """Return what a write did to the other tenant; nothing if it did nothing.

        Args:
            first: the table that it was tried on.
        """
        for table, stored in self._by_driver({first: "", **self._queries}):
            if stored != self._stored[table]:
                with system_scope(REASON):
                    now = self._read(table)
                if done := self._done(table, now):
                    return done
        return ""

    def _by_driver(self, tables: dict[Table, Any]) -> Iterator[tuple[Table, DriverRows]]:
        with system_scope(REASON):
            # So that policies know the scope; a cursor does not tell it.
            self._connection.exec_driver_sql("SELECT 1")
        cursor = self._connection.connection.cursor()
        try:
            for table in tables:
                cursor.execute(self._queries[table])
                yield table, [tuple(row) for row in cursor.fetchall()]
        finally:
            cursor.close()

    def _read(self, table: Table) -> list[Row]:
        # By position: two columns may have the same name in a result.
        return [
            dict(zip(table.c.keys(), row, strict=True))
            for row in self._connection.execute(select(table))
        ]

    def _done(self, table: Table, rows: list[Row]) -> str:
        theirs = self._rows.made[table][THEIRS]
        keys = [_key(table, row) for row in theirs]
        now = {_key(table, row): row for row in rows}
        if any(now.get(key) != row for key, row in zip(keys, theirs, strict=True)):
            return f"changed or deleted a row of {table_label(table)}"
        for key, row in now.items():
            if key in keys or row in self._before[table]:
                continue
            rule = rule_of(table)
            if isinstance(rule, ColumnOwnership) and row[rule.key] == self._rows.tenants[THEIRS]:
                return f"made a row of {table_label(table)} for the other tenant"
            if self._refers_to_theirs(table, row):
                return f"let a row of {table_label(table)} refer to the other tenant's"
        return ""

    def _refers_to_theirs(self, table: Table, row: Row) -> bool:
        for constraint in foreign_keys_of(table):
            parent = constraint.referred_table
            if rule_of(parent) is None or parent not in self._rows.made:
                continue
            for theirs in self._rows.made[parent][THEIRS]:
                if all(
                    row[element.parent.key] == theirs[element.column.key]
                    for element in constraint.elements
                ):
                    return True
        return False


def _key(table: Table, row: Row) -> tuple[Any, ...]:
    columns = [*table.primary_key] or [*table.c]
    return tuple(_hashable(row[column.key]) for column in columns)


def _hashable(value: Any) -> Any:
    return repr(value) if isinstance(value, dict | list) else value
