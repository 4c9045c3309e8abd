"""Checksums of a tenant's rows, which the database computes, so that no row leaves it.

The rows of a table are dealt into buckets by a hash of their primary key, which is the same at all
places, whatever order the places sort by. Where the number and the sums of the hashes of a bucket
are the same at two places, its rows are. Only those of other buckets are looked at one by one.

https://www.postgresql.org/docs/current/functions-string.html
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, Final, TypeAlias

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Subquery,
    Text,
    cast,
    func,
    literal,
    select,
    true,
)
from sqlalchemy.engine import Connection

from ..lifecycle.rows import BATCH, TableRows, is_own, line_of
from ..raw_sql.checks import REVIEWED

__all__ = ["Checksums", "settle"]

Hash: TypeAlias = tuple[int, int]
"""128 bits of one row."""

Buckets: TypeAlias = Mapping[int, tuple[int, ...]]
"""The number of rows, and the sums of their hashes, by bucket."""

_BUCKETS: Final = 4096
"""A power of two. The rows of one bucket are held in memory."""

_SETTINGS: Final = {
    # Of which the text of a value depends.
    "bytea_output": "hex",
    "DateStyle": "ISO, YMD",
    "extra_float_digits": "3",
    "IntervalStyle": "postgres",
    "lc_monetary": "C",
    "TimeZone": "UTC",
    # A transaction waits while the other place is read.
    "idle_in_transaction_session_timeout": "0",
}


def settle(connection: Connection) -> None:
    """Let values have the same text at all places, until the end of a transaction."""
    statement = select(
        *(func.pg_catalog.set_config(name, each, true()) for name, each in _SETTINGS.items())
    )
    # The guard cannot know which settings these are.
    connection.execute(statement, execution_options={REVIEWED: True})


class Checksums:
    """Computes the checksums of one table, in transactions that :func:`settle` was called for.

    Args:
        rows: the table.
    """

    def __init__(self, rows: TableRows) -> None:
        self._rows = rows
        self._key: Sequence[Column[Any]] = [*rows.table.primary_key]

    def buckets(self, connection: Connection) -> Buckets:
        """Return the checksums of all rows that are the tenant's own."""
        hashed = self._hashed()
        sums = [func.sum(hashed.c[name]) for name in ("first", "second")]
        statement = select(hashed.c.bucket, func.count(), *sums).group_by(hashed.c.bucket)
        return {
            bucket: (count, *(int(each) % 2**64 for each in found))
            for bucket, count, *found in map(tuple, connection.execute(statement))
        }

    def hashes(self, connection: Connection, buckets: Sequence[int]) -> Iterator[dict[bytes, Hash]]:
        """Yield the rows of one bucket after the other: the hash of each, by its key as JSON.

        Args:
            connection: a connection.
            buckets: some, in ascending order.
        """
        hashed = self._hashed()
        keys = [hashed.c[f"k{number}"] for number in range(len(self._key))]
        statement = (
            select(hashed.c.bucket, hashed.c.first, hashed.c.second, *keys)
            .where(hashed.c.bucket.in_(buckets))
            .order_by(hashed.c.bucket)
        )
        with connection.execute(statement, execution_options={"yield_per": BATCH}) as streamed:
            groups = groupby(streamed, key=itemgetter(0))
            bucket, group = next(groups, (None, ()))
            for each in buckets:
                if each != bucket:
                    yield {}
                    continue
                yield {
                    line_of(self._rows.written_key(key)): (first, second)
                    for _, first, second, *key in map(tuple, group)
                }
                bucket, group = next(groups, (None, ()))

    def total(self, connection: Connection) -> tuple[int, int]:
        """Return the number of rows and a checksum of them, of which the database has computed no
        hash: servers may hash a text differently.
        """
        columns = [each.column for each in self._rows.columns.values()]
        statement = select(_text(columns)).where(is_own(self._rows.table))
        count = total = 0
        options = {"yield_per": BATCH}
        with connection.scalars(statement, execution_options=options) as streamed:
            for text in streamed:
                count += 1
                total += int.from_bytes(hashlib.sha256(text.encode()).digest())
        return count, total % 2**256

    def _hashed(self) -> Subquery:
        """Return the rows as their bucket, their hash and their key."""
        columns = [each.column for each in self._rows.columns.values()]
        keys = [each.label(f"k{number}") for number, each in enumerate(self._rows.key)]
        texts = (
            select(
                _text(columns).label("row"),
                _text(self._key or columns).label("key"),
                *keys,
            )
            .where(is_own(self._rows.table))
            # The database would compute the text of a row for each use of it.
            .offset(0)
            .subquery()
        )
        return select(
            _hash(texts.c.key, 0).op("&")(literal(_BUCKETS - 1, BigInteger)).label("bucket"),
            _hash(texts.c.row, 0).label("first"),
            _hash(texts.c.row, 1).label("second"),
            *(texts.c[each.name] for each in keys),
        ).subquery()


def _text(columns: Collection[ColumnElement[Any]]) -> ColumnElement[str]:
    return cast(func.row(*columns), Text)


def _hash(text: ColumnElement[str], seed: int) -> ColumnElement[int]:
    return func.pg_catalog.hashtextextended(text, literal(seed, BigInteger), type_=BigInteger)
