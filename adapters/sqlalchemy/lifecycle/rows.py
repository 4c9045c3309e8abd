"""The rows of one table that belong to the tenant in scope."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import islice
from typing import Any, Final, TypeAlias, TypeVar

from sqlalchemy import (
    ColumnElement,
    Select,
    Table,
    exists,
    false,
    func,
    not_,
    or_,
    select,
    true,
    tuple_,
    type_coerce,
)
from sqlalchemy.engine import Connection, Dialect
from sqlalchemy.sql.expression import FromClause

from tenantshield_mw.context import current_tenant

from ..doctor.declarations import rule_of
from ..ownership.model import ColumnOwnership, ParentOwnership, may_be_shared
from ..ownership.registry import registry
from .exact import reading_of
from .values import ColumnValues, values_of

__all__ = [
    "BATCH",
    "Digest",
    "TableRows",
    "Written",
    "among",
    "count_of",
    "in_batches",
    "is_everybodys",
    "is_own",
    "line_of",
]

T = TypeVar("T")

Written: TypeAlias = dict[str, Any]
"""A row as JSON, by the names of its columns."""

BATCH: Final = 1000
"""The number of rows that are held in memory."""


def is_own(table: Table, rows: FromClause | None = None) -> ColumnElement[bool]:
    """Return the condition that a row is the tenant's own, and none that every tenant reads.

    Args:
        table: a table that holds tenants' rows.
        rows: an alias of it, or the table.
    """
    rows = table if rows is None else rows
    rule = rule_of(table)
    if rule is None or not may_be_shared(table, registry.ownership_of):
        # The guard's own condition is enough.
        return true()
    if isinstance(rule, ColumnOwnership):
        own: ColumnElement[bool] = rows.c[rule.key] == current_tenant().tenant_id
        return own
    return or_(*_own_parents(rule, rows))


def is_everybodys(table: Table) -> ColumnElement[bool]:
    """Return the condition that every tenant reads a row."""
    rule = rule_of(table)
    if isinstance(rule, ColumnOwnership):
        if rule.shared_rows is None:
            return false()
        # Not the opposite of is_own(), which is NULL for NULL.
        column = table.c[rule.key]
        shared = rule.shared_rows.value
        return column.is_(None) if shared is None else column == shared
    return true() if rule is None else not_(is_own(table))


def _own_parents(rule: ParentOwnership, rows: FromClause) -> Iterator[ColumnElement[bool]]:
    for key in rule.parent_keys:
        parent = key.parent.alias()
        joined = [
            parent.c[_key_of(key.parent, theirs)] == rows.c[_key_of(rule.table, ours)]
            for ours, theirs in zip(key.columns, key.parent_columns, strict=True)
        ]
        yield exists().where(*joined, is_own(key.parent, parent))


def _key_of(table: Table, name: str) -> str:
    return next(column.key for column in table.c if column.name == name)


def count_of(connection: Connection, table: Table) -> int:
    """Return the number of the tenant's own rows."""
    statement = select(func.count()).select_from(table).where(is_own(table))
    return connection.scalars(statement).one()


