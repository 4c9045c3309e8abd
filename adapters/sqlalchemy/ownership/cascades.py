"""What the database does to tenants' rows when a row that is not a tenant's goes or changes.

A shared or undeclared table is nobody's, so the guard leaves a ``DELETE`` on it alone. If
tenant-aware tables refer to it with ``ON DELETE CASCADE`` or the like, the database then
deletes or changes every tenant's rows, and no statement of the guard's has a say in that.
Which foreign keys do so follows from the models.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, cast

from sqlalchemy import Table
from sqlalchemy import table as bare_table
from sqlalchemy.sql.expression import TableClause

from ..errors import UnguardedStatementError
from .derivation import foreign_keys
from .model import TableKey, table_key, table_label
from .registry import registry

__all__ = [
    "Cascade",
    "cascades",
    "effect_of",
    "has_rule",
    "is_cascading_parent",
    "is_same_table",
    "known_cascades",
    "reached",
    "refuse_cascade",
    "refuse_reached",
]

_PASSIVE: Final = frozenset({"", "NO ACTION", "RESTRICT"})


@dataclass(frozen=True, slots=True)
class Cascade:
    """A foreign key along which the database itself deletes or changes rows.

    Attributes:
        table: the table whose rows it deletes or changes.
        columns: the foreign key, by the names of its columns.
        parent: the table that it refers to.
        parent_columns: what it refers to, by the names of the columns.
        on_delete: what a ``DELETE`` on ``parent`` does, in upper case; empty for nothing.
        on_update: the same of an ``UPDATE`` of ``parent_columns``.
    """

    table: Table
    columns: tuple[str, ...]
    parent: Table
    parent_columns: tuple[str, ...]
    on_delete: str
    on_update: str


def cascades(tables: Iterable[Table]) -> list[Cascade]:
    """Return all foreign keys of ``tables``, also those along which nothing happens."""
    known = {table_key(each): each for each in tables}

    def find(key: TableKey) -> Table:
        # One that is not known can still be named in a statement.
        found = known.get(key)
        return cast("Table", bare_table(key[1], schema=key[0])) if found is None else found

    return [
        Cascade(
            table,
            tie.columns,
            tie.parent,
            tie.parent_columns,
            _action(constraint.ondelete),
            _action(constraint.onupdate),
        )
        for table in known.values()
        for constraint, tie in foreign_keys(table, find)
    ]


def _action(action: str | None) -> str:
    upper = " ".join((action or "").upper().split())
    return "" if upper in _PASSIVE else upper


def refuse_cascade(
    table: TableClause,
    columns: Collection[Any] | None = None,
    default_schemas: frozenset[str] = frozenset(),
) -> None:
    """Refuse a ``DELETE`` or ``UPDATE`` that reaches other tenants' rows by foreign keys.

    Args:
        table: the statement's target.
        columns: what the ``SET`` of an ``UPDATE`` names, as columns, keys or names; ``None``
            for a ``DELETE``.
        default_schemas: the database's names, in lower case, for the schema that a name
            without one means.

    Raises:
        UnguardedStatementError: it does.
    """
    edges = known_cascades()
    if not edges:
        return
    written = None if columns is None else _names(table, columns)
    is_tenants = registry.ownership_of(table, default_schemas) is not None
    found = next(reached(edges, table, written, is_tenants=is_tenants), None)
    if found is not None:
        verb = "DELETE" if columns is None else "UPDATE"
        refuse_reached(f"{verb} on {table_label(table)}", found)


def is_cascading_parent(table: TableClause) -> bool:
    """Return whether a foreign key refers to ``table`` along which the database changes rows."""
    return any(
        (each.on_delete or each.on_update) and is_same_table(each.parent, table)
        for each in known_cascades()
    )


def effect_of(found: Cascade) -> str:
    """Return what the database does along ``found``, for an error's message."""
    return (
        f"has the database delete or change rows of {table_label(found.table)} that refer to "
        f"{table_label(found.parent)} ({', '.join(found.columns)}), other tenants' too"
    )


def refuse_reached(what: str, found: Cascade) -> None:
    raise UnguardedStatementError(
        f"{what} {effect_of(found)}: "
        'do this inside system_scope("why"), or, if it was reviewed, execute it with '
        "execution_options={'tenantshield_reviewed': True}"
    )


_cached: tuple[int, list[Cascade]] = (-1, [])


def known_cascades() -> list[Cascade]:
    """Return the foreign keys of all known tables."""
    global _cached  # noqa: PLW0603  # what follows from the one registry of the process.
    generation = registry.generation
    known = _cached
    if known[0] != generation:
        # Not read again after it is stored: another thread may store an older one.
        _cached = known = (generation, cascades(registry.tables()))
    return known[1]


def _names(table: TableClause, columns: Collection[Any]) -> frozenset[str]:
    """Return the names, case folded, of what an ``UPDATE`` of ``table`` sets."""
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
    """Yield the foreign keys by which tenants' rows go or change, whosever they are.

    Rows that refer to a tenant's row are that tenant's too, as long as each table on the
    way has a rule. Those that refer to a row of a table without one can be anybody's.

    Args:
        edges: all foreign keys.
        table: where a row is deleted or changed.
        written: the columns that change, case folded; ``None`` where it is deleted.
        is_tenants: whether ``table`` has a rule.
        truncates: whether all rows go, and all that refer to any, by ``TRUNCATE ... CASCADE``.
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
            child_has_rule = has_rule(edge.table)
            if child_has_rule and not parent_is_tenants:
                yield edge
            goes = changed is None and action == "CASCADE"
            following = None if goes else frozenset(each.casefold() for each in edge.columns)
            waiting.append((edge.table, following, child_has_rule))


def is_same_table(one: TableClause, other: TableClause) -> bool:
    """Say whether two constructs can be one table: a name without a schema can be in any."""
    (schema, name), (other_schema, other_name) = table_key(one), table_key(other)
    if name.casefold() != other_name.casefold():
        return False
    if schema is None or other_schema is None:
        return True
    return schema.casefold() == other_schema.casefold()


def has_rule(table: Table) -> bool:
    try:
        return registry.ownership_of(table) is not None
    except UnguardedStatementError:
        # Undeclared, with the name of a declared one in another schema.
        return True
