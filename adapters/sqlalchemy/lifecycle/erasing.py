"""Deletes every row of a tenant, in batches."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from tempfile import TemporaryFile
from typing import IO, Any

from sqlalchemy import ColumnElement, Table, and_, delete, exists, func, not_, or_, select, update
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import IntegrityError

from tenantshield_mw.tenant import TenantId

from ..errors import ConfigurationError
from ..ownership.model import table_label
from ..snapshots import foreign_keys_of
from .opening import transaction
from .plan import Plan
from .progress import Progress
from .rows import BATCH, TableRows, among, count_of, in_batches, is_own, line_of

__all__ = ["Survey", "erase", "survey"]


@dataclass(frozen=True, slots=True)
class Survey:
    """What there is of a tenant.

    Attributes:
        rows: the number of its rows by table, in the order in which they are deleted.
        referring: the number of rows of shared tables that refer to them, by table.
    """

    rows: Mapping[str, int]
    referring: Mapping[str, int]


def survey(engine: Engine, plan: Plan, tenant_id: TenantId) -> Survey:
    """Return what there is of a tenant; nothing is changed."""
    with transaction(engine, tenant_id) as connection:
        rows = {table_label(each): count_of(connection, each) for each in reversed(plan.tables)}
        referring = {
            table_label(each): found
            for each in plan.shared
            if (found := _referring(connection, each, plan))
        }
    return Survey(rows, referring)


def _referring(connection: Connection, table: Table, plan: Plan) -> int:
    """Return how many rows of a shared table refer to the tenant's own."""
    conditions = []
    for key in foreign_keys_of(table):
        if key.referred_table in plan.tables:
            parent = key.referred_table.alias()
            pairs = [parent.c[each.column.key] == each.parent for each in key.elements]
            conditions.append(exists().where(*pairs, is_own(key.referred_table, parent)))
    if not conditions:
        return 0
    statement = select(func.count()).select_from(table).where(or_(*conditions))
    return connection.scalars(statement).one()


def erase(engine: Engine, plan: Plan, tenant_id: TenantId, progress: Progress) -> Survey:
    """Delete the rows of a tenant, each batch in a transaction.

    It can be killed at any time and called again. It goes on with the next table where a pass over
    one does not make the number of its rows smaller.

    Args:
        engine: the database.
        plan: the tables.
        tenant_id: the tenant.
        progress: shows how far it has come.

    Returns:
        What is left.

    Raises:
        ConfigurationError: rows of a shared table refer to the tenant's; nothing was changed.
    """
    before = survey(engine, plan, tenant_id)
    if before.referring:
        found = ", ".join(f"{rows} of {name}" for name, rows in before.referring.items())
        raise ConfigurationError(
            f"rows of tables that all tenants share refer to this tenant's rows: {found}; delete "
            "them, or set what they refer to to NULL, in a system scope"
        )
    work = _Erasure(engine, tenant_id, progress)
    for table in plan.tables:
        for later in plan.later.get(table, ()):
            work.empty(TableRows(table, engine.dialect), later.columns)
    left = 0
    for table in reversed(plan.tables):
        try:
            left += work.delete_all(table, _is_leaf(table, plan))
        except IntegrityError:
            if not left:
                raise
            # Rows that are left refer to some of these.
    progress.clear()
    return survey(engine, plan, tenant_id)


class _Erasure:
    """Changes the tenant's rows in batches, each in a transaction."""

    def __init__(self, engine: Engine, tenant_id: TenantId, progress: Progress) -> None:
        self._engine = engine
        self._tenant_id = tenant_id
        self._progress = progress

    def empty(self, rows: TableRows, columns: tuple[Any, ...]) -> None:
        """Set foreign keys to ``NULL`` that are in the way of deleting one row after the other."""
        some = or_(*(column.is_not(None) for column in columns))
        statement = update(rows.table).values(dict.fromkeys(columns)).where(some)
        self._change(rows, statement, some, None)

    def delete_all(self, table: Table, condition: ColumnElement[bool]) -> int:
        """Delete the rows of a table, and return how many are left."""
        rows = TableRows(table, self._engine.dialect)
        left = self._count(table)
        # Again for those that are written meanwhile, and for leaves that were branches; but not
        # for ever, where a trigger writes a row for each that goes.
        while left:
            self._change(rows, delete(table), condition, left)
            before, left = left, self._count(table)
            if left >= before:
                break
        return left

    def _count(self, table: Table) -> int:
        with transaction(self._engine, self._tenant_id) as connection:
            return count_of(connection, table)

    def _change(
        self,
        rows: TableRows,
        statement: Any,
        condition: ColumnElement[bool],
        expected: int | None,
    ) -> None:
        if not [*rows.table.primary_key]:
            with transaction(self._engine, self._tenant_id) as connection:
                connection.execute(statement)
            return
        changed = 0
        with TemporaryFile() as file:
            # All keys at once: to look for the next ones after each batch takes ever longer.
            self._write_keys(file, rows, condition)
            file.seek(0)
            for batch in in_batches(map(json.loads, file)):
                keys = [rows.read_key(key) for key in batch]
                with transaction(self._engine, self._tenant_id) as connection:
                    done = connection.execute(statement.where(among(rows.key, keys)))
                changed += done.rowcount
                self._progress.show(table_label(rows.table), changed, expected)

    def _write_keys(self, file: IO[bytes], rows: TableRows, condition: ColumnElement[bool]) -> None:
        columns: Any = select(*(each.label(f"c{n}") for n, each in enumerate(rows.key)))
        with transaction(self._engine, self._tenant_id) as connection:
            statement = columns.where(is_own(rows.table), condition)
            options = {"yield_per": BATCH}
            with connection.execute(statement, execution_options=options) as streamed:
                for key in streamed:
                    file.write(line_of(rows.written_key(key)))


def _is_leaf(table: Table, plan: Plan) -> ColumnElement[bool]:
    """Return the condition that no other row of the table refers to a row, where that matters."""
    leaves = []
    for constraint in plan.rigid.get(table, ()):
        child = table.alias()
        pairs = [child.c[each.parent.key] == each.column for each in constraint.elements]
        itself = and_(*(child.c[each.key] == each for each in table.primary_key))
        leaves.append(not_(exists().where(*pairs, not_(itself))))
    return and_(True, *leaves)  # noqa: FBT003 - SQL's
