"""Add a tenant column to a table while an application runs."""

from __future__ import annotations

from sqlalchemy import Engine

from tests.adapters.sqlalchemy.alembic.project import written_out
from tests.databases import Database

from .stepping import FINISHED, STEPS, is_filled, migrate, shape, statements


def test_the_steps_make_a_table_tenant_aware(db: Database, engine: Engine) -> None:
    migrate(engine, *STEPS)
    assert shape(db) == FINISHED
    assert is_filled(db)


def test_each_step_can_be_run_again(db: Database, engine: Engine) -> None:
    migrate(engine, *STEPS)
    migrate(engine, *STEPS)
    assert shape(db) == FINISHED
    assert is_filled(db)


def test_what_is_written_out_does_the_same(db: Database, engine: Engine) -> None:
    for step in STEPS:
        # As psql does: one statement at a time.
        for statement in statements(written_out(step)):
            db.run(statement)
    assert shape(db) == FINISHED
    assert is_filled(db)
