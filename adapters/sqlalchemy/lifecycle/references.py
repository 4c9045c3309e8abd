"""The rows that a tenant's rows refer to and that are not its own: those that all tenants share.

They are not exported. An export says which they are and what they were, by a checksum, since the
same key could mean something else in another database.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

from sqlalchemy import (
    ColumnElement,
    ForeignKeyConstraint,
    Table,
    and_,
    exists,
    or_,
)
from sqlalchemy.engine import Connection, Dialect

from ..doctor.declarations import rule_of
from ..errors import ConfigurationError
from ..ownership.model import ColumnOwnership, may_be_shared, table_label
from ..ownership.registry import registry
from ..snapshots import foreign_keys_of
from .plan import Plan
from .rows import TableRows, Written, among, in_batches, is_everybodys, is_own, line_of

__all__ = ["References"]


class References:
    """The shared rows that a tenant's rows may refer to.

    Args:
        plan: the tables.
        dialect: the database's dialect.
    """

    def __init__(self, plan: Plan, dialect: Dialect) -> None:
        found: dict[Table, list[ForeignKeyConstraint]] = {}
        for table in plan.tables:
            for key in sorted(foreign_keys_of(table), key=lambda each: [*each.column_keys]):
                if _is_to_shared(key):
                    found.setdefault(key.referred_table, []).append(key)
        self._keys = found
        self._rows = {table_label(table): TableRows(table, dialect) for table in found}

    def written(self, connection: Connection) -> Iterator[Written]:
        """Yield the rows that the tenant's refer to: the table, the key and a checksum of each."""
        for label, rows in self._rows.items():
            statement = rows.select().where(self._is_referred_to(rows.table))
            names = self._names(rows.table)
            for row in rows.stream(connection, statement.order_by(*rows.table.primary_key)):
                yield {
                    "table": label,
                    "key": {name: row[name] for name in names},
                    "sha256": _checksum(row),
                }

    def _is_referred_to(self, table: Table) -> ColumnElement[bool]:
        referring = []
        for key in self._keys[table]:
            child = key.table.alias()
            pairs = [child.c[element.parent.key] == element.column for element in key.elements]
            referring.append(exists().where(*pairs, is_own(key.table, child)))
        return and_(or_(*referring), is_everybodys(table))

    def _names(self, table: Table) -> list[str]:
        columns = [*table.primary_key] or [each.column for each in self._keys[table][0].elements]
        return [column.name for column in columns]

    def check(self, connection: Connection, exported: Iterable[Written], *, accept: bool) -> None:
        """Check that the rows are in this database, too.

        Args:
            connection: a connection, under the tenant.
            exported: what :meth:`written` yielded for the export.
            accept: whether they may have changed.

        Raises:
            ConfigurationError: one is missing, or is another one than it was.
        """
        for batch in in_batches(iter(exported)):
            by_table: dict[str, list[Written]] = {}
            for each in batch:
                by_table.setdefault(each["table"], []).append(each)
            for label, wanted in by_table.items():
                self._check_some(connection, label, wanted, accept=accept)

    def _check_some(
        self, connection: Connection, label: str, wanted: list[Written], *, accept: bool
    ) -> None:
        rows = self._rows[label]
        names = self._names(rows.table)
        columns = [rows.as_stored(name) for name in names]
        asked = [[rows.columns[name].read(each["key"][name]) for name in names] for each in wanted]
        found = {
            line_of({name: row[name] for name in names}): _checksum(row)
            for row in rows.stream(connection, rows.select().where(among(columns, asked)))
        }
        for each in wanted:
            key = line_of({name: each["key"][name] for name in names})
            if key not in found:
                raise ConfigurationError(
                    f"the tenant's rows refer to the row {each['key']} of {label}, which is shared "
                    "and is not in this database: add it first"
                )
            if found[key] != each["sha256"] and not accept:
                raise ConfigurationError(
                    f"the tenant's rows refer to the row {each['key']} of {label}, which is shared "
                    "and differs here from what was exported: make them the same, or give "
                    "--accept-references if it means the same"
                )


def _is_to_shared(key: ForeignKeyConstraint) -> bool:
    """Return whether a foreign key may refer to a row that is not the tenant's own."""
    if rule_of(key.referred_table) is not None:
        return may_be_shared(key.referred_table, registry.ownership_of)
    rule = rule_of(key.table)
    # The tenant itself may have another name here, and be another row.
    return not (
        isinstance(rule, ColumnOwnership)
        and any(column.name == rule.column for column in key.columns)
    )


def _checksum(row: Written) -> str:
    return hashlib.sha256(line_of(row)).hexdigest()
