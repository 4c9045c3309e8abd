"""Rows of two tenants for every table, in the order of the foreign keys."""

from __future__ import annotations

from typing import Any, Final, Literal, TypeAlias

from sqlalchemy import Column, ForeignKeyConstraint, MetaData, Table, insert, select
from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError

from tenantshield_mw.context import system_scope
from tenantshield_mw.tenant import TenantId

from ..doctor.declarations import rule_of
from ..errors import ConfigurationError
from ..ownership.model import ColumnOwnership
from ..snapshots import foreign_keys_of
from .values import CannotMakeError, Values

__all__ = ["MINE", "REASON", "THEIRS", "Row", "Rows", "Side"]

Row: TypeAlias = dict[str, Any]
"""A row, by the keys of its columns."""

Side: TypeAlias = Literal[0, 1]

MINE: Final = 0
THEIRS: Final = 1
REASON: Final = "tenantshield-mw prove"

_FIRST: Final = (10_001, 20_001)
"""The first numbers of the two tenants' rows: what is whose can be told by looking at it."""


class Rows:
    """The rows of both tenants.

    Args:
        metadata: the tables.

    Attributes:
        metadata: the tables.
        tenants: the identifiers of the two.
        made: the rows of each table that could be filled, by side.
        failed: why others could not.

    Raises:
        ConfigurationError: there is no tenant column, or they have several types.
    """

    def __init__(self, metadata: MetaData) -> None:
        self.metadata = metadata
        self.made: dict[Table, tuple[list[Row], list[Row]]] = {}
        self.failed: dict[Table, str] = {}
        self._makers = (Values(_FIRST[MINE]), Values(_FIRST[THEIRS]))
        self._owned = [
            rule
            for table in metadata.sorted_tables
            if isinstance(rule := rule_of(table), ColumnOwnership)
        ]
        self.tenants = self._identifiers()
        # What tenant columns refer to has the identifiers as its keys.
        self._identified = {
            key.column for rule in self._owned for key in rule.table.c[rule.key].foreign_keys
        }

    def _identifiers(self) -> tuple[TenantId, TenantId]:
        kinds = {rule.python_type for rule in self._owned}
        if len(kinds) != 1:
            found = ", ".join(sorted(each.__name__ for each in kinds)) or "none"
            raise ConfigurationError(
                f"the command needs tenant columns of one type, and their types are: {found}"
            )
        column = self._owned[0].table.c[self._owned[0].key]
        values: Any = tuple(Values(first).of(column) for first in _FIRST)
        mine, theirs = values
        return mine, theirs

    def fill(self, connection: Connection) -> None:
        """Insert two rows of each tenant into each table."""
        with system_scope(REASON):
            for table in self.metadata.sorted_tables:
                try:
                    self.made[table] = (
                        self._filled(connection, table, MINE),
                        self._filled(connection, table, THEIRS),
                    )
                except CannotMakeError as error:
                    self.failed[table] = str(error)
                except SQLAlchemyError as error:
                    self.failed[table] = f"{type(error).__name__}: {getattr(error, 'orig', error)}"

    def _filled(self, connection: Connection, table: Table, side: Side) -> list[Row]:
        keys = [*table.primary_key]
        is_one = any(column in self._identified for column in table.c)
        found = []
        for number in range(1 if is_one else 2):
            row = self.new(table, side, number)
            with connection.begin_nested():
                connection.execute(insert(table).values(row))
            stored = select(table).where(
                *(each == row[each.key] for each in keys if each.key in row)
            )
            # By position: two columns may have the same name in a result.
            values = connection.execute(stored).one()
            found.append(dict(zip(table.c.keys(), values, strict=True)))
        return found

    def new(self, table: Table, side: Side, number: int = 0) -> Row:
        """Return a new row of a tenant, which refers to its row ``number`` of other tables.

        Raises:
            CannotMakeError: a column has a type of which there is no value.
        """
        row = {
            column.key: self._value(table, column, side)
            for column in table.c
            if column.computed is None and not self._may_be_left_out(column)
        }
        for constraint in foreign_keys_of(table):
            row |= self._reference(constraint, side, number)
        rule = rule_of(table)
        if isinstance(rule, ColumnOwnership):
            row[rule.key] = self.tenants[side]
        return row

    def _value(self, table: Table, column: Column[Any], side: Side) -> Any:
        return self.tenants[side] if column in self._identified else self._makers[side].of(column)

    def _may_be_left_out(self, column: Column[Any]) -> bool:
        if column.primary_key or column in self._identified:
            return False
        try:
            self._makers[0].of(column)
        except CannotMakeError:
            return bool(column.nullable or column.default or column.server_default)
        return False

    def _reference(self, constraint: ForeignKeyConstraint, side: Side, number: int) -> Row:
        parent = constraint.referred_table
        rows = self.made.get(parent)
        columns = [element.parent for element in constraint.elements]
        if rows is None:
            # Its own table, or one that refers back.
            return {column.key: None for column in columns if column.nullable}
        referred = rows[side][number % len(rows[side])]
        return {element.parent.key: referred[element.column.key] for element in constraint.elements}
