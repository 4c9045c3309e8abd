"""How rows are assigned to a tenant, in terms of tables and columns."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from typing import Any, Final, TypeAlias

from sqlalchemy import Column, Table
from sqlalchemy.sql.elements import Null
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

from tenantshield_mw.tenant import TenantId

from ..databases import ExactText
from ..errors import ConfigurationError
from .limits import (
    Acceptance,
    acceptance_of,
    are_sent_alike,
    collations_of,
    is_set,
    other_than,
    refuse_converted,
)
from .narrowing import Fits

__all__ = [
    "ColumnOwnership",
    "Folded",
    "Ownership",
    "ParentKey",
    "ParentOwnership",
    "Reference",
    "SharedRows",
    "TableKey",
    "TypedReference",
    "carries_tenant",
    "column_ownership",
    "converts_alike",
    "may_be_shared",
    "table_key",
    "table_label",
    "tenant_id_type",
    "without_tenant",
]

TableKey: TypeAlias = tuple[str | None, str]
"""Schema (``None`` for the default one) and name."""


@dataclass(frozen=True, slots=True)
class SharedRows:
    """The rows of a tenant-aware table that every tenant reads."""

    value: TenantId | None
    """What the tenant column holds in them; ``None`` for ``NULL``."""


@dataclass(frozen=True, slots=True)
class ColumnOwnership:
    """The table has a column that holds the tenant's identifier."""

    table: Table
    column: str
    """The column's name in the database."""
    key: str
    """The column's key in ``table.c``."""
    type_: TypeEngine[Any]
    python_type: type
    """The type of tenant id that the column can be compared with."""
    accepts: Acceptance | None = field(default=None, compare=False)
    """Returns whether the column can hold an id of that type; ``None`` if it holds all."""
    shared_rows: SharedRows | None = None
    """Its rows that every tenant reads and refers to; ``None`` if there are none."""
    others: tuple[TypeEngine[Any], ...] = field(default=(), compare=False)
    """What further definitions say that the column's type is."""

    @property
    def collations(self) -> frozenset[str | None]:
        """The column's collations in all its definitions; ``None`` where one names none."""
        return frozenset[str | None]().union(*map(collations_of, (self.type_, *self.others)))

    def is_same_tenant(self, value: object, tenant_id: TenantId) -> bool:
        """Return whether an attribute's ``value`` stands for ``tenant_id`` in this column."""
        return (type(value) is type(tenant_id) and value == tenant_id) or are_sent_alike(
            self.type_, value, tenant_id
        )

    def is_shared(self, value: object) -> bool:
        """Return whether an attribute's ``value`` stands for a row that every tenant reads."""
        if self.shared_rows is None:
            return False
        shared = self.shared_rows.value
        if shared is None or value is None:
            return shared is value
        return self.is_same_tenant(value, shared)

    @property
    def label(self) -> str:
        return table_label(self.table)


@dataclass(frozen=True, slots=True)
class ParentKey:
    """A foreign key through which a row belongs to its parent's tenant."""

    columns: tuple[str, ...]
    parent: Table
    parent_columns: tuple[str, ...]

    def is_same(self, other: ParentKey) -> bool:
        """Return whether it is the same foreign key, perhaps of another ``MetaData``."""
        return (self.columns, table_key(self.parent), self.parent_columns) == (
            other.columns,
            table_key(other.parent),
            other.parent_columns,
        )


@dataclass(frozen=True, slots=True)
class ParentOwnership:
    """A row belongs to its parents' tenant; all of them must agree."""

    table: Table
    parent_keys: tuple[ParentKey, ...]

    @property
    def label(self) -> str:
        return table_label(self.table)


class Folded(Enum):
    """Where a text may be equal to another one, such as to itself in lower case."""

    BY_DEFAULT = auto()
    """Where the default collation folds case."""
    DECLARED = auto()
    """Where collations may fold case, since the column has one."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A foreign key whose value must be looked up before it is written."""

    label: str
    """The table that has the foreign key, for messages."""
    columns: tuple[str, ...]
    parent: Table
    parent_columns: tuple[str, ...]
    owns: bool
    """Whether the row belongs to the parent's tenant, so that there must be a parent."""
    to_own_rows: bool = False
    """Whether the parent must be the tenant's own, and not a row that every tenant reads."""
    made_by_database: frozenset[str] = frozenset()
    """The names of the columns for which the database itself writes a default."""
    is_computed: bool = False
    """Whether the database computes one of the columns, so that a statement cannot set it."""
    folded: Folded | None = None
    """For a foreign key that includes the tenant: where different tenants are equal."""
    fits: tuple[Fits | None, ...] = field(default=(), compare=False)
    """For each column, the checks of whether it holds a key as it is; ``None`` for all keys."""
    not_null: frozenset[str] = frozenset()
    """The names of the columns that cannot be ``NULL``."""
    numbered: frozenset[str] = frozenset()
    """The names of the columns that are declared as numbered by the database."""

    @property
    def is_narrower(self) -> bool:
        """Whether the database might write another key than the one that it is given."""
        return any(self.fits)

    def on(self, exact_text: ExactText) -> Reference:
        """Return it with the checks that count on a database that compares texts in this way."""
        if not self.is_narrower:
            return self
        return replace(self, fits=tuple(each and each.on(exact_text) for each in self.fits))

    def matters_on(self, exact_text: ExactText) -> bool:
        """Return whether it must be looked up on a database that compares texts in this way."""
        if self.folded is None or exact_text is ExactText.BINARY_CAST:
            return True
        return self.folded is Folded.DECLARED and exact_text is ExactText.BINARY_COLLATION


