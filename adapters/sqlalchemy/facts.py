"""What the registry says of a mapper's tables, in terms of its attributes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Table
from sqlalchemy.orm import Mapper
from sqlalchemy.types import (
    BigInteger,
    Integer,
    SmallInteger,
    String,
    Text,
    TypeEngine,
    Unicode,
    UnicodeText,
    Uuid,
)

from .registry import registry
from .rules import OwnColumn, Reference

__all__ = ["Facts", "Written", "attributes_of", "facts_of"]


@dataclass(frozen=True, slots=True)
class Written:
    """A foreign key, and the types that convert its values when they are written."""

    reference: Reference
    types: tuple[TypeEngine[Any], ...]

    def is_spelled_as_in_parent(self) -> bool:
        """Say whether equal values of the foreign key and of its parent are the same key."""
        of_parent = {column.name: column.type for column in self.reference.parent.c}
        return all(
            _converts_alike(type_, of_parent[name])
            for type_, name in zip(self.types, self.reference.parent_columns, strict=True)
        )


_CONVERT_NOTHING: Final = frozenset(
    {BigInteger, Integer, SmallInteger, String, Text, Unicode, UnicodeText, Uuid}
)


def _converts_alike(left: TypeEngine[Any], right: TypeEngine[Any]) -> bool:
    return (
        type(left) is type(right)
        and type(left) in _CONVERT_NOTHING
        # private: what stands for the type on some of the databases.
        and not left._variant_mapping
        and not right._variant_mapping
        and getattr(left, "as_uuid", None) == getattr(right, "as_uuid", None)
    )


class Facts:
    """What the registry says of a mapper's tables, in terms of its attributes."""

    __slots__ = ("generation", "is_noted", "is_referred_to", "own", "references", "registry")

    def __init__(self, mapper: Mapper[Any]) -> None:
        tables = [table for table in mapper.tables if isinstance(table, Table)]
        self.generation = registry.generation
        self.registry = mapper.registry
        self.own = _own_column(mapper, tables)
        self.references = [
            (Written(reference, _types(table, reference.columns)), attributes)
            for table in tables
            for reference in registry.references_of(table)
            if (attributes := attributes_of(mapper, table, reference.columns)) is not None
        ]
        self.is_referred_to = any(map(registry.is_referred_to, tables))
        self.is_noted = self.is_referred_to or bool(self.references)
        """Whether a flush takes note of new objects."""


_FACTS: Final = "_tenantshield_facts"
setattr(Mapper, _FACTS, None)


def facts_of(mapper: Any) -> Facts:
    """Return what is known of ``mapper``'s tables under the registry as it is now."""
    facts: Facts | None = mapper._tenantshield_facts
    if facts is None or facts.generation != registry.generation:
        facts = mapper._tenantshield_facts = Facts(mapper)
    return facts


def _own_column(mapper: Mapper[Any], tables: list[Table]) -> tuple[OwnColumn, str] | None:
    """Return the rule of a table with a tenant column, and the attribute for that."""
    for table in tables:
        rule = registry.rule_for(table)
        if isinstance(rule, OwnColumn):
            attributes = attributes_of(mapper, table, [rule.column])
            if attributes is not None:
                return rule, attributes[0]
    return None


def attributes_of(
    mapper: Mapper[Any], table: Table, names: Iterable[str]
) -> tuple[str, ...] | None:
    """Return the attributes that hold the columns ``names`` of ``table``."""
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
