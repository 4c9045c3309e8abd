"""Whose a row of the catalogue's tables is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from sqlalchemy import Table

from .effects import LONG_TENANT
from .rows import MY_SHOP, Content, Row
from .schema import MY_TOKEN, Models, is_theirs
from .shared_rows import EVERYBODY, is_everybodys

__all__ = ["copies", "crossings", "not_mine"]

_NOBODY: Final = object()
_MINE: Final[Mapping[str, Any]] = {"shop_no": MY_SHOP, "org_uuid": MY_TOKEN.hex}
"""The caller, in tenant columns of types that the other tables do not have."""


class _Owners:
    """Works out whose each row is, along foreign keys where it does not say itself."""

    def __init__(self, m: Models, content: Content) -> None:
        self._tables = {table.fullname: table for table in m.metadata.tables.values()}
        self._content = content
        self._mine = m.mine
        self._columns = {
            name: next(
                (each for each in (m.key, "org_id", LONG_TENANT, *_MINE) if each in table.c), None
            )
            for name, table in self._tables.items()
        }

    def is_shared(self, table: Table) -> bool:
        return self._columns[table.fullname] is None and not table.foreign_keys

    def of(self, name: str, row: Row) -> Any:
        """Return the tenant; ``None`` for a shared row; a ``set`` where parents disagree."""
        column = self._columns[name]
        if column is not None and row[column] == _MINE.get(column, _NOBODY):
            return self._mine
        if column is not None and is_everybodys(name, row[column]):
            return EVERYBODY
        if column is not None:
            return row[column] if row[column] is not None else "nobody"
        owners = {owner for owner, _ in self._parents(name, row) if owner is not None}
        if len(owners) > 1:
            # It is the tenant's all the same if another parent is everybody's.
            owners.discard(EVERYBODY)
        return owners.pop() if len(owners) == 1 else (frozenset(owners) or None)

    def _parents(self, name: str, row: Row) -> Iterator[tuple[Any, str]]:
        for parent, found in self._referred(name, row):
            yield from ((self.of(parent, each), parent) for each in found)

    def _referred(self, name: str, row: Row) -> Iterator[tuple[str, list[Row]]]:
        """Yield a parent table and the rows of it, for each key that is not NULL."""
        for constraint in self._tables[name].foreign_key_constraints:
            pairs = [(each.parent.name, each.column.name) for each in constraint.elements]
            if any(row[ours] is None for ours, _ in pairs):
                continue
            parent = constraint.referred_table.fullname
            yield (
                parent,
                [
                    each
                    for each in self._content[parent]
                    if all(each[theirs] == row[ours] for ours, theirs in pairs)
                ],
            )

    def crossings(self) -> Iterator[str]:
        for name, rows in self._content.items():
            for row in rows:
                owner = self.of(name, row)
                for parent, found in self._referred(name, row):
                    owners = {self.of(parent, each) for each in found}
                    # Two tenants may have the same value, where it is no key.
                    if owners and not owners & {None, EVERYBODY, owner}:
                        yield f"a row of {name} refers to another tenant's row of {parent}"


def not_mine(m: Models, content: Content, mine: Any) -> dict[str, list[list[Any]]]:
    """Return every row that is not ``mine`` and not shared, in an order of its own."""
    owners = _Owners(m, content)
    shared = [each.fullname for each in m.metadata.tables.values() if owners.is_shared(each)]
    return {
        name: sorted(
            (list(row.values()) for row in rows if owners.of(name, row) != mine),
            key=repr,
        )
        for name, rows in content.items()
        if name not in shared
    }


def copies(m: Models, content: Content, mine: Any) -> list[str]:
    """Return a sentence for each text of another's in a row that is ``mine`` or shared."""
    owners = _Owners(m, content)
    return [
        f"a text of another tenant's stands in a row of {name}"
        for name, rows in content.items()
        for row in rows
        if any(isinstance(value, str) and is_theirs(value) for value in row.values())
        and owners.of(name, row) in (mine, None)
    ]


def crossings(m: Models, content: Content) -> list[str]:
    """Return a sentence for each reference from one tenant's row to another's."""
    return list(_Owners(m, content).crossings())
