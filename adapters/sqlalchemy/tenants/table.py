"""The table that a lookup of ``tenants_in()`` queries, for commands that change it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, TypeAlias
from weakref import WeakKeyDictionary

from tenantshield_mw.directory import TenantState

__all__ = ["ColumnLike", "TenantTable", "note_table", "table_of"]

ColumnLike: TypeAlias = Any
"""A column or an SQL expression. With SQLModel and plain annotations, a type checker takes the
attribute ``Model.id`` for a value of the row, so the types cannot say more; it is checked when
``tenants_in()`` is called."""


@dataclass(frozen=True, slots=True)
class TenantTable:
    """What ``tenants_in()`` was given.

    Attributes:
        source: what opens a connection.
        tenants: what is selected from.
        id: the column that is compared with the resolver's result.
        state: the column or expression of the state.
        states: the values of ``state`` that are listed, each with its meaning; any other one means
            suspended.
        tenant_id: the column with the id that requests run under; ``None`` if it is ``id``.
        attributes: further columns.
    """

    source: Any
    tenants: Any
    id: ColumnLike
    state: ColumnLike
    states: tuple[tuple[Any, TenantState], ...]
    tenant_id: ColumnLike | None
    attributes: tuple[ColumnLike, ...]


_TABLES: Final[WeakKeyDictionary[Any, TenantTable]] = WeakKeyDictionary()


def note_table(lookup: Any, table: TenantTable) -> None:
    """Note which table ``lookup`` queries."""
    _TABLES[lookup] = table


def table_of(lookup: Any) -> TenantTable | None:
    """Return the table of a lookup that ``tenants_in()`` made; ``None`` for another one."""
    try:
        return _TABLES.get(lookup)
    except TypeError:
        # A callable of somebody else, of which no weak reference can be made.
        return None
