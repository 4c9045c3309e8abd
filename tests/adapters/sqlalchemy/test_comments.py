"""The tenant in a comment of each statement, on every database."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, bindparam, event, insert, select, text
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from tenantshield_mw import system_scope, tenant_scope
from tenantshield_mw.adapters.sqlalchemy import shared_across_tenants
from tenantshield_mw.adapters.sqlalchemy.comments import comment_statements
from tests.databases import NAMES, Database, database

EVIL = "a*/ DROP TABLE note; --'%s %"
ENCODED = "a%2A%2F%20DROP%20TABLE%20note%3B%20--%27%25s%20%25"


class Base(DeclarativeBase):
    pass


@shared_across_tenants
class Note(Base):
    __tablename__ = "comment_note"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)


@pytest.fixture(params=NAMES)
def db(request: pytest.FixtureRequest) -> Iterator[Database]:
    with database(request.param) as here:
        yield here


def sent_by(engine: Engine) -> list[str]:
    statements: list[str] = []

    @event.listens_for(engine, "before_cursor_execute")
    def note(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    return statements


def work(session: Session) -> None:
    session.execute(insert(Note), [{"id": 1}])
    session.execute(text("INSERT INTO comment_note (id) VALUES (:id)"), [{"id": 2}, {"id": 3}])
    ids = session.scalars(select(Note.id).where(Note.id < bindparam("most")), {"most": 9}).all()
    assert sorted(ids) == [1, 2, 3]
    assert session.scalar(text("SELECT '100%' || '' -- all")) in ("100%", 1)
    options = {"no_parameters": True}
    literal = session.connection().exec_driver_sql("SELECT '100%'", None, options)
    assert literal.scalar() == "100%"


def test_each_statement_names_the_tenant(db: Database) -> None:
    engine = db.engine()
    Base.metadata.create_all(engine)
    comment_statements(engine)
    sent = sent_by(engine)
    with tenant_scope(EVIL), Session(engine) as session:
        work(session)
    commented = [each.replace("%%", "%") for each in sent if each.endswith("'*/")]
    assert len(commented) == len(sent) - 1
    assert all(each.endswith(f" /*tenant_id='{ENCODED}'*/") for each in commented)
    engine.dispose()


def test_there_is_no_comment_without_a_tenant(db: Database) -> None:
    engine = db.engine()
    comment_statements(engine)
    sent = sent_by(engine)
    with system_scope("a report"), engine.connect() as connection:
        connection.execute(text("SELECT 1"))
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))
    assert [each for each in sent if "SELECT" in each] == ["SELECT 1", "SELECT 1"]
    engine.dispose()


@pytest.mark.parametrize("name", NAMES)
async def test_async_engines_too(name: Any) -> None:
    with database(name) as db:
        engine = db.async_engine()
        comment_statements(engine)
        sent = sent_by(engine.sync_engine)
        with tenant_scope(EVIL):
            async with engine.connect() as connection:
                assert await connection.scalar(text("SELECT :n + 0"), {"n": 1}) == 1
        assert ENCODED in sent[-1].replace("%%", "%")
        await engine.dispose()


def test_the_database_sees_it() -> None:
    with database("postgresql") as db:
        engine = db.engine()
        comment_statements(engine)
        running = text("SELECT query FROM pg_stat_activity WHERE pid = pg_backend_pid()")
        running = running.execution_options(tenantshield_reviewed=True)
        with tenant_scope(EVIL), engine.connect() as connection:
            assert connection.scalar(running).endswith(f" /*tenant_id='{ENCODED}'*/")
        engine.dispose()
