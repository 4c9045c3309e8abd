"""New keys for rows that are imported beside others, and everything that refers to them."""

from __future__ import annotations

import json
import sqlite3
import tempfile
import uuid
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Column, Integer, Table, TypeDecorator, Uuid
from sqlalchemy import Sequence as DatabaseSequence
from sqlalchemy.engine import Dialect

from ..doctor.declarations import rule_of
from ..errors import ConfigurationError
from ..ownership.model import ColumnOwnership, may_be_shared, table_label
from ..ownership.registry import registry
from .plan import Plan
from .rows import Written

__all__ = ["KeyMap", "NewKeys", "is_numbered", "key_map", "stored"]


class KeyMap:
    """The new key for each old one, in a file: there may be millions."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def add(self, root: str, pairs: Iterable[tuple[Any, Any]]) -> None:
        """Add old keys with their new ones, as JSON values."""
        self._connection.execute("BEGIN")
        self._connection.executemany(
            "INSERT INTO keys VALUES (?, ?, ?)",
            ((root, json.dumps(old), json.dumps(new)) for old, new in pairs),
        )
        self._connection.execute("COMMIT")

    def find(self, root: str, old: Sequence[Any]) -> dict[Any, Any]:
        """Return the new keys of those of ``old`` that have one."""
        asked = [json.dumps(each) for each in dict.fromkeys(old)]
        marks = ", ".join("?" * len(asked))
        rows = self._connection.execute(
            f"SELECT old, new FROM keys WHERE root = ? AND old IN ({marks})", (root, *asked)
        )
        return {json.loads(key): json.loads(new) for key, new in rows}


@contextmanager
def key_map() -> Generator[KeyMap]:
    """Yield an empty map in a temporary file."""
    with tempfile.TemporaryDirectory(prefix="tenantshield-") as folder:
        connection = sqlite3.connect(Path(folder) / "keys.db", isolation_level=None)
        try:
            for setting in ("journal_mode = OFF", "synchronous = OFF"):
                connection.execute(f"PRAGMA {setting}")
            connection.execute(
                "CREATE TABLE keys (root TEXT, old TEXT, new TEXT, PRIMARY KEY (root, old)) "
                "WITHOUT ROWID"
            )
            yield KeyMap(connection)
        finally:
            connection.close()


def is_numbered(column: Column[Any]) -> bool:
    """Return whether the database counts the column up."""
    return isinstance(column.type, Integer) and (
        column is column.table.autoincrement_column
        or isinstance(column.default, DatabaseSequence)
        or column.identity is not None
    )


def stored(column: Column[Any], value: Any, dialect: Dialect) -> Any:
    """Return what the decorators of the column's type make of ``value``."""
    type_ = column.type
    while isinstance(type_, TypeDecorator):
        value = type_.process_bind_param(value, dialect)
        type_ = type_.impl_instance
    return value


class NewKeys:
    """Which columns get new keys, and which refer to them.

    A primary key of one column is renewed if it says nothing of the row: the database counts it up,
    or it is a ``Uuid``, or it has a Python default that is called.

    Args:
        plan: the tables.
        dialect: the database's dialect.
        keys: the new keys.

    Raises:
        ConfigurationError: a column refers to two keys at once.
    """

    def __init__(self, plan: Plan, dialect: Dialect, keys: KeyMap) -> None:
        self._dialect = dialect
        self._keys = keys
        self.renewed: dict[Table, Column[Any]] = {}
        for table in plan.tables:
            if (column := _surrogate(table)) is not None:
                self.renewed[table] = column
        self._roots = {table: self._roots_of(table, plan) for table in plan.tables}
        self._wanted = {root for roots in self._roots.values() for root in roots.values()}
        # By their keys, rows are found again whose foreign keys are written later.
        self._wanted |= {self.renewed[table] for table in plan.later if table in self.renewed}

    def _roots_of(self, table: Table, plan: Plan) -> dict[str, Column[Any]]:
        """Return the renewed key that each column of a table refers to, if it does."""
        found: dict[str, Column[Any]] = {}
        for column in table.c:
            roots = {each for each in _followed(column, plan) if each is not column}
            renewed = roots & {*self.renewed.values()}
            if len(roots) > 1 and renewed:
                names = ", ".join(
                    sorted(f"{table_label(each.table)}.{each.name}" for each in roots)
                )
                raise ConfigurationError(
                    f"{table_label(table)}.{column.name} refers to several keys, {names}, and "
                    "cannot get the new one of each: import without --new-keys"
                )
            if renewed:
                found[column.name] = renewed.pop()
        return found

    def made(self, column: Column[Any]) -> Callable[[], Any] | None:
        """Return what makes a new key, as the database stores it; ``None`` if the database does."""
        default: Any = column.default
        if default is not None and default.is_callable:
            return lambda: stored(column, default.arg(None), self._dialect)
        if is_numbered(column):
            return None
        as_uuid = isinstance(column.type, Uuid) and column.type.as_uuid
        return uuid.uuid4 if as_uuid else lambda: str(uuid.uuid4())

    def add(self, column: Column[Any], pairs: Iterable[tuple[Any, Any]]) -> None:
        """Remember new keys of a column, if anything asks for them."""
        if column in self._wanted:
            self._keys.add(_name_of(column), pairs)

    def rename(self, table: Table, rows: Sequence[Written]) -> None:
        """Give rows that were written the keys that they have got, in place."""
        column = self.renewed.get(table)
        if column is not None:
            found = self._keys.find(_name_of(column), [row[column.name] for row in rows])
            for row in rows:
                row[column.name] = found[row[column.name]]

    def refer(self, table: Table, rows: Sequence[Written], without: Iterable[str] = ()) -> None:
        """Replace what rows refer to, in place.

        Args:
            table: the table.
            rows: its rows.
            without: the names of columns that are left as they are.

        Raises:
            ConfigurationError: a row refers to one that is not in the export.
        """
        for name, root in self._roots[table].items():
            wanted = [row[name] for row in rows if row[name] is not None]
            if name in without or not wanted:
                continue
            found = self._keys.find(_name_of(root), wanted)
            for row in rows:
                old = row[name]
                if old is None:
                    continue
                if old not in found and not may_be_shared(root.table, registry.ownership_of):
                    raise ConfigurationError(
                        f"a row of {table_label(table)} refers by {name} to one that is not in "
                        "the export"
                    )
                row[name] = found.get(old, old)


def _followed(column: Column[Any], plan: Plan) -> set[Column[Any]]:
    """Return the columns at which the foreign keys of a column end."""
    ends: set[Column[Any]] = set()
    seen: set[Column[Any]] = set()
    ahead: list[Column[Any]] = [column]
    while ahead:
        each = ahead.pop()
        if each in seen:
            continue
        seen.add(each)
        referred = [key.column for key in list(each.foreign_keys)]
        further = [column for column in referred if column.table in plan.tables]
        ahead += further
        if not further:
            ends.add(each)
    return ends


def _surrogate(table: Table) -> Column[Any] | None:
    """Return the column of a key that can be renewed; ``None`` if the key says something."""
    if len(table.primary_key) != 1:
        return None
    (column,) = table.primary_key
    rule = rule_of(table)
    if column.foreign_keys or (isinstance(rule, ColumnOwnership) and rule.column == column.name):
        return None
    default: Any = column.default
    called = default is not None and default.is_callable
    return column if called or is_numbered(column) or isinstance(column.type, Uuid) else None


def _name_of(column: Column[Any]) -> str:
    return f"{table_label(column.table)}.{column.name}"