class TableRows:
    """Reads the tenant's own rows of one table.

    Args:
        table: the table.
        dialect: the database's dialect.

    Attributes:
        table: the table.
        columns: its columns by name, without those that the database computes.

    Raises:
        ConfigurationError: the type of a column is not understood.
    """

    def __init__(self, table: Table, dialect: Dialect) -> None:
        self.table = table
        self.columns: dict[str, ColumnValues] = {
            column.name: values_of(column, dialect) for column in table.c if column.computed is None
        }
        self._readings = [
            reading_of(each, self.as_stored(name), dialect) for name, each in self.columns.items()
        ]

    @property
    def key(self) -> list[ColumnElement[Any]]:
        """The columns of the primary key, as the database has them."""
        return [self.as_stored(column.name) for column in self.table.primary_key]

    def written_key(self, values: Sequence[Any]) -> list[Any]:
        """Return the values of the primary key as JSON."""
        names = [column.name for column in self.table.primary_key]
        return [self.columns[name].write(each) for name, each in zip(names, values, strict=True)]

    def read_key(self, written: Sequence[Any]) -> list[Any]:
        """Return the values of the primary key that were written."""
        names = [column.name for column in self.table.primary_key]
        return [self.columns[name].read(each) for name, each in zip(names, written, strict=True)]

    def as_stored(self, name: str) -> ColumnElement[Any]:
        """Return a column, as the database has it."""
        found = self.columns[name]
        if found.type_ is found.column.type:
            # The guard knows that comparing a plain column cannot fail, so an index can serve it.
            return found.column
        return type_coerce(found.column, found.type_)

    def select(self) -> Select[Any]:
        """Return a query of all rows of the table that the tenant reads."""
        columns = [each.expression.label(f"c{n}") for n, each in enumerate(self._readings)]
        columns += [
            each.witness.label(f"w{n}")
            for n, each in enumerate(self._readings)
            if each.witness is not None
        ]
        return select(*columns)

    def written(self, connection: Connection) -> Iterator[Written]:
        """Yield the tenant's own rows in the order of the primary key.

        Raises:
            UnfitValueError: a value is not one of its column's type, or a file would not hold it
                exactly.
        """
        # The same rows make the same file.
        statement = self.select().where(is_own(self.table)).order_by(*self.table.primary_key)
        yield from self.stream(connection, statement)

    def stream(self, connection: Connection, statement: Select[Any]) -> Iterator[Written]:
        """Yield the rows of a statement that :meth:`select` made."""
        names = [*self.columns]
        writers = [each.write for each in self._readings]
        watched = [n for n, each in enumerate(self._readings) if each.witness is not None]
        streamed = connection.execute(statement, execution_options={"yield_per": BATCH})
        with streamed:
            for row in streamed:
                found: list[tuple[Any, ...]] = [(value,) for value in row[: len(names)]]
                for number, witness in zip(watched, row[len(names) :], strict=True):
                    found[number] += (witness,)
                values = [write(*each) for write, each in zip(writers, found, strict=True)]
                yield dict(zip(names, values, strict=True))


def among(
    columns: Sequence[ColumnElement[Any]], keys: Sequence[Sequence[Any]]
) -> ColumnElement[bool]:
    """Return the condition that a row has one of the keys."""
    if len(columns) == 1:
        return columns[0].in_([key for (key,) in keys])
    return tuple_(*columns).in_([tuple(key) for key in keys])


def in_batches(rows: Iterator[T]) -> Iterator[list[T]]:
    """Yield lists of at most :data:`BATCH` items."""
    while batch := [*islice(rows, BATCH)]:
        yield batch


def line_of(row: Mapping[str, Any] | Sequence[Any]) -> bytes:
    """Return the line of a file for a row, or for a key."""
    return json.dumps(row, separators=(",", ":"), allow_nan=False).encode("ascii") + b"\n"


class Digest:
    """Adds up the rows of a table, whatever their order is."""

    def __init__(self) -> None:
        self.rows = 0
        self._sum = 0

    def add(self, row: Written, columns: Mapping[str, ColumnValues]) -> None:
        """Add one row."""
        values = [_compared(each.kind, row[name]) for name, each in columns.items()]
        text = json.dumps(values, separators=(",", ":"), sort_keys=True)
        self.rows += 1
        self._sum += int.from_bytes(hashlib.sha256(text.encode("ascii")).digest())

    @property
    def total(self) -> tuple[int, int]:
        """The number of rows, and what they add up to."""
        return self.rows, self._sum % 2**256


def _compared(kind: str, written: Any) -> Any:
    """Return a value so that equal ones are the same."""
    if written is None:
        return None
    if kind == "decimal":
        # 1.5 is stored as 1.50 in a column of two places.
        value = Decimal(written)
        return str(value.normalize()) if value else "0"
    return _numbers(written) if kind.endswith("json") else written


def _numbers(value: Any) -> Any:
    """Return JSON in which each number is written in one way."""
    if isinstance(value, dict):
        return {key: _numbers(each) for key, each in value.items()}
    if isinstance(value, list):
        return [*map(_numbers, value)]
    # PostgreSQL's jsonb writes 1e+16 as an integer.
    return int(value) if isinstance(value, float) and value.is_integer() else value
