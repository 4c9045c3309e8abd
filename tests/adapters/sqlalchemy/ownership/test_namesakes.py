"""Tables of one name in several schemas, of which not all belong to tenants in the same way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import (
    Column,
    Engine,
    Integer,
    MetaData,
    String,
    Table,
    delete,
    event,
    select,
    text,
    update,
)

from tenantshield_mw import (
    ConfigurationError,
    UnguardedStatementError,
    system_scope,
    tenant_scope,
)
from tenantshield_mw.adapters.sqlalchemy import shared_across_tenants, tenant_aware
from tenantshield_mw.adapters.sqlalchemy.ownership.namesakes import find_namesakes
from tests.databases import Database, database

from ..searched import searching_deep
from ..watching import database_on_each

METADATA = MetaData()


def table(schema: str | None) -> Table:
    return Table(
        "same_name",
        METADATA,
        Column("id", Integer, primary_key=True),
        Column("tenant_id", String(20)),
        Column("other", String(20)),
        schema=schema,
    )


HERE, ALIKE, ELSEWHERE, PUBLIC = map(table, (None, "alike", "elsewhere", "everyone"))
SHARED = Table(
    "other_name", METADATA, Column("id", Integer, primary_key=True), Column("x", String(20))
)
OF_TENANTS = Table(
    "other_name",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("tenant_id", String(20)),
    Column("x", String(20)),
    schema="deep",
)


@pytest.fixture(autouse=True)
def declared(declared_for_a_test: None) -> None:
    """Declare them for each test alone, since they make every statement be looked at again."""
    tenant_aware(HERE)
    tenant_aware(ALIKE)
    tenant_aware(OF_TENANTS)
    tenant_aware(ELSEWHERE, column="other")
    shared_across_tenants(PUBLIC)
    shared_across_tenants(SHARED)


here = database_on_each()


@pytest.fixture
def engine(here: Database) -> Iterator[Engine]:
    made = here.engine()
    HERE.create(made)
    SHARED.create(made)
    here.run("INSERT INTO same_name VALUES (1, 'acme', 'globex'), (2, 'globex', 'acme')")
    yield made
    made.dispose()


def onto_the_default(engine: Engine) -> Iterator[Any]:
    yield None
    with engine.connect() as connection:
        yield connection.dialect.default_schema_name


@pytest.mark.parametrize(
    "statement",
    [select(PUBLIC.c.id), select(ELSEWHERE.c.id), update(PUBLIC).values(other="hit")],
    ids=["shared", "another column", "an update"],
)
@pytest.mark.parametrize("of", ["the statement", "the connection", "the engine"])
def test_no_map_moves_a_table_onto_one_that_is_confined_differently(
    engine: Engine, here: Database, statement: Any, of: str
) -> None:
    for target in onto_the_default(engine):
        options: dict[str, Any] = {
            "schema_translate_map": {"everyone": target, "elsewhere": target}
        }
        made = engine.execution_options(**options) if of == "the engine" else engine
        with tenant_scope("acme"), made.connect() as connection:
            if of == "the connection":
                connection = connection.execution_options(**options)
            given = options if of == "the statement" else {}
            with pytest.raises(ConfigurationError, match="leave it out of the schema_translate"):
                connection.execute(statement, execution_options=given)
    assert here.read("SELECT other FROM same_name ORDER BY id") == [("globex",), ("acme",)]


def test_one_that_is_confined_in_the_same_way_may_be_moved(engine: Engine) -> None:
    with tenant_scope("acme"), engine.connect() as connection:
        found = connection.execute(
            select(ALIKE.c.id), execution_options={"schema_translate_map": {"alike": None}}
        )
        assert found.scalars().all() == [1]


@pytest.mark.parametrize(
    "sql",
    [
        "SET search_path TO deep",
        "set local search_path = deep",
        'SET SESSION "search_path" TO deep',
        "SET SCHEMA 'deep'",
        "RESET search_path",
        "USE deep",
        "SELECT 1; /* there */ use deep",
    ],
)
def test_text_does_not_change_what_a_name_stands_for(engine: Engine, sql: str) -> None:
    with tenant_scope("acme"), engine.connect() as connection:
        with pytest.raises(UnguardedStatementError, match="stands for"):
            connection.execute(text(sql))
        with pytest.raises(UnguardedStatementError, match="stands for"):
            connection.exec_driver_sql(sql)


def by_options(here: Database) -> Engine:
    return here.engine(connect_args={"options": "-c search_path=deep"})


def by_a_listener(here: Database) -> Engine:
    engine = here.engine()

    @event.listens_for(engine, "connect", insert=True)
    def move(connection: Any, record: Any) -> None:
        connection.autocommit = True
        connection.execute("SET search_path TO deep")
        connection.autocommit = False

    return engine


@pytest.mark.parametrize("connect", [by_options, by_a_listener])
def test_the_default_schema_does_not_make_one_table_of_two(
    connect: Callable[[Database], Engine],
) -> None:
    with database("postgresql") as here:
        here.run(
            "CREATE SCHEMA deep",
            "CREATE TABLE deep.other_name (id int, tenant_id text, x text)",
            "INSERT INTO deep.other_name VALUES (1, 'acme', 'a'), (2, 'globex', 'b')",
        )
        engine = connect(here)
        with tenant_scope("acme"), engine.connect() as connection:
            for each in (SHARED, OF_TENANTS):
                with pytest.raises(ConfigurationError, match="stands for several tables"):
                    connection.execute(select(each.c.x))
        engine.dispose()


# -- schemas that are searched after the default one ---------------------------------

BY_NAME = Table("searched", METADATA, Column("id", Integer), Column("tenant_id", String(20)))
BY_SCHEMA, MOVED = (
    Table("searched", METADATA, Column("id", Integer), schema=schema)
    for schema in ("deep", "moved")
)


@pytest.fixture(params=searching_deep("first"))
def searching(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """An engine on which a name without a schema stands for the table in another schema."""
    tenant_aware(BY_NAME)
    shared_across_tenants(BY_SCHEMA)
    shared_across_tenants(MOVED)
    name, connect = request.param
    with database(name) as here:
        engine = connect(here)
        with system_scope("to fill"), engine.begin() as connection:
            for sql in (
                "CREATE TABLE deep.searched (id int, tenant_id varchar(20))",
                "INSERT INTO deep.searched VALUES (1, 'acme'), (2, 'globex')",
            ):
                connection.exec_driver_sql(sql)
        yield engine
        engine.dispose()


def test_a_schema_that_is_searched_later_does_not_make_one_table_of_two(
    searching: Engine,
) -> None:
    for statement in (select(BY_SCHEMA.c.id), select(BY_NAME.c.id), delete(BY_SCHEMA)):
        with (
            tenant_scope("acme"),
            searching.connect() as connection,
            pytest.raises(ConfigurationError, match="stands for several tables"),
        ):
            connection.execute(statement)


def test_no_map_moves_a_table_into_a_schema_that_is_searched_later(searching: Engine) -> None:
    with (
        tenant_scope("acme"),
        searching.connect() as connection,
        pytest.raises(ConfigurationError, match="leave it out of the schema_translate"),
    ):
        connection.execute(
            select(MOVED.c.id), execution_options={"schema_translate_map": {"moved": "deep"}}
        )


async def test_the_path_is_known_to_an_async_engine_as_well() -> None:
    tenant_aware(BY_NAME)
    shared_across_tenants(BY_SCHEMA)
    with database("postgresql") as here:
        here.run("CREATE SCHEMA first", "CREATE SCHEMA deep")
        engine = here.async_engine(connect_args={"server_settings": {"search_path": "first,deep"}})
        with tenant_scope("acme"):
            async with engine.connect() as connection:
                with pytest.raises(ConfigurationError, match="stands for several tables"):
                    await connection.execute(select(BY_SCHEMA.c.id))
        await engine.dispose()


def test_tables_with_a_schema_each_are_told_apart(searching: Engine) -> None:
    both, columns = MetaData(), (Column("id", Integer), Column("tenant_id", String(20)))
    owned = tenant_aware(Table("told", both, *columns, schema="deep"))
    shared_across_tenants(Table("told", both, Column("id", Integer), schema="moved"))
    with system_scope("to fill"), searching.begin() as connection:
        owned.create(connection)
    with tenant_scope("acme"), searching.connect() as connection:
        assert connection.scalars(select(owned.c.id)).all() == []


def test_tables_that_are_confined_alike_are_no_namesakes() -> None:
    keys = [(None, "a"), ("x", "A"), (None, "b")]
    assert find_namesakes(keys, {}) == {}
