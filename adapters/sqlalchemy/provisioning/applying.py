"""Applies what differs between two places to the rows at one of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sqlalchemy import Table, delete, update
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from ..lifecycle.plan import Plan
from ..lifecycle.rows import TableRows, Written, among, in_batches, is_own
from ..lifecycle.storing import (
    Highest,
    Insertion,
    Replacement,
    later_columns,
    replaceable_columns,
    untouched_by_updates,
)
from .differing import Difference, Keys

__all__ = ["apply"]


def apply(
    plan: Plan, source: Connection, target: Connection, found: Mapping[Table, Difference]
) -> None:
    """Let the rows at the target be those at the source.

    Args:
        plan: the tables.
        source: a connection in the transaction in which the differences were found.
        target: a connection in a transaction.
        found: what differs, by table.

    Raises:
        DBAPIError: the database refuses an order of these changes that would be right for others,
            such as when two rows have exchanged a value that is unique.
    """
    work = _Application(plan, source, target)
    differing = [found[table] for table in plan.tables if table in found]
    for each in differing:
        work.let_go(each)
    in_the_way = [each for each in reversed(differing) if not work.delete_at_once(each)]
    for each in differing:
        work.write(each)
    for each in differing:
        work.refer(each)
    for each in in_the_way:
        work.delete(each)


class _Application:
    def __init__(self, plan: Plan, source: Connection, target: Connection) -> None:
        self._plan = plan
        self._source = source
        self._target = target

    def let_go(self, found: Difference) -> None:
        """Empty foreign keys among rows that are deleted."""
        later = self._plan.later.get(found.rows.table, ())
        columns = {column: None for each in later for column in each.columns}
        if columns:
            statement = update(found.rows.table).values(columns)
            for keys in found.gone.batches():
                self._target.execute(statement.where(among(found.rows.key, keys)))

    def delete_at_once(self, found: Difference) -> bool:
        """Delete the rows that are gone, unless rows that will be changed still refer to them."""
        try:
            with self._target.begin_nested():
                self.delete(found)
        except IntegrityError:
            return False
        return True

    def delete(self, found: Difference) -> None:
        """Delete the rows that are gone."""
        table = found.rows.table
        if found.is_whole:
            self._target.execute(delete(table).where(is_own(table)))
        for keys in found.gone.batches():
            self._target.execute(delete(table).where(among(found.rows.key, keys)))

    def write(self, found: Difference) -> None:
        """Write rows that have changed, which may free a value that is unique, and then new ones;
        without foreign keys to rows that may not be there yet.
        """
        rows = found.rows
        later = later_columns(self._plan, rows)
        names = [each for each in replaceable_columns(rows) if each not in later]
        self._replace(rows, found.changed, names)
        insertion, highest = Insertion(rows), Highest(rows)
        for batch in self._new(found):
            sent = [row | dict.fromkeys(later) for row in batch]
            # First, or another tenant would be given one of these numbers, and would wait.
            highest.add(batch)
            highest.count_on(self._target)
            self._target.execute(insertion.statement, insertion.parameters(sent))

    def refer(self, found: Difference) -> None:
        """Write the foreign keys that :meth:`write` has left out."""
        if later := later_columns(self._plan, found.rows):
            names = untouched_by_updates(found.rows, later)
            for keys in (found.changed, found.new):
                self._replace(found.rows, keys, names)

    def _replace(self, rows: TableRows, keys: Keys, names: list[str]) -> None:
        if names:
            replacement = Replacement(rows, names)
            for batch in self._read(rows, keys):
                self._target.execute(replacement.statement, replacement.parameters(batch))

    def _new(self, found: Difference) -> Iterator[list[Written]]:
        if found.is_whole:
            return in_batches(found.rows.written(self._source))
        return self._read(found.rows, found.new)

    def _read(self, rows: TableRows, keys: Keys) -> Iterator[list[Written]]:
        """Yield rows at the source."""
        for batch in keys.batches():
            statement = rows.select().where(among(rows.key, batch))
            yield [*rows.stream(self._source, statement)]
