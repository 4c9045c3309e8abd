"""What a way is tried on: one table, with a row of one's own and one of the other tenant's."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    ForeignKeyConstraint,
    Table,
    UniqueConstraint,
    and_,
)
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Mapper, Session, configure_mappers, make_transient_to_detached

from ..doctor.declarations import rule_of
from ..ownership.model import ColumnOwnership
from ..snapshots import foreign_keys_of
from .rows import MINE, THEIRS, Row, Rows

__all__ = ["NotApplicableError", "Target"]


class NotApplicableError(Exception):
    """The table has nothing to try this way on."""


@dataclass(frozen=True)
class Target:
    """A table, and a connection in a transaction that is rolled back afterwards.

    Attributes:
        table: the table.
        mapper: the mapper of a class for it, if there is one.
        rows: the rows of both tenants.
        connection: the connection.
        session: a session on it.
    """

    table: Table
    mapper: Mapper[Any] | None
    rows: Rows
    connection: Connection
    session: Session

    @property
    def mine(self) -> Row:
        """One's own row."""
        return self.rows.made[self.table][MINE][0]

    @property
    def theirs(self) -> Row:
        """The other tenant's row."""
        return self.rows.made[self.table][THEIRS][0]

    def new(self) -> Row:
        """Return values for a new row of one's own."""
        return self.rows.new(self.table, MINE)

    def is_row(self, row: Row) -> ColumnElement[bool]:
        """Return the condition that a row has the key of ``row``."""
        if not [*self.table.primary_key]:
            raise NotApplicableError
        return and_(*(column == row[column.key] for column in self.table.primary_key))

    def key_of(self, row: Row) -> tuple[Any, ...]:
        """Return the primary key of ``row``."""
        return tuple(row[column.key] for column in self.table.primary_key)

    @property
    def tenant_column(self) -> Column[Any]:
        """The column that holds the tenant."""
        rule = rule_of(self.table)
        if not isinstance(rule, ColumnOwnership):
            raise NotApplicableError
        return self.table.c[rule.key]

    @property
    def plain(self) -> Column[Any]:
        """A column that can be changed: no key, not the tenant, and best not unique."""
        rule = rule_of(self.table)
        tenant = rule.key if isinstance(rule, ColumnOwnership) else None
        found = [
            column
            for column in self.table.c
            if not (column.primary_key or column.foreign_keys or column.key == tenant)
            and column.computed is None
            and self.theirs[column.key] != self.new().get(column.key)
        ]
        if not found:
            raise NotApplicableError
        unique = _unique_columns(self.table)
        return next((column for column in found if column not in unique), found[0])

    @property
    def references(self) -> list[ForeignKeyConstraint]:
        """The foreign keys to tables that hold tenants' rows."""
        return [
            each
            for each in sorted(foreign_keys_of(self.table), key=lambda key: tuple(key.column_keys))
            if rule_of(each.referred_table) is not None and each.referred_table in self.rows.made
        ]

    def to_theirs(self, constraint: ForeignKeyConstraint) -> Row:
        """Return the values of a foreign key that refer to the other tenant's row."""
        row = self.rows.made[constraint.referred_table][THEIRS][0]
        rule = rule_of(self.table)
        tenant = rule.key if isinstance(rule, ColumnOwnership) else None
        values = {
            element.parent.key: row[element.column.key]
            for element in constraint.elements
            if element.parent.key != tenant
        }
        if not values:
            # The tenant column itself, which other ways try.
            raise NotApplicableError
        return values

    # -- for the ORM ---------------------------------------------------------------

    @property
    def model(self) -> Any:
        """The mapped class."""
        if self.mapper is None:
            raise NotApplicableError
        return self.mapper.class_

    def attributes(self, row: Row) -> dict[str, Any]:
        """Return the values of ``row`` by the names of the class's attributes."""
        if self.mapper is None:
            raise NotApplicableError
        return {
            self.mapper.get_property_by_column(self.table.c[name]).key: value
            for name, value in row.items()
            if self.mapper.columns.contains_column(self.table.c[name])
        }

    def object(self, row: Row) -> Any:
        """Return an object with the values of ``row``."""
        # Its attributes cannot be set before.
        configure_mappers()
        made = self.model.__new__(self.model)
        # Not its own __init__, which may want anything.
        state: Any = self.mapper
        state.class_manager.setup_instance(made)
        for name, value in self.attributes(row).items():
            setattr(made, name, value)
        return made

    def detached(self, row: Row) -> Any:
        """Return an object that looks as if it had been loaded."""
        key = {column.key: row[column.key] for column in self.table.primary_key}
        made = self.object(key)
        make_transient_to_detached(made)
        return made

    def values_of(self, objects: Iterable[Any]) -> list[Any]:
        """Return the values of the columns of objects, apart from their keys."""
        if self.mapper is None:
            raise NotApplicableError
        names = [
            self.mapper.get_property_by_column(column).key
            for column in self.table.c
            if self.mapper.columns.contains_column(column) and not column.primary_key
        ]
        return [getattr(each, name) for each in objects if each is not None for name in names]

    def changed(self) -> Row:
        """Return another value for a column that can be changed."""
        column = self.plain
        return {column.key: self.new()[column.key]}


def _unique_columns(table: Table) -> set[Column[Any]]:
    together: list[Any] = [
        *(each for each in list(table.constraints) if isinstance(each, UniqueConstraint)),
        *(each for each in list(table.indexes) if each.unique),
    ]
    return {column for each in together for column in each.columns}
