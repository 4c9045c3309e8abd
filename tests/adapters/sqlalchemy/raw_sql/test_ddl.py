"""DDL: statements that touch no rows need no tenant."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Column, Engine, Index, Integer, MetaData, String, Table, event, text
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.schema import CreateIndex, CreateTable, DropIndex, DropSchema, DropTable
from sqlalchemy.sql.ddl import DDLElement

from tenantshield_mw import (
    MissingTenantContextError,
    UnguardedStatementError,
    system_scope,
    tenant_scope,
)
from tenantshield_mw.adapters.sqlalchemy import tenant_aware
from tests.databases import NAMES, DatabaseName, database, memory_engine, require

from ..watching import engine_in_memory, rows, sent
from .files import FILE, INDEX, METADATA, PART, SHARED, ddl, seed

engine = engine_in_memory(seed)


REVIEWED = {"tenantshield_reviewed": True}


def has_files(engine: Engine) -> bool:
    return len(rows(engine, "SELECT * FROM ddl_file")) == 2


@pytest.mark.parametrize("where", NAMES)
@pytest.mark.parametrize("scoped", [True, False])
def test_create_all_works_with_and_without_a_tenant(where: DatabaseName, scoped: bool) -> None:
    require(where)
    with database(where) as here:
        engine = here.engine()
        if scoped:
            with tenant_scope("acme"):
                METADATA.create_all(engine)
        else:
            METADATA.create_all(engine)
        METADATA.create_all(engine)
        assert rows(engine, "SELECT * FROM ddl_file") == []
        engine.dispose()


@pytest.mark.parametrize("name", ["main.ddl_file", '"main"."ddl_file"', "ddl_shared, ddl_file"])
def test_a_table_is_dropped_by_the_name_that_is_rendered(engine: Engine, name: str) -> None:
    other = Table(name, MetaData(), Column("id", Integer), quote=False)
    with (
        tenant_scope("acme"),
        engine.begin() as connection,
        sent(engine) as statements,
        pytest.raises(UnguardedStatementError),
    ):
        connection.execute(DropTable(other))
    assert statements == []
    assert has_files(engine)


def test_indexes_are_made_and_dropped_without_a_tenant(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(DropIndex(INDEX))
        connection.execute(CreateIndex(INDEX))
    assert has_files(engine)


def test_a_filtered_index_of_postgresql_is_made_without_a_tenant() -> None:
    metadata = MetaData()
    table = Table("ddl_partial", metadata, Column("id", Integer), Column("tenant_id", String(50)))
    Index("ddl_partial_index", table.c.id, postgresql_where=table.c.id > 5)
    tenant_aware(table)
    with database("postgresql") as here:
        engine = here.engine()
        metadata.create_all(engine)
        assert rows(engine, "SELECT * FROM ddl_partial") == []
        engine.dispose()


@pytest.mark.parametrize("scoped", [True, False])
def test_dropping_a_tenants_table_is_refused(engine: Engine, scoped: bool) -> None:
    def drop() -> None:
        for act in (FILE.drop, METADATA.drop_all):
            with pytest.raises((UnguardedStatementError, MissingTenantContextError)):
                act(engine)
        with engine.begin() as connection, pytest.raises(UnguardedStatementError) as caught:
            connection.execute(DropTable(FILE))
        assert "drops ddl_file, which deletes every tenant's rows" in str(caught.value)
        assert "system_scope" in str(caught.value)

    if scoped:
        with tenant_scope("acme"):
            drop()
    else:
        drop()
    assert has_files(engine)


def test_dropping_a_tied_table_is_refused(engine: Engine) -> None:
    with tenant_scope("acme"), pytest.raises(UnguardedStatementError, match="ddl_part"):
        PART.drop(engine)
    assert rows(engine, "SELECT * FROM ddl_part") == []


def test_dropping_another_construct_of_a_tenants_table_is_refused(engine: Engine) -> None:
    for name, schema in (("DDL_FILE", None), ("ddl_file", "main")):
        other = Table(name, MetaData(), Column("id", Integer), schema=schema)
        with tenant_scope("acme"), pytest.raises(UnguardedStatementError):
            other.drop(engine)
    assert has_files(engine)


def test_dropping_a_shared_table_works(engine: Engine) -> None:
    SHARED.drop(engine)
    assert rows(engine, "SELECT name FROM sqlite_master WHERE name = 'ddl_shared'") == []


def test_dropping_a_schema_is_refused(engine: Engine) -> None:
    with (
        engine.begin() as connection,
        sent(engine) as statements,
        pytest.raises(UnguardedStatementError, match="DROP SCHEMA"),
    ):
        connection.execute(DropSchema("public", cascade=True))
    assert statements == []


def test_everything_may_be_dropped_in_the_system_scope(engine: Engine) -> None:
    with system_scope("tear down"):
        METADATA.drop_all(engine)
    assert rows(engine, "SELECT name FROM sqlite_master WHERE name LIKE 'ddl_%'") == []


def test_a_reviewed_drop_runs_in_a_scope(engine: Engine) -> None:
    with tenant_scope("acme"), engine.begin() as connection:
        connection.execute(DropTable(PART), execution_options=REVIEWED)
    assert rows(engine, "SELECT name FROM sqlite_master WHERE name = 'ddl_part'") == []


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE VIEW ddl_view AS SELECT * FROM ddl_file",
        "CREATE TABLE ddl_copy AS SELECT * FROM ddl_file",
        "DROP TABLE ddl_file",
        "DELETE FROM ddl_file",
        "ALTER TABLE ddl_file RENAME TO ddl_free",
        "DROP TABLE main.[DDL_FILE]",
        "CREATE TRIGGER ddl_trigger AFTER INSERT ON ddl_shared BEGIN DELETE FROM ddl_file; END",
    ],
)
def test_ddl_given_as_text_that_names_the_table_is_refused(engine: Engine, sql: str) -> None:
    with tenant_scope("acme"), engine.begin() as connection, sent(engine) as statements:
        with pytest.raises(UnguardedStatementError):
            connection.execute(ddl(sql))
        with pytest.raises(UnguardedStatementError):
            connection.execute(text(sql))
        with pytest.raises(UnguardedStatementError):
            connection.exec_driver_sql(sql)
    assert statements == []
    assert has_files(engine)


def test_ddl_given_as_text_on_shared_tables_runs(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(ddl("CREATE VIEW ddl_shared_view AS SELECT * FROM ddl_shared"))
        connection.execute(ddl("ALTER TABLE ddl_shared ADD COLUMN name TEXT"))
    assert rows(engine, "SELECT * FROM ddl_shared_view") == []


def test_reviewed_ddl_runs(engine: Engine) -> None:
    with tenant_scope("acme"), engine.begin() as connection:
        connection.execute(
            ddl("ALTER TABLE ddl_file ADD COLUMN size INTEGER"), execution_options=REVIEWED
        )
    assert has_files(engine)


class CreateAs(DDLElement):
    def __init__(self, name: str, query: Any) -> None:
        self.name, self.query = name, query


class CreateAsText(DDLElement):
    def __init__(self, name: str, query: str) -> None:
        self.name, self.query = name, query


@compiles(CreateAs)
def _create_as(element: Any, compiler: Any, **kw: Any) -> str:
    query = compiler.sql_compiler.process(element.query, literal_binds=True)
    return f"CREATE TABLE {element.name} AS {query}"


@compiles(CreateAsText)
def _create_as_text(element: Any, compiler: Any, **kw: Any) -> str:
    return f"CREATE TABLE {element.name} AS {element.query}"


def test_a_construct_that_stores_a_query_on_tenants_rows_is_refused(engine: Engine) -> None:
    with tenant_scope("acme"), engine.begin() as connection:
        with pytest.raises(UnguardedStatementError):
            connection.execute(CreateAs("ddl_copy", FILE.select()))
        with pytest.raises(UnguardedStatementError):
            connection.execute(CreateAsText("ddl_copy", "SELECT * FROM ddl_file"))
    assert rows(engine, "SELECT name FROM sqlite_master WHERE name = 'ddl_copy'") == []


def test_a_construct_that_stores_a_query_on_shared_tables_works(engine: Engine) -> None:
    with tenant_scope("acme"), engine.begin() as connection:
        connection.execute(CreateAs("ddl_shared_copy", SHARED.select()))
        connection.execute(CreateAsText("ddl_shared_text", "SELECT * FROM ddl_shared"))
    assert rows(engine, "SELECT * FROM ddl_shared_copy") == []


def test_ddl_that_a_listener_executes_is_checked_like_any_other() -> None:
    metadata = MetaData()
    table = tenant_aware(
        Table("ddl_heard", metadata, Column("id", Integer), Column("tenant_id", String(50)))
    )
    event.listen(table, "after_create", ddl("CREATE INDEX ddl_by_id ON ddl_heard (id)"))
    engine = memory_engine()
    with pytest.raises(UnguardedStatementError):
        metadata.create_all(engine)
    with system_scope("set up the database"):
        metadata.create_all(engine)
    assert rows(engine, "SELECT name FROM sqlite_master WHERE name = 'ddl_by_id'")


def test_create_table_may_be_given_as_a_construct(engine: Engine) -> None:
    fresh = Table("ddl_fresh", MetaData(), Column("id", Integer), Column("tenant_id", String(50)))
    tenant_aware(fresh)
    with tenant_scope("acme"), engine.begin() as connection:
        connection.execute(CreateTable(fresh, if_not_exists=True))
    assert rows(engine, "SELECT * FROM ddl_fresh") == []
