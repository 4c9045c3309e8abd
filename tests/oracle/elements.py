"""What statements are composed of: the columns and the elements of a ``FROM``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

from sqlalchemy import Integer, String, Table, Text
from sqlalchemy import inspect as inspect_
from sqlalchemy.orm import Mapper

from .schema import (
    Base,
    Berth,
    Bill,
    ColdDepot,
    Cook,
    Depot,
    Document,
    Fleet,
    Harbour,
    Levy,
    Officer,
    Permit,
    Sailor,
    Stop,
    Tariff,
    Vessel,
    Voyage,
)

__all__ = [
    "ENTITIES",
    "JOINABLE",
    "TABLES",
    "WRITTEN",
    "Col",
    "Kind",
    "Node",
    "columns_of",
    "of_kind",
]

Kind: TypeAlias = Literal["int", "str"]


@dataclass(frozen=True, slots=True)
class Col:
    """One column that a statement may use.

    Attributes:
        expr: the expression.
        kind: the type of its values.
        domain: the table that its values are keys of, or ``number``, ``name``, ``tenant``.
        settable: whether an ``UPDATE`` may set it, without pointing it at other rows.
    """

    expr: Any
    kind: Kind
    domain: str
    settable: bool = False


@dataclass(frozen=True, slots=True)
class Node:
    """An element of a ``FROM``: a table, an alias, a subquery, or a join of nodes.

    Attributes:
        element: what goes into the statement.
        columns: what it offers.
        leaves: the elements under it that are no joins, for correlation.
    """

    element: Any
    columns: tuple[Col, ...]
    leaves: tuple[Any, ...] = field(default=())


ENTITIES: Final[tuple[Any, ...]] = (
    Harbour,
    Fleet,
    Vessel,
    Voyage,
    Stop,
    Sailor,
    Officer,
    Cook,
    Document,
    Bill,
    Permit,
    Depot,
    ColdDepot,
    Berth,
    Tariff,
    Levy,
)

JOINABLE: Final = tuple(each for each in ENTITIES if not issubclass(each, Depot))
"""Those that can stand beside others. The union of concrete classes cannot: the ORM takes
the tables in it, wherever else they stand, for parts of it."""

TABLES: Final[tuple[Table, ...]] = tuple(Base.metadata.sorted_tables)

WRITTEN: Final = tuple(each for each in TABLES if each.name not in {"tariff", "levy"})
"""Those that a tenant who is alone in the database writes in the same way: nothing keeps such a
tenant from writing the rows of everybody."""

_TENANT: Final = frozenset({"tenant_id", "org_id"})
_NOT_SETTABLE: Final = frozenset({"kind"})


def columns_of(source: Any, table: Any) -> tuple[Col, ...]:
    """Return the columns of ``source``, a table, an alias or an entity of ``table``."""
    if isinstance(table, Table):
        return tuple(_columns(table, source.c))
    mapper: Mapper[Any] = inspect_(table)
    found: list[Col] = []
    for attribute in mapper.column_attrs:
        column = attribute.columns[0]
        if isinstance(getattr(column, "table", None), Table):
            found += _column(column, getattr(source, attribute.key))
        elif attribute.key in mapper.local_table.c:
            # A column of the union of concrete classes.
            found += _column(mapper.local_table.c[attribute.key], getattr(source, attribute.key))
    return tuple(found)


def _columns(table: Table, offered: Any) -> Iterator[Col]:
    for column in table.c:
        yield from _column(column, offered[column.key])


def _column(column: Any, expr: Any) -> Iterator[Col]:
    if isinstance(column.type, Integer):
        domain = _domain(column)
        yield Col(expr, "int", domain, domain == "number" and not column.primary_key)
    elif isinstance(column.type, String) and not isinstance(column.type, Text):
        tenant = column.name in _TENANT
        settable = not tenant and column.name not in _NOT_SETTABLE
        yield Col(expr, "str", "tenant" if tenant else "name", settable)


def _domain(column: Any) -> str:
    for key in column.foreign_keys:
        return _domain(key.column)
    return str(column.table.name) if column.name == "id" else "number"


def of_kind(columns: tuple[Col, ...], kind: Kind) -> list[Col]:
    return [each for each in columns if each.kind == kind]
