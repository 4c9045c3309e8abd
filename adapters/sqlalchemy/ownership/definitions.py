"""What all objects for one table say of it together.

Several ``MetaData`` may have a table each for one of the database's, a reflected one perhaps, and
differ in what its columns hold. The database has one of them, so the narrowest is assumed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from sqlalchemy import Table

from .limits import accepted_by_all
from .model import ColumnOwnership, Reference, table_key
from .narrowing import Fits, all_fit, fits_of

__all__ = ["all_of", "fits_in_all", "limited_by_all"]


def limited_by_all(ownership: ColumnOwnership, tables: Iterable[Table]) -> ColumnOwnership:
    """Return ``ownership`` with the limits that all its table's objects set a tenant id."""
    types = [
        each.type
        for table in tables
        for each in table.columns
        if each.name == ownership.column and each.type is not ownership.type_
    ]
    if not types:
        return ownership
    accepts = accepted_by_all(ownership.type_, ownership.accepts, types)
    return replace(ownership, accepts=accepts)


def fits_in_all(
    table: Table, columns: Iterable[str], parents: list[Table], parent_columns: Iterable[str]
) -> tuple[Fits | None, ...]:
    """Return for each column of a foreign key the check of ``fits_of()``.

    Args:
        table: the table that has the foreign key.
        columns: the names of its columns.
        parents: every object for the table that it refers to.
        parent_columns: the names of the columns that it refers to.
    """
    own = {each.name: each.type for each in table.columns}
    # Another MetaData may have other types for both, such as a CHAR where this one has a Uuid.
    near = [each for each in parents if each.metadata is table.metadata] or parents
    return tuple(
        all_fit(
            fits_of(own[name], each.type)
            for parent in near
            for each in parent.columns
            if each.name == referred
        )
        for name, referred in zip(columns, parent_columns, strict=True)
    )


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
        made_by_database=one.made_by_database | other.made_by_database,
        is_computed=one.is_computed or other.is_computed,
        # None: it is looked up on every database.
        folded=one.folded if one.folded is other.folded else None,
        fits=tuple(map(all_fit, zip(one.fits, other.fits, strict=True))),
        not_null=one.not_null | other.not_null,
        numbered=one.numbered | other.numbered,
    )
