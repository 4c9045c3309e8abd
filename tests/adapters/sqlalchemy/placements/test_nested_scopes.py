"""Something is executed in another scope while a statement is on its way to the database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import (
    Column,
    Connection,
    Engine,
    Integer,
    MetaData,
    String,
    Table,
    create_engine,
    event,
    func,
    insert,
    select,
)
from sqlalchemy.ext.asyncio import create_async_engine

from tenantshield_mw import TenantContext, tenant_scope
from tenantshield_mw.adapters.sqlalchemy import tenant_aware
from tenantshield_mw.adapters.sqlalchemy.placements import Placements, Schemas, routing
from tenantshield_mw.adapters.sqlalchemy.transactions import transactions_of
from tests.databases import Database, database
from tests.drivers import with_driver
from tests.threads import in_thread

ACME = TenantContext("acme", {"schema": "acme"})
GLOBEX = TenantContext("globex", {"schema": "globex"})


def number(context: Any) -> int:
    """The default of a column, for which the same connection serves another tenant."""
    with tenant_scope(GLOBEX):
        counted: int = context.connection.scalar(select(func.count()).select_from(NOTE))
        return counted


NOTE = tenant_aware(
    Table(
        "nested_note",
        MetaData(),
        Column("id", Integer, primary_key=True, autoincrement=False),
        Column("tenant_id", String(20)),
        Column("number", Integer, default=number),
    )
)


@pytest.fixture
def here() -> Iterator[Database]:
    with database("postgresql") as here:
        columns = "(id int PRIMARY KEY, tenant_id text, number int)"
        for schema in ("acme", "globex"):
            here.run(f"CREATE SCHEMA {schema}", f"CREATE TABLE {schema}.nested_note {columns}")
        here.run(f"CREATE TABLE public.nested_note {columns}")
        yield here


@pytest.fixture(params=["psycopg", "psycopg2", "pg8000"])
def engine(here: Database, request: pytest.FixtureRequest) -> Iterator[Engine]:
    engine = create_engine(with_driver(here.url, request.param))
    Placements(engine, schemas=Schemas())
    yield engine
    engine.dispose()


def kept(here: Database) -> dict[str, list[tuple[Any, ...]]]:
    return {
        schema: here.read(f"SELECT id, tenant_id FROM {schema}.nested_note ORDER BY id")
        for schema in ("acme", "globex", "public")
    }


def before(engine: Engine, verb: str, call: Callable[[Connection], Any]) -> None:
    """Call ``call`` when a statement that begins with ``verb`` is about to be sent, once."""
    waiting = [call]

    def listen(connection: Connection, cursor: Any, statement: str, *others: Any) -> None:
        if waiting and statement.startswith(verb):
            waiting.pop()(connection)

    event.listen(engine, "before_cursor_execute", listen)


def write_for_globex(connection: Connection) -> None:
    with tenant_scope(GLOBEX):
        connection.execute(insert(NOTE).values(id=9, number=0))


@pytest.mark.parametrize("many", [False, True])
def test_a_default_that_is_computed_in_another_scope(
    here: Database, engine: Engine, *, many: bool
) -> None:
    with tenant_scope(ACME), engine.begin() as connection:
        connection.execute(insert(NOTE), [{"id": 1}, {"id": 2}] if many else {"id": 1})
    ids = (1, 2) if many else (1,)
    assert kept(here) == {"acme": [(each, "acme") for each in ids], "globex": [], "public": []}


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
async def test_so_does_one_of_an_async_driver(here: Database, driver: str) -> None:
    engine = create_async_engine(with_driver(here.url, driver))
    Placements(engine, schemas=Schemas())
    with tenant_scope(ACME):
        async with engine.begin() as connection:
            await connection.execute(insert(NOTE), {"id": 1})
    await engine.dispose()
    assert kept(here) == {"acme": [(1, "acme")], "globex": [], "public": []}


@pytest.mark.parametrize("verb", ["INSERT", "SELECT"])
def test_a_listener_that_writes_in_another_scope(here: Database, engine: Engine, verb: str) -> None:
    with tenant_scope(ACME), engine.begin() as connection:
        connection.execute(insert(NOTE).values(id=1, number=0))
        before(engine, verb, write_for_globex)
        connection.execute(insert(NOTE).values(id=2, number=0))
        found = connection.scalars(select(NOTE.c.id).order_by(NOTE.c.id)).all()
    assert found == [1, 2]
    assert kept(here) == {
        "acme": [(1, "acme"), (2, "acme")],
        "globex": [(9, "globex")],
        "public": [],
    }


@pytest.mark.parametrize("verb", ["RELEASE", "ROLLBACK TO"])
def test_a_listener_that_writes_while_a_savepoint_ends(
    here: Database, engine: Engine, verb: str
) -> None:
    before(engine, verb, write_for_globex)
    with engine.connect() as connection, connection.begin():
        with tenant_scope(ACME):
            savepoint = connection.begin_nested()
            connection.execute(insert(NOTE).values(id=1, number=0))
        with tenant_scope(GLOBEX):
            savepoint.commit() if verb == "RELEASE" else savepoint.rollback()
            connection.execute(insert(NOTE).values(id=3, number=0))
        with tenant_scope(ACME):
            connection.execute(insert(NOTE).values(id=2, number=0))
    written = {"RELEASE": ([1, 2], [3, 9]), "ROLLBACK TO": ([2], [3])}[verb]
    assert kept(here) == {
        "acme": [(each, "acme") for each in written[0]],
        "globex": [(each, "globex") for each in written[1]],
        "public": [],
    }


@pytest.mark.parametrize("moment", ["before", "meanwhile"])
def test_a_transaction_that_begins_before_there_are_placements(
    here: Database, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    engine = create_engine(here.url)
    opened: list[Any] = []

    def begin() -> None:
        connection = engine.connect()
        with tenant_scope(ACME):
            connection.execute(select(1))
        opened.append(connection)

    def made_meanwhile(dialect: Any) -> Any:
        made = transactions_of(dialect)
        if moment == "meanwhile" and not opened:
            in_thread(begin)
        return made

    monkeypatch.setattr(routing, "transactions_of", made_meanwhile)
    if moment == "before":
        begin()
    Placements(engine, schemas=Schemas())
    with tenant_scope(ACME), opened[0] as connection:
        connection.execute(insert(NOTE).values(id=1, number=0))
        connection.commit()
    engine.dispose()
    assert kept(here) == {"acme": [(1, "acme")], "globex": [], "public": []}
