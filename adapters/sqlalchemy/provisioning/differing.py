"""What differs between a tenant's rows at two places, without holding it in memory."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from contextvars import copy_context
from tempfile import SpooledTemporaryFile
from typing import Any, Final

from sqlalchemy import Table
from sqlalchemy.engine import Connection

from ..lifecycle.plan import Plan
from ..lifecycle.rows import TableRows, in_batches
from .checksums import Checksums

__all__ = ["Difference", "Keys", "differences", "is_same"]

_IN_MEMORY: Final = 1 << 20
"""Bytes of keys that are not written to a file."""


class Keys:
    """Primary keys of one table, in a file if there are many.

    Args:
        rows: the table.
        stack: closes the file.
    """

    def __init__(self, rows: TableRows, stack: ExitStack) -> None:
        self._rows = rows
        file = SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 - the stack closes it
        self._file = stack.enter_context(file)
        self.count = 0

    def add(self, line: bytes) -> None:
        """Add a key, as a line of JSON."""
        self._file.write(line)
        self.count += 1

    def batches(self) -> Iterator[list[list[Any]]]:
        """Yield some keys after the others."""
        self._file.seek(0)
        for batch in in_batches(iter(self._file)):
            yield [self._rows.read_key(json.loads(line)) for line in batch]


class Difference:
    """What differs in one table.

    Args:
        rows: the table.
        stack: closes files.

    Attributes:
        rows: the table.
        new: the rows that are at the source only.
        changed: those that are others at the target.
        gone: those that are at the target only.
        is_whole: whether rows cannot be told apart, since the table has no primary key, so that
            all of them are replaced.
    """

    def __init__(self, rows: TableRows, stack: ExitStack) -> None:
        self.rows = rows
        self.new = Keys(rows, stack)
        self.changed = Keys(rows, stack)
        self.gone = Keys(rows, stack)
        self.is_whole = not rows.table.primary_key

    @property
    def count(self) -> int:
        """How many rows differ."""
        return self.new.count + self.changed.count + self.gone.count + self.is_whole

    def find(self, source: Connection, target: Connection, buckets: list[int]) -> None:
        """Find the rows of some buckets that differ."""
        checksums = Checksums(self.rows)
        for theirs, ours in zip(
            checksums.hashes(source, buckets), checksums.hashes(target, buckets), strict=True
        ):
            for key, hash_ in theirs.items():
                if key not in ours:
                    self.new.add(key)
                elif ours[key] != hash_:
                    self.changed.add(key)
            for key in ours.keys() - theirs.keys():
                self.gone.add(key)


def differences(
    plan: Plan, source: Connection, target: Connection, stack: ExitStack
) -> dict[Table, Difference]:
    """Return what differs, for the tables in which something does.

    Args:
        plan: the tables.
        source: a connection in a transaction that sees one moment.
        target: a connection in a transaction.
        stack: closes the files of what is returned.
    """
    found: dict[Table, Difference] = {}
    for table, buckets in _differing(plan, source, target):
        found[table] = Difference(TableRows(table, source.dialect), stack)
        if not found[table].is_whole:
            found[table].find(source, target, buckets)
    return found


def is_same(plan: Plan, source: Connection, target: Connection) -> bool:
    """Return whether the rows are the same by their number and checksums."""
    return not any(_differing(plan, source, target))


def _differing(
    plan: Plan, source: Connection, target: Connection
) -> Iterator[tuple[Table, list[int]]]:
    """Yield the buckets that differ, for the tables that have some."""
    with ThreadPoolExecutor(1) as executor:
        for table in plan.tables:
            checksums = Checksums(TableRows(table, source.dialect))
            # At both places at the same time.
            asked = executor.submit(copy_context().run, checksums.buckets, source)
            ours, theirs = checksums.buckets(target), asked.result()
            both = sorted(ours.keys() | theirs.keys())
            if differing := [each for each in both if ours.get(each) != theirs.get(each)]:
                yield table, differing
