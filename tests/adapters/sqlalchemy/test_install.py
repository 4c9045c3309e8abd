"""The execution of statements: which run, which raise, and what the caller sees."""

from __future__ import annotations

import logging
from contextlib import nullcontext
from typing import Any

import pytest
from sqlalchemy import (
    Column,
    Engine,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    event,
    func,
    insert,
    inspect,
    literal,
    select,
    text,
    update,
)
from sqlalchemy.exc import StatementError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from tenantshield_mw import (
    ConfigurationError,
    CrossTenantAccessError,
    MissingTenantContextError,
    ScopeMismatchError,
    TenantShieldError,
    UnguardedStatementError,
    atenant_scope,
    system_scope,
    tenant_scope,
)
from tenantshield_mw.adapters.sqlalchemy import shared_across_tenants, tenant_aware
from tests.databases import (
    NAMES,
    DatabaseName,
    database,
    memory_async_engine,
    memory_engine,
    require,
)

from .watching import fill, rows, sent

METADATA = MetaData()


class Base(DeclarativeBase):
    metadata = METADATA


@tenant_aware
class Letter(Base):
    __tablename__ = "inst_letter"
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(String(50))
    body: Mapped[str | None] = mapped_column(String(50))


@tenant_aware(column="org_id")
class Count(Base):
    __tablename__ = "inst_count"
    id: Mapped[int] = mapped_column(primary_key=True)
    org_id: Mapped[int]


LETTER = Base.metadata.tables["inst_letter"]
STAMP = shared_across_tenants(
    Table("inst_stamp", METADATA, Column("id", Integer, primary_key=True))
)

SEED = (
    "INSERT INTO inst_letter VALUES (1, 'acme', 'ours'), (2, 'globex', 'top secret')",
    "INSERT INTO inst_stamp VALUES (1)",
)


def seed(engine: Engine) -> Engine:
    METADATA.create_all(engine)
    fill(engine, *SEED)
    return engine


@pytest.fixture
def engine() -> Engine:
    return seed(memory_engine())


# -- errors ----------------------------------------------------------------------

FAILING: list[tuple[type[TenantShieldError], Any, Any]] = [
    (CrossTenantAccessError, insert(LETTER).values(id=9, tenant_id="globex"), None),
    (CrossTenantAccessError, insert(LETTER), {"id": 9, "tenant_id": "globex"}),
    (CrossTenantAccessError, update(LETTER).values(tenant_id="globex"), None),
    (UnguardedStatementError, text("SELECT * FROM inst_letter"), None),
    (UnguardedStatementError, insert(LETTER).prefix_with("OR REPLACE").values(id=2), None),
    (ConfigurationError, select(Count), None),
]


def assert_itself(error: BaseException, kind: type[TenantShieldError]) -> None:
    assert isinstance(error, kind)
    assert not isinstance(error, StatementError)
    assert type(error).__name__ == kind.__name__
    assert "top secret" not in str(error)
    assert "globex" not in str(error)


@pytest.mark.parametrize(("kind", "statement", "parameters"), FAILING)
def test_errors_reach_the_caller_as_themselves(
    engine: Engine, kind: type[TenantShieldError], statement: Any, parameters: Any
) -> None:
    with tenant_scope("acme"):
        with engine.begin() as connection, pytest.raises(TenantShieldError) as caught:
            connection.execute(statement, parameters)
        assert_itself(caught.value, kind)
        with Session(engine) as session, pytest.raises(TenantShieldError) as caught:
            session.execute(statement, parameters)
        assert_itself(caught.value, kind)


@pytest.mark.parametrize(("kind", "statement", "parameters"), FAILING)
async def test_errors_reach_the_caller_as_themselves_through_async(
    kind: type[TenantShieldError], statement: Any, parameters: Any
) -> None:
    engine = memory_async_engine()
    async with engine.begin() as connection:
        await connection.run_sync(METADATA.create_all)
    async with atenant_scope("acme"):
        async with engine.begin() as connection:
            with pytest.raises(TenantShieldError) as caught:
                await connection.execute(statement, parameters)
            assert_itself(caught.value, kind)
        async with AsyncSession(engine) as session:
            with pytest.raises(TenantShieldError) as caught:
                await session.execute(statement, parameters)
            assert_itself(caught.value, kind)
    await engine.dispose()


async def test_errors_of_a_flush_reach_the_caller_as_themselves_through_async() -> None:
    engine = memory_async_engine()
    async with engine.begin() as connection:
        await connection.run_sync(METADATA.create_all)
    async with AsyncSession(engine) as session:
        session.add(Letter(id=1))
        with pytest.raises(MissingTenantContextError) as missing:
            await session.flush()
        assert_itself(missing.value, MissingTenantContextError)
        await session.rollback()
        async with atenant_scope("acme"):
            session.add(Letter(id=1, tenant_id="globex"))
            with pytest.raises(CrossTenantAccessError) as crossing:
                await session.flush()
            assert_itself(crossing.value, CrossTenantAccessError)
    await engine.dispose()


