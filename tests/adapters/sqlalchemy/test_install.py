"""The execution of statements: which run, which raise, and what the caller sees."""

from __future__ import annotations

import logging

import pytest
from sqlalchemy import Engine, MetaData, func, insert, inspect, literal, select, text, update
from sqlalchemy.orm import Session

from tenantshield_mw import MissingTenantContextError, system_scope, tenant_scope
from tests.databases import NAMES, DatabaseName, database, require

from .letters import LETTER, METADATA, STAMP, Letter, seed
from .watching import rows, sent

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
