"""The mutants of the guard, by the room that they are in."""

from __future__ import annotations

from typing import Final

from ..mutant import Mutant
from . import (
    compiler_reads,
    compiler_writes,
    conversions,
    execution,
    observe,
    orm,
    ownership,
    raw_sql,
)

__all__ = ["MUTANTS"]

MUTANTS: Final[tuple[Mutant, ...]] = (
    *compiler_reads.MUTANTS,
    *compiler_writes.MUTANTS,
    *conversions.MUTANTS,
    *raw_sql.MUTANTS,
    *orm.MUTANTS,
    *execution.MUTANTS,
    *ownership.MUTANTS,
    *observe.MUTANTS,
)
