"""The columns that are written, what kind of value each takes, and the keys that name it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final, Literal, TypeAlias

from sqlalchemy import (
    Column,
    ForeignKey,
    Integer,
    MetaData,
    Table,
    cast,
    column,
    inspect,
    select,
    table,
    tuple_,
    type_coerce,
)
from sqlalchemy.orm import aliased
from sqlalchemy.sql import quoted_name

from ..choices import Choices
from .schema import ENTITIES, TABLES, TENANT_COLUMNS

__all__ = ["Kind", "Place", "Spot", "column_in", "key_for", "spots_of"]

Kind: TypeAlias = Literal["key", "tenant", "reference", "bench", "number", "word", "computed"]


@dataclass(frozen=True, slots=True)
class Spot:
    """A column of a declared table.

    Attributes:
        column: the column.
        kind: of its values.
        parent: the table that it refers to, if it does.
    """

    column: Column[Any]
    kind: Kind
    parent: Table | None = None

    @property
    def is_needed(self) -> bool:
        return not self.column.nullable and self.kind in ("reference", "tenant")


@dataclass(frozen=True, slots=True)
class Place:
    """What the values of a statement may be made of.

    Attributes:
        target: the row that is written: an element with its columns, and the table.
        sources: further elements with columns, and their tables.
        new: what the row that was to be inserted is called in an upsert.
        avoided: tables that subqueries keep out of.
        is_many: whether the same values are for several rows.
    """

    target: tuple[Any, Table] | None = None
    sources: tuple[tuple[Any, Table], ...] = ()
    new: Any = None
    avoided: frozenset[Table] = field(default_factory=frozenset)
    is_many: bool = False

    def readable(self) -> tuple[tuple[Any, Table], ...]:
        return (*((self.target,) if self.target else ()), *self.sources)


@cache
def spots_of(written: Table) -> tuple[Spot, ...]:
    """Return the columns of a table."""
    return tuple(_spot(each) for each in written.c)


def _spot(each: Column[Any]) -> Spot:
    name = each.table.name
    if TENANT_COLUMNS.get(name) == each.name:
        return Spot(each, "tenant")
    if each.computed is not None:
        return Spot(each, "computed")
    if each.name == "bench_number":
        return Spot(each, "bench")
    for key in each.foreign_keys:
        return Spot(each, "reference", key.column.table)
    if each.primary_key:
        return Spot(each, "key")
    return Spot(each, "number" if isinstance(each.type, Integer) else "word")


def column_in(element: Any, wanted: Column[Any]) -> Any:
    """Return a column of an element of a table, or of its columns, by key or by name."""
    columns = getattr(element, "c", element)
    found = columns.get(wanted.key)
    return columns[wanted.name] if found is None else found


# -- constructs of the same tables -------------------------------------------------


@cache
def copy_of(written: Table) -> Table:
    """Return what reflection would make of a table: every key is the column's name."""
    metadata = MetaData()
    copies = {}
    for each in TABLES:
        columns = [
            Column(
                c.name,
                c.type,
                *(ForeignKey(f"{k.column.table.name}.{k.column.name}") for k in c.foreign_keys),
                primary_key=c.primary_key,
                nullable=c.nullable,
            )
            for c in each.c
        ]
        copies[each] = Table(each.name, metadata, *columns)
    return copies[written]


@cache
def bare_table_of(written: Table) -> Any:
    """Return a table that knows the names of its columns and nothing else."""
    return table(written.name, *(column(each.name, each.type) for each in written.c))


# -- keys --------------------------------------------------------------------------


def _same_name(choices: Choices, wanted: Column[Any]) -> Any:
    others = [t.c[wanted.key] for t in TABLES if t is not wanted.table and wanted.key in t.c]
    return choices.pick(others) if others else wanted


def _attribute(choices: Choices, wanted: Column[Any]) -> Any:
    entity = ENTITIES.get(wanted.table)
    if entity is None:
        return wanted
    key = inspect(entity).get_property_by_column(wanted).key
    return getattr(aliased(entity) if choices.chance(20) else entity, key)


_KEYS: Final[tuple[tuple[int, Callable[[Choices, Column[Any]], Any]], ...]] = (
    (30, lambda choices, wanted: wanted),
    (20, lambda choices, wanted: wanted.key),
    (14, _attribute),
    (6, lambda choices, wanted: column_in(wanted.table.alias(), wanted)),
    (4, lambda choices, wanted: column_in(select(wanted.table).subquery(), wanted)),
    (3, lambda choices, wanted: column_in(select(wanted.table).cte(), wanted)),
    (5, lambda choices, wanted: copy_of(wanted.table).c[wanted.name]),
    (4, lambda choices, wanted: bare_table_of(wanted.table).c[wanted.name]),
    (5, _same_name),
    (2, lambda choices, wanted: quoted_name(wanted.key, quote=True)),
    (2, lambda choices, wanted: wanted.name),
    (2, lambda choices, wanted: column(wanted.key, wanted.type)),
    (1, lambda choices, wanted: wanted.key.upper()),
    (1, lambda choices, wanted: quoted_name(wanted.name.swapcase(), quote=False)),
    (1, lambda choices, wanted: f'"{wanted.name}"'),
    (1, lambda choices, wanted: tuple_(wanted)),
    (1, lambda choices, wanted: type_coerce(wanted, wanted.type)),
    (1, lambda choices, wanted: cast(wanted, wanted.type)),
    (1, lambda choices, wanted: wanted.label("named")),
    (1, lambda choices, wanted: wanted.label(wanted.key)),
)
_WEIGHTED: Final = tuple(make for weight, make in _KEYS for _ in range(weight))


def key_for(choices: Choices, wanted: Column[Any]) -> Any:
    """Return something that names a column of the table that is written."""
    return choices.pick(_WEIGHTED)(choices, wanted)
