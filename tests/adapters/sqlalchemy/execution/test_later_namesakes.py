"""Tables that turn out to be namesakes of others when an engine is in use already."""

from __future__ import annotations

from collections.abc import Iterator
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
    select,
)

from tenantshield_mw import ConfigurationError, system_scope, tenant_scope
from tenantshield_mw.adapters.sqlalchemy import observe, shared_across_tenants, tenant_aware
from tenantshield_mw.adapters.sqlalchemy.execution import dialects
from tenantshield_mw.adapters.sqlalchemy.ownership.registry import registry
from tests.databases import database
from tests.threads import in_thread

from ..letters import LETTER, seed
from ..searched import searching_deep

SHARED = Table("later", MetaData(), Column("id", Integer, primary_key=True))
OF_TENANTS = Table(
    "later",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("tenant_id", String(20)),
    schema="deep",
)


@pytest.fixture(params=searching_deep("public"))
def engine(request: pytest.FixtureRequest, declared_for_a_test: None) -> Iterator[Engine]:
    """An engine on which the shared table's name stands for the tenants' table."""
    assert not registry.has_namesakes
    name, connect = request.param
    with database(name) as here:
        made = connect(here)
        with system_scope("to fill"), made.begin() as connection:
            for sql in (
                "CREATE TABLE deep.later (id int, tenant_id varchar(20))",
                "INSERT INTO deep.later VALUES (1, 'acme'), (2, 'globex')",
            ):
                connection.exec_driver_sql(sql)
        yield seed(made)
        made.dispose()


def declare() -> None:
    shared_across_tenants(SHARED)
    tenant_aware(OF_TENANTS)


def read(engine: Engine, statement: Any) -> Any:
    with tenant_scope("acme"), engine.connect() as connection:
        return connection.scalars(statement).all()


def is_refused(engine: Engine, statement: Any, message: str = "stands for several") -> None:
    with pytest.raises(ConfigurationError, match=message):
        read(engine, statement)


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let another thread declare the tables when the first statement's dialect is chosen."""
    choose, waiting = dialects.guarded_dialect, [declare]

    def pausing(*args: Any, **kw: Any) -> Any:
        if waiting:
            in_thread(waiting.pop())
        return choose(*args, **kw)

    monkeypatch.setattr(dialects, "guarded_dialect", pausing)


@pytest.mark.usefixtures("meanwhile")
def test_one_that_another_thread_declares_is_refused_from_the_next_statement_on(
    engine: Engine,
) -> None:
    assert len(read(engine, select(LETTER.c.id))) == 1
    assert registry.has_namesakes
    is_refused(engine, select(SHARED.c.id))
    is_refused(engine, select(SHARED.c.id))


@pytest.mark.usefixtures("meanwhile")
def test_one_that_another_thread_declares_is_refused_in_the_same_statement(engine: Engine) -> None:
    is_refused(engine, select(SHARED.c.id), "may stand for several")
    is_refused(engine, select(SHARED.c.id))


def test_one_that_is_noticed_in_a_statement_is_refused_there(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant_aware(OF_TENANTS)
    earlier = MetaData()
    with monkeypatch.context() as patch:
        # As if it was defined before the package was imported.
        patch.setattr(registry, "table_added", lambda table: None)
        Table("other", earlier, Column("id", Integer, primary_key=True))
        noticed = Table(
            "later", earlier, Column("id", Integer), Column("other_id", ForeignKey("other.id"))
        )
    is_refused(engine, select(noticed.c.id), "may stand for several")
    is_refused(engine, select(noticed.c.id))


def test_a_guarded_dialect_without_a_connection_does_not_keep_the_path_unknown(
    engine: Engine,
) -> None:
    declare()
    assert dialects.is_guarded(dialects.guarded_dialect(engine.dialect))
    is_refused(engine, select(SHARED.c.id))


def test_the_guarded_dialect_is_kept_once_the_path_is_known(engine: Engine) -> None:
    declare()
    read(engine, select(LETTER.c.id))
    kept = dialects.guarded_dialect(engine.dialect)
    assert dialects.guarded_dialect(engine.dialect) is kept


def test_report_mode_asks_for_the_path_as_well(engine: Engine) -> None:
    declare()
    observation = observe()
    try:
        # What is wrong with the setup is raised there, too.
        is_refused(engine, select(SHARED.c.id))
        assert len(read(engine, select(LETTER.c.id))) == 2
    finally:
        observation.stop()
