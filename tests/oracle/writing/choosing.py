"""Makes the choices of one write: what all kinds have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import (
    Table,
    TextClause,
    literal,
    literal_column,
)
from sqlalchemy.orm import Session

from .schema import ENTITIES, TABLES
from .sides import Write
from .spots import Place, Spot, bare_table_of, copy_of, key_for, spots_of
from .values import Values

__all__ = ["Statements", "attribute_of", "avoided_in", "labelled", "name_of", "string_key"]


class Statements(Values):
    """Makes the choices of one write.

    Attributes:
        is_loose: whether SQLAlchemy leaves out a part of it, which the guard writes.
    """

    is_loose = False

    # -- rows ----------------------------------------------------------------------

    def chosen(self, table: Table) -> list[Spot]:
        """Return the columns that an ``INSERT`` names; the tenant need not be among them."""
        chosen = []
        for spot in spots_of(table):
            if spot.kind == "key":
                likely = 100 if spot.column.name == "number" else self._likely_key()
            elif spot.kind == "tenant":
                likely = 45
            elif spot.kind == "computed":
                likely = 2
            else:
                likely = 97 if spot.is_needed else 55
            if self.chance(likely):
                chosen.append(spot)
        left_out = [each for each in spots_of(table) if each not in chosen]
        self.generates = self.generates or any(each.kind == "key" for each in left_out)
        return chosen or [spots_of(table)[0]]

    def _likely_key(self) -> int:
        return 96 if self.database == "mariadb" else 70

    def row(self, spots: list[Spot], place: Place) -> dict[Any, Any]:
        """Return the values of a row, by keys of every kind."""
        row = {self.key(spot): self.value(spot, place) for spot in spots}
        if self.chance(2):
            again = self.pick(spots)
            row[self.key(again)] = self.value(again, place)
        return row

    def key(self, spot: Spot) -> Any:
        return key_for(self, spot.column)

    def written(self, table: Table) -> Any:
        """Return a construct of the table that is written."""
        kinds: list[tuple[int, Any]] = [(60, table), (6, copy_of(table)), (4, bare_table_of(table))]
        if table in ENTITIES:
            kinds.append((30, ENTITIES[table]))
        return self.weighted(kinds)

    # -- executing -----------------------------------------------------------------

    def write(self, kind: str, made: Any, table: Table | None = None, **flags: Any) -> Write:
        """Return a write that executes a statement."""
        parameters = dict(self.parameters)
        returns = table is not None and self._may_return(kind) and self.chance(20)
        if table is not None and returns:
            made = made.returning(*(each.column for each in spots_of(table)))
        by_session = not parameters and self.chance(40)

        def run(session: Session, is_alone: bool) -> Any:
            target = session if by_session else session.connection()
            result: Any = target.execute(made, parameters) if parameters else target.execute(made)
            return result.all() if returns or made.is_select else result.rowcount

        return self._write(kind, run, **flags)

    def _write(self, kind: str, run: Callable[[Session, bool], Any], **flags: Any) -> Write:
        return Write(
            kind,
            run,
            collides=self.collides,
            generates=self.generates,
            is_loose=self.is_loose,
            **flags,
        )

    def _may_return(self, kind: str) -> bool:
        return self.database != "mariadb" or kind == "insert"


def string_key(made: Statements, spot: Spot) -> str:
    key = spot.column.key
    return made.weighted([(94, key), (3, spot.column.name), (3, key.upper())])


def attribute_of(entity: Any, spot: Spot) -> str:
    return str(entity.__mapper__.get_property_by_column(spot.column).key)


def labelled(value: Any, position: int, spot: Spot | None = None) -> Any:
    if isinstance(value, TextClause):
        value = literal_column(value.text)
    type_ = None if spot is None else spot.column.type
    column = value if hasattr(value, "_compiler_dispatch") else literal(value, type_)
    return column.label(f"v{position}")


def name_of(made: Statements, spot: Spot) -> Any:
    return made.weighted(
        [(60, spot.column.key), (34, spot.column), (4, spot.column.name), (2, made.key(spot))]
    )


def avoided_in(made: Statements, table: Table) -> frozenset[Table]:
    # Only PostgreSQL says that a subquery reads the table as it was before; the others may
    # see rows that were changed already.
    if made.database == "postgresql":
        return frozenset()
    return frozenset({table, *_changed_with(table)})


def _changed_with(table: Table) -> set[Table]:
    """Return the tables that the database itself changes with ``table``."""
    found = {table}
    while True:
        more = {
            each
            for each in TABLES
            for key in each.foreign_keys
            if key.column.table in found and (key.ondelete or key.onupdate)
        }
        if more <= found:
            return found
        found |= more
