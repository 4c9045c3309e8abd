"""Hypothesis strategies that compose writes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from hypothesis import strategies as st
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from tests.databases import NAMES, DatabaseName

from .changes import (
    write_cte,
    write_delete,
    write_delete_using,
    write_orm_update,
    write_update,
    write_update_from,
    write_update_many,
)
from .choosing import Statements
from .inserts import (
    write_executemany,
    write_insert,
    write_insert_many,
    write_insert_select,
    write_orm_insert,
    write_upsert,
)
from .sides import Write

__all__ = ["KINDS", "writes", "writes_of"]

Make = Callable[["Statements"], Write]

KINDS: Final[dict[str, tuple[int, Make, frozenset[DatabaseName]]]] = {
    name: (weight, make, frozenset[Any](only or NAMES))
    for name, weight, make, only in (
        ("insert", 14, write_insert, ()),
        ("insert many values", 8, write_insert_many, ()),
        ("insert executemany", 6, write_executemany, ()),
        ("orm insert", 5, write_orm_insert, ()),
        ("insert from select", 10, write_insert_select, ()),
        ("upsert", 20, write_upsert, ()),
        ("update", 16, write_update, ()),
        ("update executemany", 5, write_update_many, ()),
        ("orm update", 4, write_orm_update, ()),
        ("update from", 10, write_update_from, ()),
        ("delete", 10, write_delete, ()),
        ("delete using", 5, write_delete_using, ("postgresql", "mariadb")),
        ("writing cte", 8, write_cte, ("postgresql",)),
    )
}


@st.composite
def writes_of(draw: Any, database: DatabaseName, kind: str) -> Write:
    """Writes of one kind."""
    return _composed(Statements(draw, database), kind)


@st.composite
def writes(draw: Any, database: DatabaseName) -> Write:
    """Writes of every kind."""
    made = Statements(draw, database)
    offered = [(weight, name) for name, (weight, _, only) in KINDS.items() if database in only]
    return _composed(made, made.weighted(offered))


def _composed(made: Statements, kind: str) -> Write:
    try:
        return KINDS[kind][1](made)
    except SQLAlchemyError as found:
        error = found

    def run(session: Session, is_alone: bool) -> Any:
        raise error

    return Write(kind, run)
