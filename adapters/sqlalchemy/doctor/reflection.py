"""Reads the tables of any database with SQLAlchemy's inspector."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import MetaData, Table, inspect
from sqlalchemy.engine import Connection, Inspector
from sqlalchemy.engine.reflection import ObjectKind
from sqlalchemy.exc import SAWarning

__all__ = ["Reflected", "ReflectedForeignKey", "ReflectedTable", "ReflectedUnique", "reflect"]


@dataclass(frozen=True, slots=True)
class ReflectedUnique:
    """An existing unique constraint or index.

    Attributes:
        name: its name; ``None`` if it has none.
        columns: its columns in order; ``None`` in place of an expression.
        is_index: whether it is an index rather than a constraint.
    """

    name: str | None
    columns: tuple[str | None, ...]
    is_index: bool


@dataclass(frozen=True, slots=True)
class ReflectedForeignKey:
    """An existing foreign key; ``schema`` is that of the parent."""

    name: str | None
    columns: tuple[str, ...]
    schema: str | None
    parent: str
    parent_columns: tuple[str, ...]


@dataclass(slots=True)
class ReflectedTable:
    """An existing table.

    Attributes:
        schema: the schema; ``None`` for the default one.
        columns: the inspector's description of each column, by name.
        begins: the first columns of the keys and full indexes.
    """

    schema: str | None
    name: str
    columns: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    uniques: list[ReflectedUnique] = field(default_factory=list)
    primary_key: tuple[str, ...] = ()
    foreign_keys: list[ReflectedForeignKey] = field(default_factory=list)
    begins: set[str] = field(default_factory=set)

    @property
    def label(self) -> str:
        """``schema.name``, or only the name in the default schema."""
        return f"{self.schema}.{self.name}" if self.schema else self.name


class Reflected:
    """The tables of a database, which can be found by their names in the models."""

    def __init__(self, tables: Iterable[ReflectedTable], default_schema: str | None) -> None:
        self.tables = list(tables)
        self._default_schema = default_schema
        self._by_key = {(each.schema, each.name): each for each in self.tables}
        # MySQL may store table names in lower case.
        self._by_folded = {
            (each.schema, each.name.casefold()): each for each in reversed(self.tables)
        }

    def schema(self, schema: str | None) -> str | None:
        """Return ``schema``, or ``None`` if it is the default one."""
        return None if schema == self._default_schema else schema

    def table(self, schema: str | None, name: str) -> ReflectedTable | None:
        """Return the table of this name; ``None`` if it does not exist."""
        schema = self.schema(schema)
        found = self._by_key.get((schema, name))
        return found or self._by_folded.get((schema, name.casefold()))

    def of(self, table: Table) -> ReflectedTable | None:
        """Return the database's table for a table of the models."""
        return self.table(table.schema, table.name)


def reflect(connection: Connection, metadata: MetaData) -> Reflected:
    """Read the tables of the schemas that the models use; on PostgreSQL, of all schemas."""
    inspector = inspect(connection)
    default = inspector.default_schema_name
    schemas = {
        None if table.schema == default else table.schema for table in metadata.tables.values()
    }
    schemas.add(None)
    if connection.dialect.name == "postgresql":
        schemas.update(
            each
            for each in inspector.get_schema_names()
            if each not in {default, "information_schema"} and not each.startswith("pg_")
        )
    existing = set(inspector.get_schema_names())
    tables: list[ReflectedTable] = []
    with warnings.catch_warnings():
        # Warnings about types and expressions that SQLAlchemy cannot reflect. The checks
        # do not need these.
        warnings.simplefilter("ignore", SAWarning)
        for schema in sorted(schemas, key=lambda each: each or ""):
            if schema is None or schema in existing:
                tables.extend(_read_schema(inspector, schema, default))
    return Reflected(tables, default)


def _read_schema(
    inspector: Inspector, schema: str | None, default: str | None
) -> Iterable[ReflectedTable]:
    found: dict[str, ReflectedTable] = {}
    for (_, name), columns in inspector.get_multi_columns(schema, kind=ObjectKind.TABLE).items():
        found[name] = ReflectedTable(schema, name, {each["name"]: each for each in columns})
    for (_, name), key in inspector.get_multi_pk_constraint(schema).items():
        if name in found:
            found[name].primary_key = tuple(key["constrained_columns"])
            found[name].begins.update(key["constrained_columns"][:1])
    for (_, name), uniques in inspector.get_multi_unique_constraints(schema).items():
        for unique in uniques:
            names = tuple(unique["column_names"])
            found[name].uniques.append(ReflectedUnique(unique["name"], names, is_index=False))
            found[name].begins.update(names[:1])
    for (_, name), indexes in inspector.get_multi_indexes(schema).items():
        for index in indexes:
            _take_index(found[name], index)
    for (_, name), foreign_keys in inspector.get_multi_foreign_keys(schema).items():
        for each in foreign_keys:
            referred = each["referred_schema"]
            if referred is None:
                referred = schema
            found[name].foreign_keys.append(
                ReflectedForeignKey(
                    each["name"],
                    tuple(each["constrained_columns"]),
                    None if referred == default else referred,
                    each["referred_table"],
                    tuple(each["referred_columns"]),
                )
            )
    return found.values()


def _take_index(table: ReflectedTable, index: Mapping[str, Any]) -> None:
    names = tuple(index["column_names"])
    options: Mapping[str, Any] = index.get("dialect_options") or {}
    is_whole = not any(key.endswith("_where") for key in options)
    if is_whole and names and names[0] is not None:
        table.begins.add(names[0])
    if not index["unique"]:
        return
    # Most databases create an index for a unique constraint, and the inspector lists both.
    known = {each.columns for each in table.uniques}
    if index.get("duplicates_constraint") is None and names not in known:
        table.uniques.append(ReflectedUnique(index["name"], names, is_index=True))
