"""What the registry knows of a mapper's tables, in terms of the mapper's attributes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final, TypeGuard

from sqlalchemy import Column, Table, orm
from sqlalchemy.orm import ColumnProperty, Mapper, RelationshipProperty
from sqlalchemy.orm.exc import UnmappedColumnError
from sqlalchemy.sql.visitors import iterate
from sqlalchemy.types import TypeEngine

from ..ownership.model import ColumnOwnership, ParentOwnership, TypedReference
from ..ownership.registry import registry
from ..snapshots import mappers_of

__all__ = ["MapperInfo", "attributes_of", "info_of", "is_protected", "mapper_of"]


class MapperInfo:
    """The part of the registry that concerns one mapper."""

    __slots__ = (
        "_mapper",
        "_tied_to",
        "_to_owned",
        "attributes",
        "computed",
        "further",
        "generation",
        "is_noted",
        "is_owned",
        "is_referred_to",
        "own",
        "references",
        "registry",
    )

    def __init__(self, mapper: Mapper[Any]) -> None:
        # Both before anything that is derived: what changes meanwhile makes it be derived again.
        self.generation = registry.generation
        self.attributes = mapper.column_attrs
        """SQLAlchemy has another one as soon as an attribute of any kind is added to the mapper."""
        tables = [table for table in mapper.tables if is_protected(table)]
        self.registry = mapper.registry
        owned = list(_own_columns(mapper, tables))
        self.own = owned[0] if owned else None
        self.further = owned[1:]
        """Of a class that is mapped to a join, the tenant columns of the other tables, as far as
        they have attributes of their own."""
        # A class may be mapped to a subquery.
        read = tables or [each for each in iterate(mapper.local_table) if is_protected(each)]
        self.is_owned = any(registry.ownership_of(table) is not None for table in read)
        """Whether its objects belong to tenants."""
        self.computed = [
            each.key
            # Not those of column_attrs: another thread may have stored what it found earlier.
            for each in mapper.attrs
            if isinstance(each, ColumnProperty)
            and not all(isinstance(column, Column) for column in each.columns)
        ]
        """The attributes that a query computes, maybe from tenants' rows."""
        self._mapper = mapper
        self._to_owned: list[str] | None = None
        self._tied_to: list[Tie] | None = None
        self.references = [
            (TypedReference(reference, _types(table, reference.columns)), attributes)
            for table in tables
            for reference in registry.references_of(table)
            if (attributes := attributes_of(mapper, table, reference.columns)) is not None
        ]
        self.is_referred_to = any(map(registry.is_referred_to, tables))
        self.is_noted = self.is_referred_to or bool(self.references)
        """Whether a flush notes new objects."""

    @property
    def to_owned(self) -> list[str]:
        """The relationships to objects that belong to tenants, or through rows that do."""
        if self._to_owned is None:
            self._to_owned = [
                each.key for each in self._mapper.relationships if _reaches_owned(each)
            ]
        return self._to_owned

    @property
    def tied_to(self) -> list[Tie]:
        """The mapped parents that decide to which tenant an object belongs.

        Empty if one of them cannot be found by its primary key.
        """
        if self._tied_to is None:
            self._tied_to = list(_ties(self._mapper))
        return self._tied_to


Tie = tuple[Mapper[Any], tuple[str, ...]]
"""A parent, and the attributes that hold its primary key."""


def _ties(mapper: Mapper[Any]) -> Iterator[Tie]:
    table = mapper.local_table
    if not is_protected(table) or len(mapper.tables) != 1:
        return
    ownership = registry.ownership_of(table)
    if not isinstance(ownership, ParentOwnership):
        return
    found = []
    for key in ownership.parent_keys:
        parent = mapper_of(key.parent, key.parent_columns, [mapper.registry])
        attributes = attributes_of(mapper, table, key.columns)
        if parent is None or attributes is None:
            return
        found.append((parent, attributes))
    yield from found


def _reaches_owned(relationship: RelationshipProperty[Any]) -> bool:
    if info_of(relationship.mapper).is_owned:
        return True
    given = (
        relationship.secondary,
        relationship.primaryjoin,
        relationship.secondaryjoin,
        relationship.entity.selectable,
    )
    parts = {part for each in given if each is not None for part in iterate(each)}
    tables = parts | {getattr(each, "table", None) for each in parts}
    return any(is_protected(each) and registry.ownership_of(each) is not None for each in tables)


def is_protected(table: Any) -> TypeGuard[Table]:
    """Return whether ``table`` is a ``Table`` that is not merely observed."""
    return isinstance(table, Table) and not registry.is_observed(table)


_INFO: Final = "_tenantshield_info"
setattr(Mapper, _INFO, None)


def info_of(mapper: Any) -> MapperInfo:
    """Return what the registry, as it is now, knows of ``mapper``'s tables."""
    info: MapperInfo | None = mapper._tenantshield_info
    if (
        info is None
        or info.generation != registry.generation
        or info.attributes is not mapper.column_attrs
    ):
        info = mapper._tenantshield_info = MapperInfo(mapper)
    return info


def _own_columns(mapper: Mapper[Any], tables: list[Table]) -> Iterator[tuple[ColumnOwnership, str]]:
    """Yield the ownership of each table with a tenant column, and that column's attribute."""
    found = set()
    for table in tables:
        ownership = registry.ownership_of(table)
        if isinstance(ownership, ColumnOwnership):
            attributes = attributes_of(mapper, table, [ownership.column])
            if attributes is not None and attributes[0] not in found:
                found.add(attributes[0])
                yield ownership, attributes[0]


def mapper_of(
    table: Table, key: tuple[str, ...], registries: Iterable[orm.registry]
) -> Mapper[Any] | None:
    """Return the mapper of ``table`` whose primary key consists of the columns ``key``."""
    for mapper in (each for one in registries for each in mappers_of(one)):
        if mapper.local_table is table and tuple(each.name for each in mapper.primary_key) == key:
            return mapper
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
        try:
            attributes.append(mapper.get_property_by_column(column).key)
        except UnmappedColumnError:
            # Another thread is about to add it.
            return None
    return tuple(attributes)


def _types(table: Table, names: Iterable[str]) -> tuple[TypeEngine[Any], ...]:
    types = {column.name: column.type for column in table.c}
    return tuple(types[name] for name in names)
