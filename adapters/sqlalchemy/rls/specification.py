"""Specifications of the tables' policies, derived from the declarations.

They are plain values without references to models, so that they can be written into a
migration and compared with a database.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, TypeAlias

from sqlalchemy import MetaData, Table
from sqlalchemy.dialects.postgresql import CITEXT
from sqlalchemy.types import CHAR, String, TypeDecorator, TypeEngine, Uuid

from ..errors import ConfigurationError
from ..ownership.model import (
    ColumnOwnership,
    ParentKey,
    ParentOwnership,
    Reference,
    may_be_shared,
    table_label,
)
from ..ownership.registry import registry

__all__ = [
    "Kind",
    "ParentLink",
    "Storage",
    "TablePolicySpec",
    "TenantColumn",
    "configure",
    "spec_of_table",
    "specs_of",
]

Kind: TypeAlias = Literal["text", "integer", "uuid"]
"""The type of the tenant's identifier: ``str``, ``int`` or ``uuid.UUID``."""

Storage: TypeAlias = Literal["text", "char", "integer", "uuid", "hex"]
"""The type of the column in the database; ``hex`` is a UUID as 32 hexadecimal digits."""

_KINDS: Final[dict[type, Kind]] = {str: "text", int: "integer", uuid.UUID: "uuid"}


@dataclass(frozen=True, slots=True)
class TenantColumn:
    """The column that holds the tenant of a row.

    Args:
        name: its name in the database.
        kind: the type of the tenant's identifier in Python.
        storage: the type of the column.
        shared_rows: what the column holds in rows that every tenant reads, as text; ``None`` for
            ``NULL``. Empty if there are no such rows.
    """

    name: str
    kind: Kind = "text"
    storage: Storage = "text"
    shared_rows: tuple[str | None, ...] = ()


@dataclass(frozen=True, slots=True)
class ParentLink:
    """A foreign key to a table that has policies of its own.

    Args:
        columns: the columns of the foreign key.
        parent: the name of the table that they refer to.
        parent_columns: the columns that they refer to, in the same order.
        parent_schema: the schema of that table; ``None`` for the default one.
        own: what makes a parent row the tenant's own, if it may also be one that every tenant
            reads: the parent's tenant column, or its own ties. Empty if it may not.
    """

    columns: tuple[str, ...]
    parent: str
    parent_columns: tuple[str, ...]
    parent_schema: str | None = None
    own: tuple[TenantColumn, ...] | tuple[ParentLink, ...] = ()


@dataclass(frozen=True, slots=True)
class TablePolicySpec:
    """The specification of one table's policies.

    Args:
        name: the table's name.
        schema: its schema; ``None`` for the default one.
        column: its tenant column; ``None`` if its rows belong to their parents' tenant.
        ties: the foreign keys to those parents.
        references: the other foreign keys that must point at the tenant's own rows.
        roles: the roles that may see rows of the table; empty for all roles.
        signed: whether the tenant must be signed.
        system_role: the role that sees all rows in a signed system scope; ``None`` if there is
            none.
    """

    name: str
    schema: str | None = None
    column: TenantColumn | None = None
    ties: tuple[ParentLink, ...] = ()
    references: tuple[ParentLink, ...] = ()
    roles: tuple[str, ...] = ()
    signed: bool = False
    system_role: str | None = None


_OPTIONS: Final = "tenantshield_mw.rls"
"""The key of the options in ``MetaData.info``."""


def configure(
    metadata: MetaData,
    *,
    roles: Sequence[str] = (),
    signed: bool = False,
    system_role: str | None = None,
) -> None:
    """Say for whom the policies of all tables are, before they are created or compared.

    Put it where the models are, so that Alembic and ``tenantshield-mw doctor`` read it too::

        rls.configure(Base.metadata, roles=["app"])

    Args:
        metadata: the tables, such as ``Base.metadata``.
        roles: the roles of the application. Only these, and roles that inherit from them, see
            rows. By default, the policies are for all roles.
        signed: whether the database believes only a tenant that is signed with a key, see
            ``enforce(engine, key=...)``. Requires :func:`create_verifier` first.
        system_role: the role that ``enforce(engine, key=..., system_role=...)`` takes in system
            scopes. It needs no ``BYPASSRLS``: its policies check the signature of the scope.

    Raises:
        ConfigurationError: a role is named ``public``, or ``system_role`` is given without
            ``signed``, or is one of ``roles``.
    """
    names = tuple(dict.fromkeys(roles))
    for each in names if system_role is None else (*names, system_role):
        if not each or each.casefold() == "public":
            raise ConfigurationError(
                f"configure(): {each!r} is no role: name those that the application logs in as, "
                "or leave them out"
            )
    if system_role is not None and (not signed or system_role in names):
        raise ConfigurationError(
            "configure(): system_role is a role of its own that sees the rows of all tenants in "
            "signed system scopes: set signed=True, and leave it out of roles; without "
            "signatures, give enforce() a role with BYPASSRLS"
        )
    metadata.info[_OPTIONS] = {"roles": names, "signed": signed, "system_role": system_role}


