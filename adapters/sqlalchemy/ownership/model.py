"""How a row says whose it is: the rules, in the terms of tables and columns."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from sqlalchemy import Table
from sqlalchemy.sql.expression import FromClause, TableClause
from sqlalchemy.types import (
    BigInteger,
    Integer,
    SmallInteger,
    String,
    Text,
    TypeDecorator,
    TypeEngine,
    Unicode,
    UnicodeText,
    Uuid,
)

from ..errors import ConfigurationError

__all__ = [
    "ColumnOwnership",
    "Ownership",
    "ParentKey",
    "ParentOwnership",
    "Reference",
    "TableKey",
    "TypedReference",
    "carries_tenant",
    "column_ownership",
    "table_key",
    "table_label",
    "tenant_id_type",
]

TableKey: TypeAlias = tuple[str | None, str]
"""Schema (``None`` for the default one) and name."""


@dataclass(frozen=True, slots=True)
class ColumnOwnership:
    """The table has a column with the tenant's identifier."""

    table: Table
    column: str
    """The column's name in the database."""
    key: str
    """The column's key in ``table.c``."""
    type_: TypeEngine[Any]
    python_type: type
    """What a tenant id must be an instance of to be compared with the column."""

    @property
    def label(self) -> str:
        return table_label(self.table)


@dataclass(frozen=True, slots=True)
class ParentKey:
    """One foreign key along which a row belongs to a parent's tenant."""

    columns: tuple[str, ...]
    parent: Table
    parent_columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ParentOwnership:
    """A row belongs to whom its parents belong to; all of them must agree."""

    table: Table
    ties: tuple[ParentKey, ...]

    @property
    def label(self) -> str:
        return table_label(self.table)


@dataclass(frozen=True, slots=True)
class Reference:
    """A foreign key whose value must be looked up before it is written."""

    label: str
    """The table that has the foreign key, for messages."""
    columns: tuple[str, ...]
    parent: Table
    parent_columns: tuple[str, ...]
    owns: bool
    """Whether the row belongs to whom the parent belongs to, so that there must be one."""


@dataclass(frozen=True, slots=True)
class TypedReference:
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


Ownership: TypeAlias = ColumnOwnership | ParentOwnership


def table_label(table: FromClause) -> str:
    """Return ``schema.name`` as declared, for messages."""
    schema = getattr(table, "schema", None)
    name = getattr(table, "name", "?")
    return f"{schema}.{name}" if schema else str(name)


def table_key(table: TableClause) -> TableKey:
    """Return schema and name of ``table``, as it is constructed."""
    return (getattr(table, "schema", None), table.name)


def carries_tenant(tie: ParentKey, child: Ownership | None, parent: Ownership) -> bool:
    """Say whether the foreign key has the tenant in it and so cannot cross."""
    return (
        isinstance(child, ColumnOwnership)
        and isinstance(parent, ColumnOwnership)
        and (child.column, parent.column) in set(zip(tie.columns, tie.parent_columns, strict=True))
    )


def column_ownership(table: Table, column: str) -> ColumnOwnership:
    """Return the rule for a table with its tenant in ``column`` (a name or a key).

    Raises:
        ConfigurationError: there is no such column, or it cannot be a tenant column.
    """
    found = table.c.get(column)
    if found is None:
        found = next((each for each in table.columns if each.name == column), None)
    if found is None:
        raise ConfigurationError(
            f"{table_label(table)} is marked as tenant-aware and has no column {column!r}. "
            f"Add it:\n\n    {column}: Mapped[str] = mapped_column(String(255), index=True)\n\n"
            f"(in Core: Column({column!r}, String(255), nullable=False, index=True)), "
            'or name the column that it has: @tenant_aware(column="...")'
        )
    if found.onupdate is not None or found.computed is not None:
        raise ConfigurationError(
            f"{table_label(table)}.{found.name} is computed or has an onupdate: a row never "
            "changes tenant; remove it"
        )
    python_type = tenant_id_type(found.type, f"{table_label(table)}.{found.name}")
    return ColumnOwnership(table, found.name, found.key, found.type, python_type)


def tenant_id_type(type_: TypeEngine[Any], label: str) -> type:
    """Return which type of tenant id a column of ``type_`` holds: ``str``, ``int`` or ``UUID``.

    Args:
        type_: the column's.
        label: what the column is called in the message.

    Raises:
        ConfigurationError: it holds none of them.
    """
    kind: Any = type_
    while isinstance(kind, TypeDecorator):
        # A decorator may say itself what it takes; if not, its impl does.
        try:
            declared: type | None = kind.python_type
        except NotImplementedError:
            declared = None
        if declared is not None and declared in _TENANT_ID_TYPES:
            return declared
        kind = kind.impl_instance
    if isinstance(kind, Uuid):
        return uuid.UUID if kind.as_uuid else str
    if isinstance(kind, Integer):
        return int
    if isinstance(kind, String) and kind.python_type is str:
        return str
    raise ConfigurationError(
        f"{label} is a {kind!r}: a tenant column is a String, an Integer or a Uuid"
    )


_TENANT_ID_TYPES: Final[tuple[type, ...]] = (str, int, uuid.UUID)
