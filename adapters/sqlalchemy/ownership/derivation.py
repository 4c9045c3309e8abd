"""Derive which tables belong to a tenant through foreign keys, and through which."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, TypeAlias

from sqlalchemy import (
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    UniqueConstraint,
    Uuid,
    event,
)
from sqlalchemy.exc import NoReferencedColumnError, NoReferencedTableError

from ..errors import ConfigurationError
from ..snapshots import foreign_keys_of, values_of_option
from .limits import undecorated
from .model import (
    ColumnOwnership,
    Ownership,
    ParentKey,
    ParentOwnership,
    TableKey,
    carries_tenant,
    table_key,
    table_label,
)

__all__ = [
    "FindTable",
    "derive_all",
    "derive_through_parents",
    "foreign_keys",
    "has_foreign_key_to",
    "is_finished",
    "is_made_by_database",
    "is_not_null",
    "is_numbered",
    "is_unique",
    "may_reach_tenants",
    "refuse_composite_keys",
    "tables_in",
]

FindTable: TypeAlias = Callable[[TableKey], Table | None]
"""Returns a known table by schema and name."""

_UNFINISHED: Final = "_tenantshield_unfinished"


def _begin(table: Table, metadata: MetaData) -> None:
    table.__dict__[_UNFINISHED] = True


def _finish(table: Table, metadata: MetaData) -> None:
    table.__dict__.pop(_UNFINISHED, None)


# A table is in its MetaData, where another thread finds it, before it even has a name.
# Set here and not by install(), whose listener calls table_added(): the table must count as
# finished by then.
event.listen(Table, "before_parent_attach", _begin)
event.listen(Table, "after_parent_attach", _finish)


def is_finished(table: Table) -> bool:
    """Return whether the constructor of ``table`` has finished, in any thread."""
    return _UNFINISHED not in table.__dict__


def tables_in(metadata: MetaData) -> list[Table]:
    """Return the tables of ``metadata``, to which other threads may be adding."""
    return [each for each in list(metadata.tables.values()) if is_finished(each)]


def may_reach_tenants(table: Table) -> bool:
    """Return whether ``table`` counts, though nothing was declared in its ``MetaData``: whether it
    has a foreign key or inherits from another table.
    """
    # Without a look at the options of a dialect, which imports it, for each table that is made.
    return bool(values_of_option(table, "inherits") or foreign_keys_of(table))


def derive_all(
    own: Mapping[TableKey, Ownership],
    tables: Iterable[tuple[Table, str | None]],
    find: FindTable,
    apart: tuple[Table, ...] = (),
) -> dict[TableKey, Ownership]:
    """Return the ownership of every known table that belongs to tenants.

    A table is tied only to tables whose ownership is known already, so the chain from any
    tied table ends at a tenant column. Of tables that refer to each other in a circle, the
    first to be tied is the one that also refers to a table outside it. What several objects
    define of one table counts together.

    Args:
        own: the ownership of the tables that have a tenant column.
        tables: the others that are not shared, each with the name of the parent
            through which it was declared, if it was.
        find: looks up a known table.
        apart: tables of other databases, which only share their names with known tables.

    Raises:
        ConfigurationError: a table was declared through a parent that is not tenant-aware,
            or is tied by a key that rows of two tenants may have.
    """
    ownerships = dict(own)
    tables = list(tables)
    while True:
        found: dict[TableKey, Ownership] = {}
        for table, through in tables:
            key = table_key(table)
            if key in ownerships or key in found:
                continue
            ownership = derive_through_parents(table, through, ownerships, find, apart)
            if ownership is not None:
                found[key] = ownership
        if not found:
            break
        ownerships.update(found)
    for table, through in tables:
        if through is not None and table_key(table) not in ownerships:
            raise ConfigurationError(
                f"{table_label(table)} is tenant-aware through {through!r}, which is not "
                "tenant-aware itself: mark that table too"
            )
        _add_other_parents(table, through, ownerships, find, apart)
    return ownerships


def _add_other_parents(
    table: Table,
    through: str | None,
    ownerships: dict[TableKey, Ownership],
    find: FindTable,
    apart: tuple[Table, ...],
) -> None:
    """Tie ``table`` to its remaining parents too, where that makes no circle."""
    ownership = ownerships.get(table_key(table))
    if not isinstance(ownership, ParentOwnership):
        return
    complete = derive_through_parents(table, through, ownerships, find, apart)
    more = [
        key
        for key in (() if complete is None else complete.parent_keys)
        if not any(key.is_same(each) for each in ownership.parent_keys)
        and not _leads_to(table_key(key.parent), table_key(table), ownerships)
    ]
    if more:
        keys = (*ownership.parent_keys, *more)
        ownerships[table_key(table)] = ParentOwnership(ownership.table, keys)


def derive_through_parents(
    table: Table,
    through: str | None,
    ownerships: Mapping[TableKey, Ownership],
    find: FindTable,
    apart: tuple[Table, ...] = (),
) -> ParentOwnership | None:
    """Return how ``table`` is tied to tenant-aware tables; ``None`` if it is not.

    Args:
        table: a table without a tenant column.
        through: the name of the parent through which it was declared, if it was.
            Otherwise it is tied by all foreign keys that cannot be ``NULL``, and an
            association table by all that it has.
        ownerships: the ownerships that are known already.
        find: looks up a known table.
        apart: tables of other databases, which only share their names with known tables.

    Raises:
        ConfigurationError: it is tied by a key that rows of two tenants may have.
    """
    keys = [
        (constraint, key)
        for constraint, key in foreign_keys(table, find)
        if key.parent is not table
        and not any(each is key.parent for each in apart)
        and (through is None or through in (key.parent.name, key.parent.fullname))
        and table_key(key.parent) in ownerships
    ]
    owning = [
        key for constraint, key in keys if through is not None or not _is_nullable(constraint)
    ]
    if not owning and _is_association(table):
        owning = [key for _, key in keys]
    for key in owning:
        _check_unique(table, key, find)
    return ParentOwnership(table, tuple(owning)) if owning else None


def _check_unique(table: Table, key: ParentKey, find: FindTable) -> None:
    """Check that a row of ``table`` can refer to only one row by ``key``.

    Raises:
        ConfigurationError: rows of two tenants may have the same key.
    """
    # The parent may be there in part, as Alembic makes it for a foreign key.
    objects = (key.parent, find(table_key(key.parent)))
    if not any(each is not None and is_unique(each, key.parent_columns) for each in objects):
        parent, names = table_label(key.parent), ", ".join(key.parent_columns)
        raise ConfigurationError(
            f"{table_label(table)} belongs to a tenant through {', '.join(key.columns)}, which "
            f"refers to {names} of {parent}, and nothing declares this unique: rows of two "
            f"tenants may have the same. Refer to the primary key of {parent}, or give it a "
            f"UniqueConstraint of exactly {names}, or give {table_label(table)} a tenant column "
            "and a tenant_foreign_key()"
        )


def refuse_composite_keys(
    tables: Iterable[Table], ownerships: Mapping[TableKey, Ownership], find: FindTable
) -> None:
    """Refuse foreign keys that include the tenant, from or to a table with rows of everybody.

    Raises:
        ConfigurationError: there is one. It could refer to none of the parent's shared rows, and
            the database does not check it in a shared row whose tenant is ``NULL``.
    """
    for table in tables:
        child = ownerships.get(table_key(table))
        if not isinstance(child, ColumnOwnership):
            continue
        for _, key in foreign_keys(table, find):
            parent = ownerships.get(table_key(key.parent))
            if parent is None or not carries_tenant(key, child, parent):
                continue
            for each in (child, parent):
                if isinstance(each, ColumnOwnership) and each.shared_rows is not None:
                    raise ConfigurationError(
                        f"the foreign key of {table_label(table)} ({', '.join(key.columns)}) "
                        f"includes the tenant, and {each.label} has shared_rows, which belong to "
                        "none: use a plain foreign key, without the tenant; it is looked up, and "
                        "may refer to a shared row"
                    )


def is_unique(table: Table, columns: Iterable[str]) -> bool:
    """Return whether ``table`` declares that no two rows have the same ``columns``."""
    given = set(columns)
    keys = [
        {column.name for column in each.columns}
        for each in list(table.constraints)
        if isinstance(each, PrimaryKeyConstraint | UniqueConstraint)
    ]
    keys += [
        {column.name for column in each.columns}
        for each in list(table.indexes)
        # An index over an expression, or with a condition, is unique for some rows only.
        if each.unique
        and len(each.columns) == len(each.expressions)
        and not values_of_option(each, "where")
    ]
    return any(key and key <= given for key in keys)


def foreign_keys(table: Table, find: FindTable) -> Iterator[tuple[ForeignKeyConstraint, ParentKey]]:
    """Return the foreign keys of ``table`` whose parent is known."""
    for constraint in sorted(
        foreign_keys_of(table), key=lambda each: [c.name for c in each.columns]
    ):
        columns = tuple(element.parent.name for element in constraint.elements)
        target, _ = _target(constraint.elements[0])
        try:
            if _is_being_defined(target, table.metadata):
                # SQLAlchemy would fail on a table that is only half there.
                raise NoReferencedTableError("being defined", target)
            parent = constraint.referred_table
            referred = tuple(element.column.name for element in constraint.elements)
        except (NoReferencedTableError, NoReferencedColumnError):
            # Only this table was reflected, for example, or its parent only in part. The parent
            # is found by name among the known tables; if it is not there it is not tenant-aware.
            schema, _, name = target.rpartition(".")
            known = find((schema or None, name))
            if known is None:
                continue
            parent = known
            referred = tuple(_target(element)[1] for element in constraint.elements)
        yield constraint, ParentKey(columns, parent, referred)


def _target(element: ForeignKey) -> tuple[str, str]:
    """Return the table and the column that a foreign key names."""
    table, _, column = element.target_fullname.rpartition(".")
    # Without a column, it is the one of the same name.
    return (table, column) if table else (column, element.parent.key)


def is_made_by_database(column: Column[Any]) -> bool:
    """Return whether the database writes a value if a statement leaves ``column`` out."""
    if _may_be_numbered(column):
        return True
    default = column.server_default
    if default is None:
        return False
    # The value of a fetched or computed default is unknown. A default of NULL does not count.
    given = getattr(default, "arg", None)
    return str(getattr(given, "text", given)).strip().upper() != "NULL"


def _may_be_numbered(column: Column[Any]) -> bool:
    if is_numbered(column):
        return True
    # SQLite numbers an INTEGER PRIMARY KEY, whatever SQLAlchemy has for autoincrement.
    if not column.primary_key or len(column.table.primary_key) > 1:
        return False
    return not isinstance(undecorated(column.type), String | Uuid | LargeBinary)


def is_numbered(column: Column[Any]) -> bool:
    """Return whether a foreign key is declared as one that the database numbers."""
    return column.autoincrement in (True, "ignore_fk")


def is_not_null(column: Column[Any]) -> bool:
    """Return whether ``column`` cannot be ``NULL``."""
    # A primary key may be declared as nullable, and is not.
    return column.primary_key or not column.nullable


def _is_being_defined(target: str, metadata: MetaData) -> bool:
    # A target without a schema is in the schema of the MetaData, if that has one.
    found = map(metadata.tables.get, (target, f"{metadata.schema}.{target}"))
    return any(each is not None and not is_finished(each) for each in found)


def _leads_to(start: TableKey, goal: TableKey, ownerships: Mapping[TableKey, Ownership]) -> bool:
    ownership = ownerships.get(start)
    return start == goal or (
        isinstance(ownership, ParentOwnership)
        and any(_leads_to(table_key(key.parent), goal, ownerships) for key in ownership.parent_keys)
    )


def _is_nullable(constraint: ForeignKeyConstraint) -> bool:
    return any(column.nullable for column in constraint.columns)


def _is_association(table: Table) -> bool:
    """Return whether ``table`` only connects others: each column is part of a foreign key."""
    return len(foreign_keys_of(table)) > 1 and all(c.foreign_keys for c in table.columns)


def has_foreign_key_to(table: Table, parent: str) -> bool:
    """Return whether a foreign key of ``table`` refers to a table called ``parent``."""
    for constraint in foreign_keys_of(table):
        # Compare the target's text, since the parent's class may not be defined yet.
        target, _ = _target(constraint.elements[0])
        if parent in (target, target.rpartition(".")[2]):
            return True
    return False
