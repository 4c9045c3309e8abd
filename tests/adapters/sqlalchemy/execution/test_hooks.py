"""What a connection sends is checked, before a listener could execute it."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import pytest
from sqlalchemy import (
    Column,
    Engine,
    Integer,
    MetaData,
    Table,
    event,
    insert,
    literal,
    select,
    text,
)

from tenantshield_mw import (
    CrossTenantAccessError,
    UnguardedStatementError,
    atenant_scope,
    system_scope,
    tenant_scope,
)
from tests.adapters.sqlalchemy.letters import METADATA, PAGE
from tests.adapters.sqlalchemy.watching import rows, sent
from tests.databases import memory_async_engine

# -- driver SQL ------------------------------------------------------------------


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM inst_letter",
        'select body from "INST_LETTER"',
        "DELETE FROM main.inst_letter",
        "SELECT 1 FROM inst_stamp /* */, inst_letter",
        "PRAGMA table_info(inst_stamp); SELECT * FROM inst_letter",
        "EXPLAIN SELECT * FROM inst_letter",
    ],
)
@pytest.mark.parametrize("scoped", [True, False])
def test_driver_sql_that_names_the_table_is_refused(engine: Engine, sql: str, scoped: bool) -> None:
    with engine.begin() as connection, sent(engine) as statements:
        for _ in range(2):
            with (
                tenant_scope("acme") if scoped else nullcontext(),
                pytest.raises(UnguardedStatementError, match=r"inst_letter.*execution_options"),
            ):
                connection.exec_driver_sql(sql)
        with pytest.raises(UnguardedStatementError):
            connection.exec_driver_sql("DELETE FROM inst_letter WHERE id = ?", [(1,), (2,)])
    assert statements == []
    assert len(rows(engine, "SELECT * FROM inst_letter")) == 2


def test_driver_sql_on_shared_tables_and_about_tables_runs(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO inst_stamp VALUES (?)", [(5,), (6,)])
        assert connection.exec_driver_sql("SELECT count(*) FROM inst_stamp").scalar() == 3
        assert connection.exec_driver_sql("PRAGMA table_info('inst_letter')").all()


def test_driver_sql_in_the_system_scope_sees_everything(engine: Engine) -> None:
    with system_scope("a look by hand"), engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM inst_letter").scalar() == 2


async def test_driver_sql_through_async_is_refused() -> None:
    engine = memory_async_engine()
    async with engine.begin() as connection:
        await connection.run_sync(METADATA.create_all)
        async with atenant_scope("acme"):
            with pytest.raises(UnguardedStatementError):
                await connection.exec_driver_sql("SELECT * FROM inst_letter")
            with pytest.raises(UnguardedStatementError):
                await connection.stream(text("SELECT * FROM inst_letter"))
    await engine.dispose()


# -- listeners that execute statements themselves ---------------------------------


def executing(engine: Engine) -> list[str]:
    """Let listeners execute everything that is sent to ``engine``, and return the list of it."""
    executed: list[str] = []

    @event.listens_for(engine, "do_execute")
    def one(cursor: Any, statement: str, parameters: Any, context: Any) -> bool:
        executed.append(statement)
        cursor.execute(statement, parameters)
        return True

    @event.listens_for(engine, "do_executemany")
    def many(cursor: Any, statement: str, parameters: Any, context: Any) -> bool:
        executed.append(statement)
        cursor.executemany(statement, parameters)
        return True

    @event.listens_for(engine, "do_execute_no_params")
    def none(cursor: Any, statement: str, context: Any) -> bool:
        executed.append(statement)
        cursor.execute(statement)
        return True

    return executed


@pytest.mark.parametrize("options", [{}, {"no_parameters": True}], ids=["", "no_parameters"])
def test_driver_sql_is_checked_before_a_listener_executes_it(
    engine: Engine, options: dict[str, Any]
) -> None:
    executed = executing(engine)
    with (
        tenant_scope("acme"),
        engine.connect() as connection,
        pytest.raises(UnguardedStatementError, match="inst_letter"),
    ):
        connection.exec_driver_sql("SELECT body FROM inst_letter", execution_options=options)
    assert not [each for each in executed if "inst_letter" in each]


def test_driver_sql_on_many_rows_is_checked_before_a_listener_executes_it(
    engine: Engine,
) -> None:
    executed = executing(engine)
    with (
        tenant_scope("acme"),
        engine.connect() as connection,
        pytest.raises(UnguardedStatementError, match="inst_letter"),
    ):
        connection.exec_driver_sql("DELETE FROM inst_letter WHERE id = ?", [(1,), (2,)])
    assert not [each for each in executed if "inst_letter" in each]


@pytest.mark.parametrize(
    ("statement", "parameters"),
    [
        (insert(PAGE).values(id=1, letter_id=2), None),
        (insert(PAGE), [{"id": 1, "letter_id": 1}, {"id": 2, "letter_id": 2}]),
        (insert(PAGE).returning(PAGE.c.id), [{"letter_id": 1}, {"letter_id": 2}]),
    ],
    ids=["one row", "executemany", "insertmanyvalues"],
)
def test_foreign_keys_are_looked_up_before_a_listener_executes_the_statement(
    engine: Engine, statement: Any, parameters: Any
) -> None:
    executed = executing(engine)
    with (
        tenant_scope("acme"),
        engine.connect() as connection,
        pytest.raises(CrossTenantAccessError, match=r"inst_page \(letter_id\)"),
    ):
        connection.execute(statement, parameters)
    assert not [each for each in executed if "INSERT" in each]


def test_foreign_keys_are_looked_up_though_a_default_is_executed_beforehand(
    engine: Engine,
) -> None:
    executed = executing(engine)
    sheet = Table(
        "inst_page",
        MetaData(),
        Column("id", Integer, primary_key=True, default=select(literal(5)).scalar_subquery()),
        Column("letter_id", Integer, default=lambda: 2),
    )
    with (
        tenant_scope("acme"),
        engine.connect() as connection,
        pytest.raises(CrossTenantAccessError, match=r"inst_page \(letter_id\)"),
    ):
        connection.execute(insert(sheet))
    assert not [each for each in executed if "INSERT" in each]


def test_what_is_allowed_reaches_the_listener(engine: Engine) -> None:
    executed = executing(engine)
    with tenant_scope("acme"), engine.begin() as connection:
        connection.execute(insert(PAGE), [{"id": 1, "letter_id": 1}, {"id": 2, "letter_id": 1}])
        connection.exec_driver_sql("INSERT INTO inst_stamp VALUES (?)", [(5,), (6,)])
    assert len([each for each in executed if "INSERT" in each]) == 2
    assert rows(engine, "SELECT id, letter_id FROM inst_page") == [(1, 1), (2, 1)]
