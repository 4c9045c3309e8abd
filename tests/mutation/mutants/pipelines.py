"""Mutants of psycopg's pipeline mode."""

from __future__ import annotations

from typing import Final

from ..mutant import TESTS, Mutant

__all__ = ["MUTANTS"]

_PIPELINES: Final = f"{TESTS}/rls/test_pipelines.py"

MUTANTS: Final = (
    Mutant(
        "pipeline",
        "A transaction begins in psycopg's pipeline mode.",
        "    if connection.pgconn.pipeline_status != PipelineStatus.OFF:",
        "    if False:",
        (f"{_PIPELINES}::test_a_transaction_does_not_begin_in_it",),
    ),
    Mutant(
        "pipeline-async",
        "A transaction of an async engine begins in psycopg's pipeline mode.",
        "        encoding = _checked_encoding(connection)\n        async with",
        "        encoding = connection.info.encoding\n        async with",
        (f"{_PIPELINES}::test_it_is_refused_by_an_async_engine_as_well",),
    ),
    Mutant(
        "pipeline-lookup",
        (
            "A foreign key that cannot be looked up in pipeline mode fails with an error "
            "of SQLAlchemy's."
        ),
        "    except ResourceClosedError:\n        raise ConfigurationError(",
        "    except NotImplementedError:\n        raise ConfigurationError(",
        (f"{_PIPELINES}::test_a_foreign_key_that_cannot_be_looked_up_in_it_is_refused",),
    ),
)