def test_a_scope_mismatch_reaches_the_caller_as_itself(engine: Engine) -> None:
    with Session(engine) as session:
        with tenant_scope("acme"):
            session.add(Letter(id=9))
        with tenant_scope("globex"), pytest.raises(ScopeMismatchError) as caught:
            session.get(Letter, 1)
        assert_itself(caught.value, ScopeMismatchError)


def test_errors_name_the_table_and_the_operation(engine: Engine) -> None:
    operations: dict[str, Any] = {
        "SELECT": select(Letter),
        "INSERT": insert(Letter).values(id=9),
        "UPDATE": update(LETTER).values(body="x"),
        "DELETE": LETTER.delete(),
    }
    with engine.begin() as connection:
        for operation, statement in operations.items():
            with pytest.raises(MissingTenantContextError, match=f"{operation} on inst_letter"):
                connection.execute(statement)


# -- no scope --------------------------------------------------------------------


@pytest.mark.parametrize("where", NAMES)
def test_without_a_scope_tenants_rows_raise_and_nothing_is_sent(where: DatabaseName) -> None:
    require(where)
    with database(where) as here:
        engine = seed(here.engine())
        statements = [
            select(Letter),
            select(func.count()).select_from(LETTER),
            insert(LETTER).values(id=9),
            insert(LETTER).values(id=9, tenant_id="acme"),
            update(LETTER).values(body="x"),
            LETTER.delete(),
        ]
        with engine.connect() as connection, sent(engine) as reached:
            for statement in statements:
                with pytest.raises(MissingTenantContextError):
                    connection.execute(statement)
        assert reached == []
        assert len(rows(engine, "SELECT * FROM inst_letter")) == 2
        engine.dispose()


