"""A statement that is marked as reviewed runs, and no other one does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest
from sqlalchemy import Engine, select, text
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.util import immutabledict

from tenantshield_mw import (
    ConfigurationError,
    MissingTenantContextError,
    UnguardedStatementError,
    system_scope,
    tenant_scope,
)
from tests.adapters.sqlalchemy.letters import Letter, seed
from tests.adapters.sqlalchemy.watching import sent
from tests.databases import memory_engine

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


def _assigned(engine: Engine) -> Session:
    session: Any = Session(engine)
    session.execution_options = immutabledict(OPTION)
    return cast("Session", session)


class MarkedSession(Session):
    """A session that would mark all that it executes."""

    execution_options: Any = immutabledict(OPTION)


# A session has options since 2.1.
MARKED: dict[str, Callable[..., Session]] = {"class": MarkedSession, "assigned": _assigned}
if hasattr(Session, "execution_options"):
    MARKED["given"] = lambda engine: Session(engine, execution_options=OPTION)  # type: ignore[call-arg, unused-ignore]
    MARKED["made"] = lambda engine: sessionmaker(engine, execution_options=OPTION)()

USES: dict[str, Callable[[Session], Any]] = {
    "execute": lambda session: session.execute(RAW),
    "scalars": lambda session: session.scalars(RAW).all(),
    "query": lambda session: session.query(Letter).from_statement(RAW).all(),
    "get": lambda session: session.get(Letter, 1),
    "connection": lambda session: session.connection(),
    "flush": lambda session: session.flush(),
    "bulk": lambda session: session.bulk_save_objects([Letter(id=8)]),
}


@pytest.mark.parametrize("marked", MARKED)
@pytest.mark.parametrize("use", USES)
def test_the_option_on_a_session_is_refused(engine: Engine, marked: str, use: str) -> None:
    for scope in (tenant_scope("acme"), system_scope("a test")):
        with MARKED[marked](engine) as session, sent(engine) as statements, scope:
            session.add(Letter(id=9))
            with pytest.raises(ConfigurationError, match="tenantshield_reviewed"):
                USES[use](session)
            assert statements == []
            # Nothing is lost.
            assert len(session.new) == 1


def test_a_sessions_option_that_reviews_nothing_is_none(engine: Engine) -> None:
    session: Any = Session(engine)
    session.execution_options = immutabledict(tenantshield_reviewed=False)
    with tenant_scope("acme"), session, pytest.raises(UnguardedStatementError):
        session.execute(RAW)


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
