"""The statements that somebody thought of, one function each."""

from __future__ import annotations

from . import (
    aggregates,
    core,
    ctes,
    inheritance,
    joins,
    loading,
    orm,
    setops,
    shared_rows,
    subqueries,
    tied,
    writes,
)
from .catalogue import CATALOGUE, Statement

__all__ = [
    "CATALOGUE",
    "Statement",
    "aggregates",
    "core",
    "ctes",
    "inheritance",
    "joins",
    "loading",
    "orm",
    "setops",
    "shared_rows",
    "subqueries",
    "tied",
    "writes",
]
