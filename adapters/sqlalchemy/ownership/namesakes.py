"""Tables of one name in several schemas that belong to tenants in different ways.

Which of them a name without a schema, or with one that is translated, stands for is decided by the
connection. The statement was confined by what the one is; on the other it would reach rows of all
tenants.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import NoReturn, TypeAlias

from sqlalchemy import Table
from sqlalchemy.sql.expression import TableClause

from ..errors import ConfigurationError
from .model import (
    ColumnOwnership,
    Ownership,
    ParentOwnership,
    TableKey,
    table_key,
    table_label,
)

__all__ = [
    "by_name",
    "check_engine",
    "find_namesakes",
    "folded_key",
    "may_be_found_by",
    "refuse_namesake",
    "same_tables",
    "way_of",
]

Way: TypeAlias = tuple[object, ...] | None
"""How the rows of a table belong to tenants; equal for tables that one predicate confines."""


def way_of(ownership: Ownership | None) -> Way:
    """Return how rows belong to tenants; ``None`` if they do not."""
    match ownership:
        case ColumnOwnership():
            return ownership.column, ownership.python_type, repr(ownership.shared_rows)
        case ParentOwnership():
            return tuple(
                (key.columns, key.parent.name, key.parent_columns) for key in ownership.parent_keys
            )
        case _:
            return None


def by_name(tables: Iterable[TableKey]) -> Mapping[str, list[TableKey]]:
    """Return the tables by their name, case folded."""
    found: dict[str, list[TableKey]] = {}
    for key in tables:
        found.setdefault(key[1].casefold(), []).append(key)
    return found


def same_tables(
    key: TableKey, named: Mapping[str, list[TableKey]], default_schemas: frozenset[str]
) -> list[TableKey]:
    """Return ``key``, and the others that a database may take for it.

    Args:
        key: a table.
        named: the known tables, of :func:`by_name`.
        default_schemas: the database's names, in lower case, for its default schema.
    """
    same = folded_key(key, default_schemas)
    alike = (each for each in named.get(same[1], ()) if folded_key(each, default_schemas) == same)
    return [key, *(each for each in alike if each != key)]


def find_namesakes(
    tables: Iterable[TableKey], ownerships: Mapping[TableKey, Ownership]
) -> Mapping[str, Collection[TableKey]]:
    """Return the tables by their name, case folded, of which one belongs to tenants differently.

    Args:
        tables: the known tables.
        ownerships: those that belong to tenants.
    """
    return {
        name: keys
        for name, keys in by_name(tables).items()
        if len(keys) > 1 and len({way_of(ownerships.get(key)) for key in keys}) > 1
    }


def may_be_found_by(table: TableKey, name: TableKey, search_path: frozenset[str] | None) -> bool:
    """Return whether a name without a schema may stand for a table of a schema.

    Args:
        table: the table.
        name: a name, perhaps with a schema.
        search_path: all schemas, in lower case, in which an unqualified table is looked for;
            ``None`` if that is unknown, so that it may be any.
    """
    if name[0] is not None or table[0] is None:
        return False
    return search_path is None or table[0].casefold() in search_path


def refuse_namesake(name: str, search_path: frozenset[str] | None) -> NoReturn:
    """Refuse a name that stands for several tables which belong to tenants differently.

    Args:
        name: the name.
        search_path: all schemas in which it is looked for; ``None`` if they are unknown.

    Raises:
        ConfigurationError: always.
    """
    if search_path is None:
        raise ConfigurationError(
            f"{name} may stand for several tables, which belong to tenants in different ways. One "
            "of them became known just now, before the connection was asked in which schemas it "
            "looks for names without one: execute the statement again, or import "
            "tenantshield_mw.adapters.sqlalchemy before tables are defined"
        )
    raise ConfigurationError(
        f"{name} stands for several tables here, which belong to tenants in different ways, since "
        "one of them is in a schema that is searched for names without one on this connection: "
        "give each of them its schema, or declare them alike"
    )


def folded_key(key: TableKey, default_schemas: frozenset[str]) -> TableKey:
    """Return ``key`` in a form that is equal for all names a database may take for one.

    Case is folded on every database, even where quoted names are case-sensitive: mistaking
    two tables for one ends in a refusal, mistaking one for two in a leak.
    """
    schema, name = key
    schema = None if schema is None else schema.casefold()
    return (None if schema in default_schemas else schema, name.casefold())


def check_engine(
    table: TableClause,
    apart: tuple[Table, ...],
    default_schemas: frozenset[str],
    used: dict[TableKey, bool],
) -> None:
    """Refuse a table next to the one of another database; see ``Registry.check_engine()``."""
    key = folded_key(table_key(table), default_schemas)
    if all(folded_key(table_key(each), default_schemas) != key for each in apart):
        return
    is_apart = any(each is table for each in apart)
    if used.setdefault(key, is_apart) is not is_apart:
        raise ConfigurationError(
            f"{table_label(table)} is tenant-aware and is also declared with "
            "shared_across_tenants(in_another_database=True), and both are used on one engine, "
            "which has only one table of this name: remove that declaration, or use the other "
            "database's engine"
        )
