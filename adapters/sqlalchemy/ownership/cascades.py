"""Foreign keys through which the database itself deletes or changes tenants' rows.

The guard does not confine a ``DELETE`` on a shared or undeclared table. If tenant-aware
tables refer to it with ``ON DELETE CASCADE`` or a similar action, the database then deletes or
changes rows of every tenant without a further statement. These foreign keys are found in the
models, and so are those by which it would take a row from its tenant, with ``ON DELETE SET NULL``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, NoReturn, cast

from sqlalchemy import Column, Table
from sqlalchemy import table as bare_table
from sqlalchemy.sql.expression import TableClause

from ..errors import UnguardedStatementError
from .derivation import foreign_keys, is_made_by_database, is_not_null, is_unique
from .model import (
    ColumnOwnership,
    Ownership,
    ParentKey,
    TableKey,
    carries_tenant,
    table_key,
    table_label,
)
from .registry import registry

__all__ = [
    "Cascade",
    "cascades",
    "effect_of",
    "is_cascading_parent",
    "is_same_table",
    "is_tenant_aware",
    "known_cascades",
    "reached",
    "refuse_cascade",
    "refuse_reached",
]

_PASSIVE: Final = frozenset({"", "NO ACTION", "RESTRICT"})


@dataclass(frozen=True, slots=True)
class Cascade:
    """A foreign key and its actions.

    Attributes:
        table: the table that has the foreign key.
        columns: the names of the foreign key's columns.
        parent: the table that it refers to.
        parent_columns: the names of the columns that it refers to.
        on_delete: the action on a ``DELETE`` of the parent row, in upper case; empty for none.
        on_update: the same on an ``UPDATE`` of ``parent_columns``.
    """

    table: Table
    columns: tuple[str, ...]
    parent: Table
    parent_columns: tuple[str, ...]
    on_delete: str
    on_update: str


def cascades(tables: Iterable[Table]) -> list[Cascade]:
    """Return all foreign keys of ``tables``, including those without an action."""
    tables = list(tables)
    known = {table_key(each): each for each in reversed(tables)}

    def find(key: TableKey) -> Table:
        # An unknown table can still be named in a statement.
        found = known.get(key)
        return cast("Table", bare_table(key[1], schema=key[0])) if found is None else found

    return [
        Cascade(
            table,
            key.columns,
            key.parent,
            key.parent_columns,
            _action(constraint.ondelete),
            _action(constraint.onupdate),
        )
        for table in tables
        for constraint, key in foreign_keys(table, find)
    ]


def _action(action: str | None) -> str:
    upper = " ".join((action or "").upper().split())
    return "" if upper in _PASSIVE else upper


def refuse_cascade(
    table: TableClause,
    columns: Collection[Any] | None = None,
    default_schemas: frozenset[str] = frozenset(),
    verb: str = "",
) -> None:
    """Refuse a ``DELETE`` or ``UPDATE`` that reaches other tenants' rows through foreign keys.

    Args:
        table: the statement's target.
        columns: the columns that an ``UPDATE`` sets, as columns, keys or names; ``None``
            for a ``DELETE``.
        default_schemas: the database's names, in lower case, for its default schema.
        verb: what an error calls the statement, if it is neither of the two.

    Raises:
        UnguardedStatementError: it reaches such rows.
    """
    edges = known_cascades()
    if not edges:
        return
    written = None if columns is None else _names(table, columns)
    is_tenants = registry.ownership_of(table, default_schemas) is not None
    found = next(reached(edges, table, written, is_tenants=is_tenants), None)
    if found is not None:
        verb = verb or ("DELETE" if columns is None else "UPDATE")
        refuse_reached(f"{verb} on {table_label(table)}", found)


def is_cascading_parent(table: TableClause) -> bool:
    """Return whether a foreign key with an action refers to ``table``."""
    return any(
        (each.on_delete or each.on_update) and is_same_table(each.parent, table)
        for each in known_cascades()
    )


def effect_of(found: Cascade) -> str:
    """Return the effect of a foreign key's action, for an error's message."""
    if _unties(found):
        return (
            f"makes the database write NULL into {', '.join(found.columns)} of rows of "
            f"{table_label(found.table)}, which then belong to no tenant (use another action, "
            'ondelete="CASCADE" for example, or nullable=False)'
        )
    if is_tenant_aware(found.parent) and defaults(found):
        return (
            f"makes the database write the default of {', '.join(found.columns)} into rows of "
            f"{table_label(found.table)}, which could refer to another tenant's row"
        )
    return (
        f"makes the database delete or change rows of {table_label(found.table)} that refer to "
        f"{table_label(found.parent)} ({', '.join(found.columns)}), including other tenants'"
        + (
            f", since {', '.join(found.parent_columns)} is not declared unique there (refer to a "
            "unique key, or use tenant_foreign_key())"
            if is_tenant_aware(found.parent)
            else ""
        )
    )


def refuse_reached(what: str, found: Cascade) -> NoReturn:
    """Raise for a statement that reaches other tenants' rows.

    Args:
        what: the statement, for the message.
        found: the foreign key through which it reaches them.

    Raises:
        UnguardedStatementError: always.
    """
    raise UnguardedStatementError(
        f"{what} {effect_of(found)}: "
        "if it was reviewed, execute it with execution_options={'tenantshield_reviewed': True}; "
        "or, if it is meant for the rows of all tenants, do it inside "
        'system_scope("why"), which sees them all'
    )


_cached: tuple[int, list[Cascade]] = (-1, [])


def known_cascades() -> list[Cascade]:
    """Return the foreign keys of all known tables."""
    global _cached  # noqa: PLW0603  # derived from the one registry of the process.
    generation = registry.generation
    known = _cached
    if known[0] != generation:
        # Not read again after it is stored: another thread may store an older one.
        _cached = known = (generation, cascades(registry.definitions()))
    return known[1]


def _names(table: TableClause, columns: Collection[Any]) -> frozenset[str]:
    """Return the case-folded names of the columns that an ``UPDATE`` of ``table`` sets."""
    given = {each if isinstance(each, str) else str(each.key) for each in columns}
    for column in table.c:
        if column.key in given or getattr(column, "onupdate", None) is not None:
            given.add(column.name)
    return frozenset(each.casefold() for each in given)


def reached(
    edges: list[Cascade],
    table: TableClause,
    written: frozenset[str] | None,
    *,
    is_tenants: bool,
    truncates: bool = False,
) -> Iterator[Cascade]:
    """Yield the foreign keys through which the database could change any tenant's rows.

    Rows that refer to a tenant's row belong to the same tenant, as long as each table on the way
    is tenant-aware. Rows that refer to any other table can be any tenant's.

    Args:
        edges: all foreign keys.
        table: the table in which a row is deleted or changed.
        written: the case-folded names of the columns that change; ``None`` if it is deleted.
        is_tenants: whether ``table`` is tenant-aware.
        truncates: whether this is a ``TRUNCATE ... CASCADE``, which empties referring tables too.
    """
    waiting: list[tuple[TableClause, frozenset[str] | None, bool]] = [(table, written, is_tenants)]
    seen: set[tuple[TableKey, frozenset[str] | None]] = set()
    while waiting:
        parent, changed, parent_is_tenants = waiting.pop()
        if (table_key(parent), changed) in seen:
            continue
        seen.add((table_key(parent), changed))
        for edge in edges:
            if not is_same_table(edge.parent, parent):
                continue
            if changed is None:
                action = "CASCADE" if truncates else edge.on_delete
            else:
                touched = changed & {each.casefold() for each in edge.parent_columns}
                action = edge.on_update if touched else ""
            if not action:
                continue
            child_is_tenants = is_tenant_aware(edge.table)
            if child_is_tenants and (
                not parent_is_tenants or crosses(edge) or defaults(edge) or _unties(edge)
            ):
                yield edge
            goes = changed is None and action == "CASCADE"
            following = None if goes else frozenset(each.casefold() for each in edge.columns)
            waiting.append((edge.table, following, child_is_tenants))


def crosses(edge: Cascade) -> bool:
    """Return whether rows of one tenant may refer to another tenant's rows.

    MySQL and MariaDB allow a foreign key to columns that are not unique. A row then refers to
    every row with these values, of all tenants.
    """
    parent, child = _ownership_of(edge.parent), _ownership_of(edge.table)
    key = ParentKey(edge.columns, edge.parent, edge.parent_columns)
    if parent is not None and carries_tenant(key, child, parent):
        return False
    # A bare table() declares nothing.
    return not (isinstance(edge.parent, Table) and is_unique(edge.parent, edge.parent_columns))


def defaults(edge: Cascade) -> bool:
    """Return whether ``SET DEFAULT`` may refer to another tenant's row.

    The default is the same for all tenants, so it is the key of one tenant's row only.
    """
    parent, child = _ownership_of(edge.parent), _ownership_of(edge.table)
    if "SET DEFAULT" not in (edge.on_delete, edge.on_update) or parent is None:
        return False
    if carries_tenant(ParentKey(edge.columns, edge.parent, edge.parent_columns), child, parent):
        return False
    return any(map(is_made_by_database, _columns_of(edge)))


def _columns_of(edge: Cascade) -> Iterator[Column[Any]]:
    """Yield the columns of a foreign key, in every object for the table that has it.

    One of them may lack a default that another one tells of.
    """
    for table in (edge.table, *registry.definitions_of(edge.table)):
        yield from (each for each in table.columns if each.name in edge.columns)


def _unties(edge: Cascade) -> bool:
    """Return whether an action takes a tenant's row from its tenant."""
    child = _ownership_of(edge.table)
    if child is None:
        return False
    if isinstance(child, ColumnOwnership):
        owning = {child.column.casefold()}
    else:
        owning = {name.casefold() for key in child.parent_keys for name in key.columns}
    actions = (edge.on_delete, edge.on_update)
    # Where it is NOT NULL, the database refuses.
    return any(
        column.name.casefold() in owning
        and not is_not_null(column)
        and any(_writes_null(each, column) for each in actions)
        for column in _columns_of(edge)
    )


def _writes_null(action: str, column: Column[Any]) -> bool:
    if action == "SET DEFAULT":
        return not is_made_by_database(column)
    if not action.startswith("SET NULL"):
        return False
    # PostgreSQL takes the names of the columns, all others mean all of them.
    named = {
        each.strip(' "').casefold() for each in action[len("SET NULL") :].strip(" ()").split(",")
    }
    return named == {""} or column.name.casefold() in named


def _ownership_of(table: Table) -> Ownership | None:
    return registry.ownership_of(table) if is_tenant_aware(table) else None


def is_same_table(one: TableClause, other: TableClause) -> bool:
    """Return whether two constructs may be the same table; one without a schema may be in any."""
    (schema, name), (other_schema, other_name) = table_key(one), table_key(other)
    if name.casefold() != other_name.casefold():
        return False
    if schema is None or other_schema is None:
        return True
    return schema.casefold() == other_schema.casefold()


def is_tenant_aware(table: Table) -> bool:
    """Return whether ``table`` is tenant-aware, or could be."""
    try:
        return registry.ownership_of(table) is not None
    except UnguardedStatementError:
        # It is undeclared and has the name of a tenant-aware table in another schema.
        return True
