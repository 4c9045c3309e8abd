"""Compares the schema of any database with the models."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from sqlalchemy import Column, MetaData, Table
from sqlalchemy.engine import Connection

from ..ownership.model import ColumnOwnership, Ownership, table_label
from .constraints import confining_columns, uniques_of
from .declarations import declared_tables, is_confined, rule_of, tenant_columns, tenant_references
from .findings import Finding
from .models import begins_with
from .reflection import Reflected, ReflectedForeignKey, ReflectedTable, ReflectedUnique

__all__ = ["check_schema", "indexed_tenant_columns"]


def check_schema(
    connection: Connection,
    metadata: MetaData,
    found: Reflected,
    *,
    children: Collection[tuple[str, str]] = (),
) -> Iterator[Finding]:
    """Yield where the database is weaker than the models.

    Args:
        connection: a connection to the database.
        metadata: the models' tables.
        found: the database's tables.
        children: the schema and name of tables that are examined with their parents.
    """
    for table, rule in declared_tables(metadata):
        there = found.of(table)
        if there is None:
            yield Finding(
                "table-missing",
                table_label(table),
                "The models have this table, but the database does not.",
                "run the migrations, or check that this is the right database",
            )
            continue
        check = _Check(connection, metadata, found, table, rule, there)
        yield from check.tenant_column()
        yield from check.uniques()
        yield from check.foreign_keys()
    yield from _unknown(connection, metadata, found, children)


def indexed_tenant_columns(metadata: MetaData, found: Reflected) -> set[tuple[str, str]]:
    """Return the label and tenant column of each table with an index that begins with it, in the
    database.
    """
    return {
        (table_label(table), rule.column)
        for table, rule in declared_tables(metadata)
        if isinstance(rule, ColumnOwnership)
        and (there := found.of(table)) is not None
        and rule.column in there.begins
    }


def _unknown(
    connection: Connection,
    metadata: MetaData,
    found: Reflected,
    children: Collection[tuple[str, str]],
) -> Iterator[Finding]:
    names = tenant_columns(metadata)
    known = {id(found.of(table)) for table in metadata.tables.values()}
    default = connection.dialect.default_schema_name
    for table in found.tables:
        column = next((each for each in table.columns if each in names), None)
        if column is None or id(table) in known:
            continue
        if (table.schema or default, table.name) not in children:
            yield Finding(
                "table-unknown",
                table.label,
                f"It has a column {column}, like tenant-aware tables, but is not in the models: "
                "neither the guard nor a policy covers it.",
                f"tenant_aware(Table({table.name!r}, Base.metadata, ...), column={column!r}), or "
                "drop it",
                column,
            )


class _Check:
    """The comparison of one table with its model."""

    def __init__(
        self,
        connection: Connection,
        metadata: MetaData,
        found: Reflected,
        table: Table,
        rule: Ownership,
        there: ReflectedTable,
    ) -> None:
        preparer = connection.dialect.identifier_preparer
        self._quote = preparer.quote
        self._sql_name = preparer.format_table(table)
        self._sql_name_of = preparer.format_table
        self._dialect = connection.dialect.name
        self._metadata = metadata
        self._found = found
        self._table = table
        self._label = table_label(table)
        self._rule = rule
        self._there = there

    def tenant_column(self) -> Iterator[Finding]:
        rule = self._rule
        if not isinstance(rule, ColumnOwnership):
            return
        name = rule.column
        column = self._there.columns.get(name)
        if column is None:
            yield Finding(
                "database-tenant-missing",
                self._label,
                f"It has no column {name} in the database.",
                "run the migrations",
                name,
            )
            return
        yield from self._attributes(self._table.c[rule.key], name)
        if name not in self._there.begins and any(begins_with(self._table, name)):
            index = self._quote(f"ix_{self._table.name}_{name}")
            yield Finding(
                "database-tenant-not-indexed",
                self._label,
                f"No index in the database begins with {name}, but one in the models does.",
                f"CREATE INDEX {index} ON {self._sql_name} ({self._quote(name)});",
                name,
            )

    def _attributes(self, ours: Column[object], name: str) -> Iterator[Finding]:
        column = self._there.columns[name]
        if column["nullable"] and not ours.nullable:
            yield Finding(
                "database-tenant-nullable",
                self._label,
                f"{name} may be NULL in the database, but not in the models: such a row belongs "
                "to no tenant.",
                self._not_null(name),
                name,
            )
        if column.get("default") is not None and ours.server_default is None:
            yield Finding(
                "database-tenant-default",
                self._label,
                f"{name} has a default in the database, but not in the models: a row that is "
                "written without the guard silently goes to the default tenant.",
                self._alter(f"ALTER COLUMN {self._quote(name)} DROP DEFAULT"),
                name,
            )

    def uniques(self) -> Iterator[Finding]:
        ours = list(uniques_of(self._table))
        our_columns = {frozenset(each.names) for each in ours}
        our_names = {each.name for each in ours}
        for unique in self._there.uniques:
            columns = {each for each in unique.columns if each is not None}
            if is_confined(self._table, self._rule, columns) or frozenset(columns) in our_columns:
                continue
            if None in unique.columns and unique.name in our_names:
                continue
            yield self._without_tenant(unique)
        there = {frozenset(each.columns) for each in self._there.uniques}
        there.add(frozenset(self._there.primary_key))
        names = {each.name for each in self._there.uniques}
        for our in ours:
            if not is_confined(self._table, self._rule, set(our.names)):
                continue
            if frozenset(our.names) in there if our.is_plain else our.name in names:
                continue
            columns_sql = ", ".join(map(self._quote, our.names))
            yield Finding(
                "database-unique-missing",
                self._label,
                f"{', '.join(our.names)} are unique together in the models, but not in the "
                "database.",
                self._alter(f"ADD UNIQUE ({columns_sql})")
                if our.is_plain and self._dialect != "sqlite"
                else "run the migrations",
                ", ".join(our.names),
                our.name,
            )

    def _without_tenant(self, unique: ReflectedUnique) -> Finding:
        names = [each for each in unique.columns if each is not None]
        wanted = ", ".join(map(self._quote, (*confining_columns(self._rule), *names)))
        name = None if unique.name is None else self._quote(unique.name)
        if name is None or self._dialect == "sqlite":
            fix = f"drop it in a migration; with the tenant it is UNIQUE ({wanted})"
        elif self._dialect in {"mysql", "mariadb"}:
            fix = self._alter(f"DROP INDEX {name}, ADD UNIQUE ({wanted})")
        elif unique.is_index:
            fix = f"DROP INDEX {name}; CREATE UNIQUE INDEX {name} ON {self._sql_name} ({wanted});"
        else:
            fix = self._alter(f"DROP CONSTRAINT {name}, ADD UNIQUE ({wanted})")
        return Finding(
            "database-unique-without-tenant",
            self._label,
            f"{', '.join(names) or 'An expression'} must be unique across all tenants in the "
            "database, but not in the models: a value that one tenant uses is unavailable to the "
            "others, and the error tells them that it exists.",
            fix,
            ", ".join(names) or None,
            unique.name,
        )

    def foreign_keys(self) -> Iterator[Finding]:
        expected: set[tuple[int, frozenset[tuple[str, str]]]] = set()
        there = {
            (id(self._found.table(each.schema, each.parent)), _pairs(each))
            for each in self._there.foreign_keys
        }
        for tie, _, has_tenant in tenant_references(self._table, self._metadata):
            parent = self._found.of(tie.parent)
            key = (id(parent), frozenset(zip(tie.columns, tie.parent_columns, strict=True)))
            expected.add(key)
            if parent is None or key in there:
                continue
            ours, theirs = (
                ", ".join(map(self._quote, each)) for each in (tie.columns, tie.parent_columns)
            )
            referred = self._sql_name_of(tie.parent)
            relied = (
                "It includes the tenant, and the guard relies on the database to enforce it."
                if has_tenant
                else "Dangling references may later point at another tenant's rows."
            )
            yield Finding(
                "database-foreign-key-missing",
                self._label,
                f"The foreign key of {', '.join(tie.columns)} to {table_label(tie.parent)} is "
                f"not in the database. {relied}",
                "run the migrations; SQLite cannot add one to an existing table"
                if self._dialect == "sqlite"
                else self._alter(f"ADD FOREIGN KEY ({ours}) REFERENCES {referred} ({theirs})"),
                ", ".join(tie.columns),
            )
        yield from self._unknown_foreign_keys(expected)

    def _unknown_foreign_keys(
        self, expected: set[tuple[int, frozenset[tuple[str, str]]]]
    ) -> Iterator[Finding]:
        declared = {
            id(found): (table, rule)
            for table in self._metadata.tables.values()
            if (rule := rule_of(table)) is not None and (found := self._found.of(table)) is not None
        }
        for each in self._there.foreign_keys:
            parent = id(self._found.table(each.schema, each.parent))
            if parent not in declared or (parent, _pairs(each)) in expected:
                continue
            table, rule = declared[parent]
            pairs = _pairs(each)
            if (
                isinstance(rule, ColumnOwnership)
                and isinstance(self._rule, ColumnOwnership)
                and (self._rule.column, rule.column) in pairs
            ):
                continue
            yield Finding(
                "database-foreign-key-unknown",
                self._label,
                f"The database has a foreign key from {', '.join(each.columns)} to "
                f"{table_label(table)} without the tenant, which the models do not have: the "
                "guard does not look it up.",
                self._drop_foreign_key(each),
                ", ".join(each.columns),
                each.name,
            )

    def _drop_foreign_key(self, each: ReflectedForeignKey) -> str:
        if each.name is None or self._dialect == "sqlite":
            return "add the foreign key to the models, or drop it in a migration"
        what = "FOREIGN KEY" if self._dialect in {"mysql", "mariadb"} else "CONSTRAINT"
        dropped = self._alter(f"DROP {what} {self._quote(each.name)}")
        return f"add it to the models, or: {dropped}"

    def _alter(self, what: str) -> str:
        return f"ALTER TABLE {self._sql_name} {what};"

    def _not_null(self, name: str) -> str:
        if self._dialect == "postgresql":
            return self._alter(f"ALTER COLUMN {self._quote(name)} SET NOT NULL")
        if self._dialect in {"mysql", "mariadb"}:
            type_ = self._there.columns[name]["type"]
            return self._alter(f"MODIFY {self._quote(name)} {type_} NOT NULL")
        return f"a migration that makes {name} NOT NULL"


def _pairs(foreign_key: ReflectedForeignKey) -> frozenset[tuple[str, str]]:
    # SQLite omits the referred columns if they are the primary key.
    return frozenset(zip(foreign_key.columns, foreign_key.parent_columns, strict=False))
