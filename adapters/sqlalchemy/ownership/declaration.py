"""What can be declared of a table, and whether two declarations of one table agree."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias
from weakref import ReferenceType, ref

from sqlalchemy import MetaData, Table

from ..errors import ConfigurationError
from .forms import are_sent_in_one_way
from .model import ColumnOwnership, ParentOwnership, TableKey, table_label

__all__ = ["Declaration", "Shared", "Through", "agree", "refuse_shared_and_tied", "said_by"]


@dataclass(frozen=True, slots=True)
class Shared:
    """The table is the same for all tenants, on purpose."""

    table: Table
    elsewhere: tuple[ReferenceType[MetaData], ...] = ()
    """Further MetaData in which the table of this name was declared so."""

    def says(self, metadata: MetaData) -> bool:
        """Return whether the table of ``metadata`` was declared so."""
        return self.table.metadata is metadata or any(each() is metadata for each in self.elsewhere)

    def after(self, earlier: Declaration | None) -> Shared:
        """Return this declaration, and what an earlier one said of other MetaData."""
        if not isinstance(earlier, Shared):
            return self
        before = (*earlier.elsewhere, ref(earlier.table.metadata))
        return Shared(self.table, tuple(each for each in before if each() is not None))


@dataclass(frozen=True, slots=True)
class Through:
    """The table was declared to belong to a tenant through the named parent."""

    table: Table
    parent: str


Declaration: TypeAlias = ColumnOwnership | Through | Shared


def agree(earlier: Declaration, later: Declaration) -> bool:
    """Return whether two declarations of one table say the same."""
    match earlier, later:
        case ColumnOwnership(), ColumnOwnership():
            return (
                earlier.column == later.column
                and earlier.python_type is later.python_type
                and earlier.shared_rows == later.shared_rows
                # Otherwise the rows that one of them writes are another tenant's to the other.
                and are_sent_in_one_way(earlier.type_, later.type_)
            )
        case Through(), Through():
            return earlier.parent == later.parent
        case Shared(), Shared():
            return True
        case _:
            return False


def said_by(declaration: Declaration) -> str:
    """Return what a declaration says, for an error's message."""
    match declaration:
        case ColumnOwnership(table, column, type_=type_):
            return f"{_columns(table)} as tenant-aware by {column}, a {type_!r}"
        case Through(table, parent):
            return f"{_columns(table)} as tenant-aware through {parent}"
        case Shared(table):
            return f"{_columns(table)} as shared across tenants"


def refuse_shared_and_tied(
    declared: Mapping[TableKey, Declaration],
    definitions: Mapping[TableKey, Iterable[Table]],
    tie_of: Callable[[Table], ParentOwnership | None],
) -> None:
    """Refuse a table that one ``MetaData`` declares as shared, and another one's foreign keys tie.

    Args:
        declared: what was declared.
        definitions: every object for each of the known tables.
        tie_of: returns how a table's foreign keys tie it to tenant-aware tables, if they do.

    Raises:
        ConfigurationError: there is one.
    """
    for key, declaration in declared.items():
        if not isinstance(declaration, Shared):
            continue
        for table in definitions[key]:
            tie = None if declaration.says(table.metadata) else tie_of(table)
            if tie is not None:
                raise ConfigurationError(
                    f"{table_label(table)} is declared twice and differently: "
                    f"{said_by(declaration)}, and {_columns(table)} of another MetaData is tied to "
                    f"{table_label(tie.parent_keys[0].parent)} by a foreign key: mark both with "
                    "@shared_across_tenants, or neither"
                )


def _columns(table: Table) -> str:
    return f"{table_label(table)}({', '.join(each.name for each in table.columns)})"
