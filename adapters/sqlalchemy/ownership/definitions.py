"""What all objects for one table say of it together.

Several ``MetaData`` may have a table each for one of the database's, a reflected one perhaps, and
differ in what its columns hold. The database has one of them, so the narrowest is assumed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from typing import Any

from sqlalchemy import Column, Table
from sqlalchemy.types import NullType

from .derivation import is_made_by_database, is_not_null, is_numbered
from .limits import accepted_by_all
from .model import ColumnOwnership, Reference, table_key
from .narrowing import Fits, all_fit, fits_of

__all__ = ["all_of", "limited_by_all", "with_facts"]


def limited_by_all(ownership: ColumnOwnership, tables: Iterable[Table]) -> ColumnOwnership:
    """Return ``ownership`` with the limits that all its table's objects set a tenant id."""
    columns = _named(ownership.column, tables)
    types = [each.type for each in columns if each.type is not ownership.type_]
    if not types:
        return ownership
    accepts = accepted_by_all(ownership.type_, ownership.accepts, types)
    return replace(ownership, accepts=accepts, others=tuple(types))


def with_facts(
    reference: Reference, tables: Collection[Table], parents: Collection[Table]
) -> Reference:
    """Return ``reference`` with what is known of its columns.

    Args:
        reference: a foreign key.
        tables: every object for the table that has it, some of them without it.
        parents: every object for the table that it refers to.
    """
    found = [each for name in reference.columns for each in _named(name, tables)]
    names = zip(reference.columns, reference.parent_columns, strict=True)
    return replace(
        reference,
        made_by_database=frozenset(each.name for each in found if is_made_by_database(each)),
        is_computed=any(each.computed is not None for each in found),
        not_null=frozenset(each.name for each in found if is_not_null(each)),
        numbered=frozenset(each.name for each in found if is_numbered(each)),
        fits=tuple(_fits(_named(name, tables), _named(other, parents)) for name, other in names),
    )


def _fits(columns: list[Column[Any]], referred: list[Column[Any]]) -> Fits | None:
    near: dict[int, list[Column[Any]]] = {}
    for each in referred:
        near.setdefault(id(each.table.metadata), []).append(each)
    return all_fit(
        fits_of(own.type, other.type)
        for own in columns
        # Another MetaData may have other types for both, such as a CHAR and not a Uuid.
        for other in near.get(id(own.table.metadata), referred)
    )


def _named(name: str, tables: Iterable[Table]) -> list[Column[Any]]:
    # Some databases do not tell cases apart.
    same = name.casefold()
    found = [each for table in tables for each in table.columns if each.name.casefold() == same]
    # Of a table that is there in part, as Alembic makes it, a column may have no type.
    return [each for each in found if not isinstance(each.type, NullType)] or found


def all_of(references: Iterable[Reference]) -> list[Reference]:
    """Return each foreign key of a table once, of those that its objects have."""
    found: dict[Any, Reference] = {}
    for each in references:
        same = (each.columns, table_key(each.parent), each.parent_columns)
        found[same] = _both(found[same], each) if same in found else each
    return list(found.values())


def _both(one: Reference, other: Reference) -> Reference:
    return replace(
        one,
        owns=one.owns or other.owns,
        to_own_rows=one.to_own_rows or other.to_own_rows,
        # None: it is looked up on every database.
        folded=one.folded if one.folded is other.folded else None,
    )
