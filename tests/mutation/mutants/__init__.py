"""The mutants of the guard, by the room that they are in."""

from __future__ import annotations

from typing import Final

from ..mutant import Mutant
from . import (
    compiler_reads,
    compiler_writes,
    constants,
    conversions,
    declarations,
    execution,
    forking,
    jobs,
    key_types,
    limits,
    observe,
    orm,
    ownership,
    pipelines,
    placements,
    provisioning,
    raw_sql,
    uses,
)

__all__ = ["MUTANTS"]

MUTANTS: Final[tuple[Mutant, ...]] = (
    *compiler_reads.MUTANTS,
    *compiler_writes.MUTANTS,
    *constants.MUTANTS,
    *conversions.MUTANTS,
    *key_types.MUTANTS,
    *raw_sql.MUTANTS,
    *orm.MUTANTS,
    *execution.MUTANTS,
    *uses.MUTANTS,
    *forking.MUTANTS,
    *ownership.MUTANTS,
    *limits.MUTANTS,
    *declarations.MUTANTS,
    *pipelines.MUTANTS,
    *placements.MUTANTS,
    *provisioning.MUTANTS,
    *jobs.MUTANTS,
    *observe.MUTANTS,
)