def specs_of(metadata: MetaData) -> list[TablePolicySpec]:
    """Return the specifications for all tenant-aware and tied tables.

    Args:
        metadata: the tables, such as ``Base.metadata``.

    Returns:
        One specification per table, parents before the tables that are tied to them.

    Raises:
        ConfigurationError: the database cannot compare a tenant column with the tenant's
            identifier.
    """
    found = [spec_of_table(table) for table in metadata.sorted_tables]
    return [each for each in found if each is not None]


def spec_of_table(table: Table) -> TablePolicySpec | None:
    """Return the specification for ``table``; ``None`` if it needs no policies.

    Raises:
        ConfigurationError: the database cannot compare its tenant column with the tenant's
            identifier.
    """
    rule = registry.ownership_of(table)
    if rule is None:
        return None
    references = tuple(_link(each) for each in registry.references_of(table) if not each.owns)
    options: Mapping[str, Any] = table.metadata.info.get(_OPTIONS, {})
    if isinstance(rule, ColumnOwnership):
        column = _tenant_column(table, rule)
        return TablePolicySpec(table.name, table.schema, column, (), references, **options)
    ties = _own_ties(rule) if may_be_shared(table, _rule_of) else map(_link, rule.parent_keys)
    return TablePolicySpec(table.name, table.schema, None, tuple(ties), references, **options)


def _tenant_column(table: Table, rule: ColumnOwnership) -> TenantColumn:
    storage = _storage(table, rule)
    shared: tuple[str | None, ...] = ()
    if rule.shared_rows is not None:
        value = rule.shared_rows.value
        text = None if value is None else str(value)
        shared = (text.replace("-", "") if text is not None and storage == "hex" else text,)
    return TenantColumn(rule.column, _KINDS[rule.python_type], storage, shared)


def _rule_of(table: Any) -> Any:
    return registry.ownership_of(table)


def _own_ties(rule: ParentOwnership) -> Iterator[ParentLink]:
    """Yield the ties of a table whose parents may be rows of everybody."""
    for key in rule.parent_keys:
        parent = registry.ownership_of(key.parent)
        own: tuple[TenantColumn, ...] | tuple[ParentLink, ...] = ()
        if isinstance(parent, ColumnOwnership):
            own = (_tenant_column(key.parent, parent),)
        elif parent is not None:
            own = tuple(_own_ties(parent))
        yield replace(_link(key), own=own)


def _link(key: ParentKey | Reference) -> ParentLink:
    return ParentLink(key.columns, key.parent.name, key.parent_columns, key.parent.schema)


def _storage(table: Table, rule: ColumnOwnership) -> Storage:
    label = f"{table_label(table)}.{rule.column}"
    type_: TypeEngine[Any] = rule.type_
    while isinstance(type_, TypeDecorator):
        if type(type_).process_bind_param is not TypeDecorator.process_bind_param:
            raise ConfigurationError(
                f"{label} is a {type(type_).__name__}, which changes values before they reach "
                "the database, but the database compares the unchanged tenant identifier: "
                "use the plain type for the tenant column"
            )
        type_ = type_.impl_instance
    if isinstance(type_, CITEXT) or (isinstance(type_, String) and type_.collation):
        raise ConfigurationError(
            f"{label} is a {type_!r}, for which the database may treat two different tenant "
            "identifiers as equal: use a plain String for the tenant column"
        )
    if isinstance(type_, Uuid):
        return "uuid" if type_.native_uuid else "hex"
    if isinstance(type_, CHAR):
        return "char"
    return "text" if isinstance(type_, String) else "integer"
