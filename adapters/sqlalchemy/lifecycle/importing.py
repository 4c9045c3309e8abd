"""Writes the rows of a folder for a tenant that has none: all of them, or none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Column, Table
from sqlalchemy.engine import Connection, Engine

from tenantshield_mw.tenant import TenantId

from ..doctor.declarations import rule_of
from ..errors import ConfigurationError
from ..ownership.model import ColumnOwnership, table_label
from .exact import settle_texts
from .keys import NewKeys, key_map, stored
from .manifest import Manifest, lines_in, schema_of, verify
from .opening import transaction
from .plan import Plan
from .progress import Progress
from .references import References
from .rows import Digest, TableRows, Written, count_of, in_batches
from .storing import Highest, Insertion, Replacement, later_columns, untouched_by_updates

__all__ = ["Options", "import_", "import_into"]


@dataclass(frozen=True, slots=True)
class Options:
    """How to import.

    Attributes:
        new_keys: whether keys that say nothing of a row are made anew.
        accept_references: whether the shared rows that are referred to may have changed.
    """

    new_keys: bool = False
    accept_references: bool = False


def import_(
    engine: Engine,
    plan: Plan,
    folder: Path,
    manifest: Manifest,
    tenant_id: TenantId,
    options: Options,
    progress: Progress,
) -> dict[str, int]:
    """Write the rows of a folder in one transaction, and read them back before it is committed.

    Args:
        engine: the database.
        plan: the tables.
        folder: the folder.
        manifest: its manifest.
        tenant_id: the tenant whose rows they become.
        options: how.
        progress: shows how far it has come.

    Returns:
        The number of rows by table.

    Raises:
        ConfigurationError: the folder is damaged or of other models, or the tenant has rows, or a
            row that is referred to is missing, or the database would change a value. Nothing was
            written.
    """
    # Of two imports at once, one fails: it has not seen the other's rows.
    isolation = "SERIALIZABLE" if engine.dialect.name == "postgresql" else None
    with transaction(engine, tenant_id, isolation) as connection:
        return import_into(connection, plan, folder, manifest, tenant_id, options, progress)


def import_into(
    connection: Connection,
    plan: Plan,
    folder: Path,
    manifest: Manifest,
    tenant_id: TenantId,
    options: Options,
    progress: Progress,
) -> dict[str, int]:
    """Do what :func:`import_` does in a transaction that has begun, under the tenant."""
    dialect = connection.dialect
    settle_texts(connection)
    tables = {table_label(each): TableRows(each, dialect) for each in plan.tables}
    verify(folder, manifest, schema_of(tables))
    _check_plan(plan, options)
    files = {each.table: folder / each.file for each in manifest.tables}
    with key_map() as keys:
        for label, rows in tables.items():
            if count_of(connection, rows.table):
                raise ConfigurationError(
                    f"the tenant has rows in {label}: import for a tenant without any, such as "
                    "another one (--tenant), or erase these first"
                )
        References(plan, dialect).check(
            connection,
            lines_in(folder / manifest.references.file),
            accept=options.accept_references,
        )
        new_keys = NewKeys(plan, dialect, keys) if options.new_keys else None
        work = _Import(connection, plan, tenant_id, new_keys, progress)
        for label, rows in tables.items():
            work.insert(rows, files[label])
        for label, rows in tables.items():
            work.refer_later(rows, files[label])
        for rows in tables.values():
            work.check(rows)
        progress.clear()
    return {each.table: each.rows for each in manifest.tables}


def _check_plan(plan: Plan, options: Options) -> None:
    for table in plan.tables:
        label = table_label(table)
        if table in plan.rigid:
            raise ConfigurationError(
                f"a foreign key of {label} refers to the table itself and cannot be NULL, so none "
                "of its rows can be written before the others: let it be NULL"
            )
        if table in plan.later and not table.primary_key:
            raise ConfigurationError(
                f"{label} has no primary key, by which its foreign keys could be written when all "
                "rows are there"
            )
        for column in table.c:
            renewed = options.new_keys and column.primary_key
            if column.identity is not None and column.identity.always and not renewed:
                raise ConfigurationError(
                    f"{label}.{column.name} is GENERATED ALWAYS, so its values cannot be written: "
                    "give --new-keys, or make it GENERATED BY DEFAULT"
                )


class _Import:
    """One import, in its transaction."""

    def __init__(
        self,
        connection: Connection,
        plan: Plan,
        tenant_id: TenantId,
        new_keys: NewKeys | None,
        progress: Progress,
    ) -> None:
        self._connection = connection
        self._plan = plan
        self._tenant_id = tenant_id
        self._new_keys = new_keys
        self._progress = progress
        self._written: dict[Table, Digest] = {}

    def insert(self, rows: TableRows, file: Path) -> None:
        """Write the rows of one table, without the foreign keys that are written later."""
        table, label = rows.table, table_label(rows.table)
        later = later_columns(self._plan, rows)
        digest, highest = Digest(), Highest(rows)
        self._written[table] = digest
        for batch in in_batches(lines_in(file)):
            written = self._owned(rows, batch)
            old = [*map(dict, written)]
            if self._new_keys is not None:
                self._new_keys.refer(table, written, without={*later})
            elif self._connection.dialect.name == "postgresql":
                # First, or another tenant would be given one of these numbers, and would wait for
                # the end of this transaction.
                highest.add(written)
                highest.count_on(self._connection)
            self._send(rows, [row | dict.fromkeys(later) for row in written], written)
            column = None if self._new_keys is None else self._new_keys.renewed.get(table)
            if self._new_keys is not None and column is not None:
                name = column.name
                pairs = [(was[name], row[name]) for was, row in zip(old, written, strict=True)]
                self._new_keys.add(column, pairs)
            if not later:
                for row in written:
                    digest.add(row, rows.columns)
            self._progress.show(label, digest.rows)

    def _owned(self, rows: TableRows, batch: list[Written]) -> list[Written]:
        """Return the rows as this tenant's."""
        tenant = {
            name: rows.columns[name].write(
                stored(rows.columns[name].column, self._tenant_id, self._connection.dialect)
            )
            for name in _tenant_columns(rows.table, self._plan)
        }
        return [
            row | {name: each for name, each in tenant.items() if row[name] is not None}
            for row in batch
        ]

    def _send(self, rows: TableRows, sent: list[Written], written: list[Written]) -> None:
        """Insert rows; the keys that the database makes are put into ``written``."""
        table = rows.table
        made = self._new_keys.renewed.get(table) if self._new_keys is not None else None
        by_database = False
        if made is not None and self._new_keys is not None:
            make = self._new_keys.made(made)
            if make is None:
                by_database = True
            else:
                for row, other in zip(sent, written, strict=True):
                    row[made.name] = other[made.name] = rows.columns[made.name].write(make())
        insertion = Insertion(rows, (made.name,) if by_database and made is not None else ())
        parameters = insertion.parameters(sent)
        if not by_database:
            self._connection.execute(insertion.statement, parameters)
            return
        assert made is not None
        keys = self._inserted(insertion.statement, parameters, made)
        for row, key in zip(written, keys, strict=True):
            row[made.name] = rows.columns[made.name].write(key)

    def _inserted(
        self, statement: Any, parameters: list[dict[str, Any]], key: Column[Any]
    ) -> Iterator[Any]:
        """Insert rows, and yield the keys that the database made, in their order."""
        if self._connection.dialect.insert_executemany_returning_sort_by_parameter_order:
            returning = statement.returning(key, sort_by_parameter_order=True)
            yield from self._connection.execute(returning, parameters).scalars()
            return
        for each in parameters:
            inserted = self._connection.execute(statement, each).inserted_primary_key
            yield None if inserted is None else inserted[0]

    def refer_later(self, rows: TableRows, file: Path) -> None:
        """Write the foreign keys that could not be written before all rows were there."""
        table = rows.table
        later = later_columns(self._plan, rows)
        if not later:
            return
        replacement = Replacement(rows, untouched_by_updates(rows, later))
        for batch in in_batches(lines_in(file)):
            written = self._owned(rows, batch)
            if self._new_keys is not None:
                self._new_keys.refer(table, written)
                self._new_keys.rename(table, written)
            for row in written:
                self._written[table].add(row, rows.columns)
            parameters = replacement.parameters(
                row for row in written if any(row[name] is not None for name in later)
            )
            if parameters:
                self._connection.execute(replacement.statement, parameters)

    def check(self, rows: TableRows) -> None:
        """Check that the database has the rows that it was given.

        Raises:
            ConfigurationError: it has others.
        """
        found, label = Digest(), table_label(rows.table)
        for row in rows.written(self._connection):
            found.add(row, rows.columns)
            self._progress.show(f"{label}, read back", found.rows)
        if found.total != self._written[rows.table].total:
            raise ConfigurationError(
                f"the database would hold other values in {label} than were exported: its columns "
                "are shorter, less precise or without a time zone, or a trigger changes them; "
                "nothing was written"
            )


def _tenant_columns(table: Table, plan: Plan) -> list[str]:
    """Return the columns that hold the tenant, its own or its parents'."""
    return [column.name for column in table.c if _holds_tenant(column, plan)]


def _holds_tenant(column: Column[Any], plan: Plan) -> bool:
    rule = rule_of(column.table)
    if isinstance(rule, ColumnOwnership) and rule.column == column.name:
        return True
    return any(
        key.column.table is not column.table
        and key.column.table in plan.tables
        and _holds_tenant(key.column, plan)
        for key in list(column.foreign_keys)
    )
