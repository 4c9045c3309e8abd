"""What the registry knows of a mapper's tables, in terms of the mapper's attributes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from sqlalchemy import Table
from sqlalchemy.orm import Mapper
from sqlalchemy.types import TypeEngine

from ..ownership.model import ColumnOwnership, TypedReference
from ..ownership.registry import registry

__all__ = ["MapperInfo", "attributes_of", "info_of"]


class MapperInfo:
    """The part of the registry that concerns one mapper."""

    __slots__ = ("generation", "is_noted", "is_referred_to", "own", "references", "registry")

    def __init__(self, mapper: Mapper[Any]) -> None:
        tables = [table for table in mapper.tables if isinstance(table, Table)]
        self.generation = registry.generation
        self.registry = mapper.registry
        self.own = _own_column(mapper, tables)
        self.references = [
            (TypedReference(reference, _types(table, reference.columns)), attributes)
            for table in tables
            for reference in registry.references_of(table)
            if (attributes := attributes_of(mapper, table, reference.columns)) is not None
        ]
        self.is_referred_to = any(map(registry.is_referred_to, tables))
        self.is_noted = self.is_referred_to or bool(self.references)
        """Whether a flush notes new objects."""


_INFO: Final = "_tenantshield_info"
setattr(Mapper, _INFO, None)


def info_of(mapper: Any) -> MapperInfo:
    """Return what the registry, as it is now, knows of ``mapper``'s tables."""
    info: MapperInfo | None = mapper._tenantshield_info
    if info is None or info.generation != registry.generation:
        info = mapper._tenantshield_info = MapperInfo(mapper)
    return info


def _own_column(mapper: Mapper[Any], tables: list[Table]) -> tuple[ColumnOwnership, str] | None:
    """Return the ownership of a table with a tenant column, and that column's attribute."""
    for table in tables:
        ownership = registry.ownership_of(table)
        if isinstance(ownership, ColumnOwnership):
            attributes = attributes_of(mapper, table, [ownership.column])
            if attributes is not None:
                return ownership, attributes[0]
    return None


def attributes_of(
    mapper: Mapper[Any], table: Table, names: Iterable[str]
) -> tuple[str, ...] | None:
    """Return the attributes for the columns ``names`` of ``table``; ``None`` if one has none."""
    attributes = []
    for name in names:
        column = next((each for each in table.c if each.name == name), None)
        if column is None or column not in mapper.columns.values():
            return None
        attributes.append(mapper.get_property_by_column(column).key)
    return tuple(attributes)


def _types(table: Table, names: Iterable[str]) -> tuple[TypeEngine[Any], ...]:
    types = {column.name: column.type for column in table.c}
    return tuple(types[name] for name in names)