def test_without_a_scope_shared_tables_work(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(insert(STAMP).values(id=2))
        assert connection.execute(select(func.count()).select_from(STAMP)).scalar() == 2
        assert connection.execute(update(STAMP).values(id=STAMP.c.id + 10)).rowcount == 2
        assert connection.execute(STAMP.delete()).rowcount == 2


@pytest.mark.parametrize("where", NAMES)
def test_statements_without_any_table_need_no_scope(where: DatabaseName) -> None:
    require(where)
    with database(where) as here:
        engine = seed(here.engine())
        with engine.connect() as connection:
            assert connection.execute(text("SELECT 1")).scalar() == 1
            assert connection.execute(select(literal(1))).scalar() == 1
            assert connection.exec_driver_sql("SELECT 1").scalar() == 1
            assert connection.scalar(select(func.now())) is not None
        engine.dispose()


def test_a_statement_refused_for_lack_of_a_tenant_works_in_a_scope_afterwards(
    engine: Engine,
) -> None:
    with engine.connect() as connection:
        with pytest.raises(MissingTenantContextError):
            connection.execute(select(Letter.id))
        with tenant_scope("acme"):
            assert connection.execute(select(Letter.id)).scalars().all() == [1]
        with pytest.raises(MissingTenantContextError):
            connection.execute(select(Letter.id))


# -- reflection ------------------------------------------------------------------


@pytest.mark.parametrize("where", NAMES)
@pytest.mark.parametrize("scoped", [True, False])
def test_reflection_works_with_and_without_a_scope(where: DatabaseName, scoped: bool) -> None:
    require(where)
    with database(where) as here:
        engine = seed(here.engine())

        def look() -> None:
            inspector = inspect(engine)
            assert {"inst_letter", "inst_stamp"} <= set(inspector.get_table_names())
            names = [each["name"] for each in inspector.get_columns("inst_letter")]
            assert names == ["id", "tenant_id", "body"]
            assert inspector.get_pk_constraint("inst_letter")["constrained_columns"] == ["id"]
            assert inspector.get_indexes("inst_letter") == []
            assert inspector.get_foreign_keys("inst_letter") == []
            assert inspector.has_table("inst_letter")
            reflected = MetaData()
            reflected.reflect(engine, only=["inst_letter"])
            assert set(reflected.tables["inst_letter"].c.keys()) == {"id", "tenant_id", "body"}
            METADATA.create_all(engine)

        if scoped:
            with tenant_scope("acme"):
                look()
        else:
            look()
        engine.dispose()


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


# -- reviewed --------------------------------------------------------------------

RAW = text("SELECT id FROM inst_letter ORDER BY id")
OPTION = {"tenantshield_reviewed": True}


def test_a_statement_marked_as_reviewed_runs_in_every_form(engine: Engine) -> None:
    marked = RAW.execution_options(tenantshield_reviewed=True)
    with tenant_scope("acme"), engine.connect() as connection, Session(engine) as session:
        assert connection.execute(marked).scalars().all() == [1, 2]
        assert connection.execute(RAW, execution_options=OPTION).scalars().all() == [1, 2]
        driver = connection.exec_driver_sql(str(RAW), execution_options=OPTION)
        assert driver.scalars().all() == [1, 2]
        connection.rollback()
        assert session.execute(marked).scalars().all() == [1, 2]
        assert session.scalars(RAW, execution_options=OPTION).all() == [1, 2]


def test_reviewed_raw_sql_in_a_select_leaves_the_rest_of_it_confined(engine: Engine) -> None:
    mixed = select(Letter.id).where(text("id IN (SELECT id FROM inst_letter)"))
    with tenant_scope("acme"), engine.connect() as connection:
        with pytest.raises(UnguardedStatementError):
            connection.execute(mixed)
        assert connection.execute(mixed, execution_options=OPTION).scalars().all() == [1]


def test_the_option_set_to_false_reviews_nothing(engine: Engine) -> None:
    with tenant_scope("acme"), engine.connect() as connection:
        with pytest.raises(UnguardedStatementError):
            connection.execute(RAW, execution_options={"tenantshield_reviewed": False})
        with pytest.raises(UnguardedStatementError):
            connection.execute(RAW.execution_options(tenantshield_reviewed=False))


def test_the_option_on_a_connection_lets_nothing_through(engine: Engine) -> None:
    with (
        tenant_scope("acme"),
        engine.connect().execution_options(tenantshield_reviewed=True) as connection,
        sent(engine) as statements,
    ):
        with pytest.raises((ConfigurationError, UnguardedStatementError)):
            connection.execute(RAW)
        with pytest.raises((ConfigurationError, UnguardedStatementError)):
            connection.exec_driver_sql(str(RAW))
    assert statements == []


def test_the_option_on_an_engine_lets_nothing_through(engine: Engine) -> None:
    for marked in (
        engine.execution_options(tenantshield_reviewed=True),
        seed(memory_engine(execution_options=OPTION)),
    ):
        with tenant_scope("acme"), marked.connect() as connection, sent(marked) as statements:
            with pytest.raises((ConfigurationError, UnguardedStatementError)):
                connection.execute(RAW)
            with pytest.raises((ConfigurationError, UnguardedStatementError)):
                connection.exec_driver_sql(str(RAW))
        assert statements == []


def test_the_option_on_a_sessions_connection_lets_nothing_through(engine: Engine) -> None:
    with tenant_scope("acme"), Session(engine) as session, sent(engine) as statements:
        session.connection(execution_options=OPTION)
        with pytest.raises((ConfigurationError, UnguardedStatementError)):
            session.execute(RAW)
    assert statements == []


def test_a_reviewed_statement_needs_a_scope(engine: Engine) -> None:
    marked = RAW.execution_options(tenantshield_reviewed=True)
    with engine.connect() as connection, sent(engine) as statements:
        with pytest.raises(MissingTenantContextError, match=r"no tenant (is )?in scope"):
            connection.execute(marked)
        with pytest.raises(MissingTenantContextError):
            connection.execute(RAW, execution_options=OPTION)
        with pytest.raises(MissingTenantContextError):
            connection.exec_driver_sql(str(RAW), execution_options=OPTION)
        assert statements == []
        with system_scope("reviewed, over all tenants"):
            assert connection.execute(marked).scalars().all() == [1, 2]


# -- listeners that execute statements themselves ---------------------------------

PAGE = Table(
    "inst_page",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("letter_id", ForeignKey("inst_letter.id"), nullable=False),
)


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


# -- the system scope ------------------------------------------------------------


def test_the_system_scope_sees_and_changes_everything(engine: Engine) -> None:
    with system_scope("a clean-up over all tenants"):
        with Session(engine) as session:
            assert session.scalars(select(Letter.id).order_by(Letter.id)).all() == [1, 2]
            assert session.get(Letter, 2) is not None
            session.add(Letter(id=3, tenant_id="initech"))
            session.commit()
        with engine.begin() as connection:
            assert connection.execute(text("SELECT count(*) FROM inst_letter")).scalar() == 3
            assert connection.execute(update(LETTER).values(tenant_id="merged")).rowcount == 3
    assert rows(engine, "SELECT DISTINCT tenant_id FROM inst_letter") == [("merged",)]


def test_each_system_scope_is_logged_with_its_reason(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        caplog.at_level(logging.INFO, logger="tenantshield_mw.audit"),
        system_scope("nightly letters"),
        engine.connect() as connection,
    ):
        connection.execute(select(Letter))
    audit = [each for each in caplog.records if each.name == "tenantshield_mw.audit"]
    assert ["nightly letters" in each.getMessage() for each in audit] == [True]


def test_the_system_scope_stamps_no_tenant(engine: Engine) -> None:
    with system_scope("an import"), engine.begin() as connection:
        connection.execute(insert(LETTER).values(id=4, tenant_id="initech"))
    assert rows(engine, "SELECT tenant_id FROM inst_letter WHERE id = 4") == [("initech",)]


def test_a_tenant_scope_inside_a_system_scope_confines_again(engine: Engine) -> None:
    with system_scope("all of them, in turn"), engine.connect() as connection:
        with tenant_scope("acme"):
            assert connection.execute(select(Letter.id)).scalars().all() == [1]
        assert len(connection.execute(select(Letter.id)).all()) == 2
