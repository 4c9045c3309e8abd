"""Composite foreign keys that cannot cross tenants."""

from __future__ import annotations

from typing import Any, Final
from weakref import WeakKeyDictionary

from sqlalchemy import (
    ForeignKeyConstraint,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
    event,
)

from ..errors import ConfigurationError

__all__ = ["add_wanted_unique_constraints", "tenant_foreign_key"]

_wanted: Final[WeakKeyDictionary[MetaData, set[tuple[str, tuple[str, ...]]]]] = WeakKeyDictionary()
"""Unique constraints that parents need, by ``MetaData``."""


def tenant_foreign_key(
    columns: str | tuple[str, ...],
    refers_to: str | tuple[str, ...],
    *,
    tenant: str = "tenant_id",
    parent_tenant: str | None = None,
    **options: Any,
) -> ForeignKeyConstraint:
    """Return a foreign key that includes the tenant, so that it cannot cross tenants.

    It goes into ``__table_args__`` or a ``Table``. The composite foreign key needs a unique
    constraint over the parent's tenant and key, which is added if it is missing::

        class Invoice(Base):
            __table_args__ = (tenant_foreign_key("customer_id", "customer.id"),)

    The database itself then refuses a reference to another tenant's row, so the adapter
    does not look it up, except where the database takes two tenants for equal, as MariaDB by
    default takes ``acme`` and ``Acme``.

    Args:
        columns: this table's column, or columns, that hold the parent row's key.
        refers_to: the parent's columns, each as ``table.column`` or ``schema.table.column``.
        tenant: this table's tenant column.
        parent_tenant: the parent's tenant column; the same name as ``tenant`` if left out.
        options: passed to :class:`sqlalchemy.ForeignKeyConstraint` (``ondelete=``, ...).
            ``SET NULL`` would take the tenant from the row, too: on PostgreSQL 15 and newer
            write ``ondelete="SET NULL (customer_id)"``; the other databases cannot do that, so
            there leave it out and let a ``relationship()`` clear the column.

    Raises:
        ConfigurationError: ``columns`` and ``refers_to`` differ in number, or name two tables;
            or an action would set the tenant, too.
    """
    ours = (columns,) if isinstance(columns, str) else tuple(columns)
    theirs = (refers_to,) if isinstance(refers_to, str) else tuple(refers_to)
    parents = {each.rpartition(".")[0] for each in theirs}
    if len(ours) != len(theirs) or len(parents) != 1 or "" in parents:
        raise ConfigurationError(
            "tenant_foreign_key() takes as many columns as it refers to, and the latter as "
            'table.column of one table: tenant_foreign_key("customer_id", "customer.id")'
        )
    for option in ("ondelete", "onupdate"):
        if str(options.get(option)).strip().upper() in {"SET NULL", "SET DEFAULT"}:
            raise ConfigurationError(
                f'tenant_foreign_key(): {option}="{options[option]}" would set {tenant} as well. '
                f'PostgreSQL 15 and newer take ondelete="SET NULL ({", ".join(ours)})"; elsewhere '
                "leave it out, and a relationship() sets the column"
            )
    parent = parents.pop()
    parent_columns = (parent_tenant or tenant, *(each.rpartition(".")[2] for each in theirs))
    constraint = ForeignKeyConstraint(
        [tenant, *ours], [f"{parent}.{each}" for each in parent_columns], **options
    )

    def attached(constraint: ForeignKeyConstraint, table: Table) -> None:
        _wanted.setdefault(table.metadata, set()).add((parent, parent_columns))
        if parent in table.metadata.tables:
            add_wanted_unique_constraints(table.metadata.tables[parent])

    event.listen(constraint, "after_parent_attach", attached)
    return constraint


def add_wanted_unique_constraints(table: Table) -> None:
    """Add the unique constraints to ``table`` that the foreign keys to it need.

    Raises:
        ConfigurationError: ``table`` lacks one of the columns.
    """
    # A copy, since another thread may be declaring one more.
    for parent, columns in list(_wanted.get(table.metadata, ())):
        if parent != table.fullname:
            continue
        missing = [each for each in columns if each not in table.c]
        if missing:
            raise ConfigurationError(
                f"a tenant_foreign_key() refers to {table.fullname}.{missing[0]}, which does not "
                "exist; name the parent's tenant column with parent_tenant="
            )
        if not _has_unique(table, set(columns)):
            table.append_constraint(UniqueConstraint(*columns))


def _has_unique(table: Table, columns: set[str]) -> bool:
    return any(
        {column.key for column in each.columns} == columns
        for each in list(table.constraints)
        if isinstance(each, PrimaryKeyConstraint | UniqueConstraint)
    )