@dataclass(frozen=True, slots=True)
class TypedReference:
    """A foreign key with the types that convert its values when they are written."""

    reference: Reference
    types: tuple[TypeEngine[Any], ...]

    def is_spelled_as_in_parent(self) -> bool:
        """Return whether equal values of the foreign key and of its parent are the same key."""
        of_parent = {column.name: column.type for column in self.reference.parent.c}
        return all(
            converts_alike(type_, of_parent[name])
            for type_, name in zip(self.types, self.reference.parent_columns, strict=True)
        )


_CONVERT_NOTHING: Final = frozenset(
    {BigInteger, Integer, SmallInteger, String, Text, Unicode, UnicodeText, Uuid}
)


def converts_alike(left: TypeEngine[Any], right: TypeEngine[Any]) -> bool:
    """Return whether both types send every value as it is, or convert it in the same way."""
    return (
        type(left) is type(right)
        and type(left) in _CONVERT_NOTHING
        # private: the types that replace this one on some databases.
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
    """Return schema and name of ``table`` as they were given to its constructor."""
    return (getattr(table, "schema", None), table.name)


def carries_tenant(key: ParentKey, child: Ownership | None, parent: Ownership) -> bool:
    """Return whether the foreign key includes the tenant, so that it cannot cross tenants."""
    return (
        isinstance(child, ColumnOwnership)
        and isinstance(parent, ColumnOwnership)
        and (child.column, parent.column) in set(zip(key.columns, key.parent_columns, strict=True))
    )


def without_tenant(
    key: ParentKey, child: ColumnOwnership, parent: ColumnOwnership
) -> tuple[tuple[str, ...], tuple[str, ...], Folded | None]:
    """Return the columns of a foreign key that includes the tenant, without it.

    Returns:
        its columns, the parent's, and where different tenants may be equal, if anywhere.
    """
    pairs = [
        pair
        for pair in zip(key.columns, key.parent_columns, strict=True)
        if pair != (child.column, parent.column)
    ]
    collations = child.collations | parent.collations
    folded: Folded | None = None
    if child.python_type is str and not all(map(_is_binary, collations)):
        folded = Folded.BY_DEFAULT if collations == {None} else Folded.DECLARED
    return tuple(ours for ours, _ in pairs), tuple(theirs for _, theirs in pairs), folded


def may_be_shared(table: TableClause, ownership_of: Callable[[TableClause], Any]) -> bool:
    """Return whether every tenant reads some rows of ``table``, or of what it is tied to.

    A row of a tied table is shared if all its parents are. So it is a tenant's if one of its
    foreign keys leads to a table without such rows.

    Args:
        table: a table that belongs to tenants.
        ownership_of: returns the ownership of a table.
    """
    rule = ownership_of(table)
    if isinstance(rule, ColumnOwnership):
        return rule.shared_rows is not None
    return isinstance(rule, ParentOwnership) and all(
        may_be_shared(each.parent, ownership_of) for each in rule.parent_keys
    )


def _is_binary(collation: str | None) -> bool:
    return collation is not None and collation.casefold().rpartition("_")[2] in ("bin", "binary")


def column_ownership(
    table: Table, column: str, shared_rows: Null | TenantId | None = None
) -> ColumnOwnership:
    """Return the ownership of a table with the tenant in ``column`` (a name or a key).

    Args:
        table: the table.
        column: the name or key of its column.
        shared_rows: what the column holds in the rows that every tenant reads; ``None`` if there
            are no such rows.

    Raises:
        ConfigurationError: there is no such column, or it cannot be a tenant column, or it cannot
            hold ``shared_rows``.
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
    accepts = acceptance_of(found.type)
    shared = None if shared_rows is None else _shared_rows(found, shared_rows, python_type, accepts)
    if shared is not None and shared.value is not None:
        accepts = other_than(found.type, shared.value, accepts)
    return ColumnOwnership(
        table, found.name, found.key, found.type, python_type, accepts, shared_rows=shared
    )


def _shared_rows(
    column: Column[Any],
    given: Null | TenantId,
    python_type: type,
    accepts: Acceptance | None,
) -> SharedRows:
    label = f"{table_label(column.table)}.{column.name}"
    if isinstance(given, Null):
        if not column.nullable:
            raise ConfigurationError(
                f"shared_rows=null(), and {label} is NOT NULL: make the column nullable, or give "
                "the value that it has in the rows that every tenant reads"
            )
        return SharedRows(None)
    if type(given) is not python_type or (accepts is not None and not accepts(given)):
        raise ConfigurationError(
            f"shared_rows={given!r}, and {label} cannot hold it: give null() of SQLAlchemy, or a "
            f"{python_type.__name__} that fits into the column and is no tenant's identifier"
        )
    return SharedRows(given)


def tenant_id_type(type_: TypeEngine[Any], label: str) -> type:
    """Return the type of tenant id that ``type_`` holds: ``str``, ``int`` or ``UUID``.

    Args:
        type_: the column's type.
        label: the column's name for the message.

    Raises:
        ConfigurationError: it holds another type, or the database would convert an identifier.
    """
    refuse_converted(type_, label)
    kind: Any = type_
    while isinstance(kind, TypeDecorator):
        # A decorator may declare what it takes itself; otherwise its impl does.
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
    # A text could be several members of a SET, or the number of one.
    if isinstance(kind, String) and kind.python_type is str and not is_set(kind):
        return str
    raise ConfigurationError(
        f"{label} is a {kind!r}: a tenant column is a String, an Integer or a Uuid"
    )


_TENANT_ID_TYPES: Final[tuple[type, ...]] = (str, int, uuid.UUID)
