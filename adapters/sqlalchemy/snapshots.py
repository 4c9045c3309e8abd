"""What SQLAlchemy's collections hold at one moment.

Another thread may be declaring tables and classes meanwhile. Python fails if a set or a dict
changes while it is iterated over, so it is copied first, in one step of the interpreter; and what
is there only in part is left out.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ForeignKeyConstraint, Table
from sqlalchemy.orm import Mapper, registry
from sqlalchemy.sql.base import DialectKWArgs

__all__ = ["foreign_keys_of", "mappers_of", "values_of_option"]


def mappers_of(base: registry) -> list[Mapper[Any]]:
    """Return the mappers of ``base`` that are there completely.

    ``base.mappers`` fails as long as a class is registered and not mapped, which with
    ``DeferredReflection`` it is until it is prepared.
    """
    # private: the managers of the classes, in a dict with weak keys.
    managers = [reference() for reference in base._managers.keyrefs()]
    mappers = [vars(each).get("mapper") for each in managers if each is not None]
    # The primary key is the last that a mapper finds out about its tables.
    return [each for each in mappers if each is not None and "primary_key" in vars(each)]


def foreign_keys_of(table: Table) -> set[ForeignKeyConstraint]:
    """Return the same as ``table.foreign_key_constraints``, as far as they have their columns.

    SQLAlchemy tells of a column's own foreign key when it is among the constraints, and adds it to
    ``table.foreign_keys`` only then: what was derived in between would never be derived again.
    """
    found: set[Any] = {each.constraint for each in list(table.foreign_keys)}
    found |= {each for each in list(table.constraints) if isinstance(each, ForeignKeyConstraint)}
    return {each for each in found if each is not None and _has_columns(each)}


def _has_columns(constraint: ForeignKeyConstraint) -> bool:
    elements = list(constraint.elements)
    return bool(elements) and all(getattr(each, "parent", None) is not None for each in elements)


def values_of_option(item: DialectKWArgs, name: str) -> list[Any]:
    """Return what ``item`` was given for an option of dialects, by any of them.

    Args:
        item: a table, an index or a constraint.
        name: the option without the dialect's name, such as ``where`` for ``postgresql_where``.
    """
    # Another thread adds the options of a dialect when it renders DDL for it.
    found = [options.get(name) for options in list(item.dialect_options.values())]
    return [each for each in found if each is not None]
