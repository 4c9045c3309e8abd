"""Steps give way to an application that writes, and hold no lock for long."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from tenantshield_mw import ConfigurationError
from tenantshield_mw.adapters.sqlalchemy.alembic import execution
from tests.adapters.sqlalchemy.alembic.project import operations, written_out
from tests.databases import Database

from .stepping import (
    FINISHED,
    STEPS,
    Act,
    add,
    fill,
    foreign_key,
    locks,
    migrate,
    require,
    shape,
    statements,
    unique,
    waiting_for,
    write_beside,
    writer,
)

LOCKING: list[tuple[Act, list[Act]]] = [
    (add, []),
    (require, [add, fill]),
    (unique, []),
    (foreign_key, [add, fill, unique]),
]


@pytest.mark.parametrize(
    ("step", "earlier"), LOCKING, ids=lambda each: getattr(each, "__name__", "")
)
def test_a_step_that_needs_a_lock_gives_way_and_tries_again(
    db: Database,
    engine: Engine,
    step: Act,
    earlier: list[Act],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    migrate(engine, *earlier)
    gave_way: list[bool] = []
    with writer(db) as other:

        def pause(seconds: float) -> None:
            # The step has just timed out. The transactions queued behind it write now.
            assert other.info.transaction_status.name == "INTRANS"
            write_beside(db)
            gave_way.append(True)
            if len(gave_way) == 2:
                other.execute("COMMIT")

        monkeypatch.setattr("time.sleep", pause)
        if step is unique:
            # It first waits for the end of the transaction, without a lock that blocks others.
            unblock = threading.Thread(target=commit_when_waited_for, args=(db, other))
            unblock.start()
            migrate(engine, step)
            unblock.join()
        else:
            migrate(engine, step)
            assert gave_way == [True, True]
    migrate(engine, *STEPS)
    assert shape(db) == FINISHED


def commit_when_waited_for(db: Database, other: Any) -> None:
    while not waiting_for(db, other.info.backend_pid):
        pass
    write_beside(db)
    other.execute("COMMIT")


def test_a_lock_that_cannot_be_acquired_leaves_everything_unchanged(
    db: Database, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execution, "ATTEMPTS", 2)
    before = shape(db)
    with writer(db), pytest.raises(DBAPIError, match="lock timeout"):
        migrate(engine, add)
    write_beside(db)
    assert shape(db) == before


def test_another_error_is_not_retried(db: Database, engine: Engine) -> None:
    with pytest.raises(DBAPIError, match="does not exist"):
        migrate(engine, lambda op: op.add_tenant_column("nowhere"))


def test_the_long_statements_hold_no_lock_that_keeps_writers_out(
    db: Database, engine: Engine
) -> None:
    """Each statement alone, in a transaction that shows its locks."""
    harmless = {"ShareUpdateExclusiveLock", "RowShareLock", "RowExclusiveLock", "AccessShareLock"}
    seen: list[str] = []
    for step in STEPS:
        for statement in statements(written_out(step)):
            if "VALIDATE CONSTRAINT" in statement:
                with db.dbapi() as connection:
                    connection.execute("BEGIN")
                    connection.execute(statement)
                    held = locks(db, connection.info.backend_pid, granted=True)
                    assert held
                    assert set(held) <= harmless
                    connection.execute("COMMIT")
                    seen.append(statement)
            else:
                db.run(statement)
    assert len(seen) == 2
    assert shape(db) == FINISHED


@pytest.mark.parametrize("step", STEPS)
def test_in_an_outer_transaction_it_is_an_error(engine: Engine, step: Act) -> None:
    with (
        engine.begin() as connection,
        operations(connection) as op,
        pytest.raises(ConfigurationError, match="open transaction"),
    ):
        step(op)


@pytest.mark.parametrize("step", STEPS)
def test_on_another_database_it_is_an_error(step: Act) -> None:
    with pytest.raises(ConfigurationError, match="this operation requires PostgreSQL"):
        written_out(step, "sqlite")
