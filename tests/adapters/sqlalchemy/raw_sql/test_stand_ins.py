"""No table is created that would be read instead of a tenant-aware one."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import pytest
import sqlalchemy
from sqlalchemy import Column, Engine, Integer, MetaData, String, Table, select, text
from sqlalchemy.schema import CreateTable

from tenantshield_mw import UnguardedStatementError, system_scope, tenant_scope
from tenantshield_mw.adapters.sqlalchemy import tenant_aware
from tests.databases import DatabaseName, database, memory_engine, require

from ..watching import engine_in_memory, sent
from .files import METADATA, SHARED, ddl, seed

engine = engine_in_memory(seed)


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TEMPORARY TABLE ddl_file (id int)",
        'create temp table if not exists "DDL_FILE" as select 1 as id',
        "CREATE TABLE temp.ddl_file (id int)",
        "CREATE TEMP VIEW ddl_file AS SELECT 1 AS id",
    ],
)
def test_no_stand_in_is_left_by_a_system_scope(engine: Engine, sql: str) -> None:
    runs: tuple[Callable[[Any], Any], ...] = (
        lambda connection: connection.execute(text(sql)),
        lambda connection: connection.exec_driver_sql(sql),
        lambda connection: connection.execute(ddl(sql)),
    )
    for run in runs:
        with (
            system_scope("make a copy"),
            engine.begin() as connection,
            sent(engine) as statements,
            pytest.raises(UnguardedStatementError, match="another name"),
        ):
            run(connection)
        assert statements == []


def test_a_system_scope_makes_temporary_tables_of_another_name(engine: Engine) -> None:
    with system_scope("make a copy"), engine.begin() as connection:
        connection.execute(text("CREATE TEMPORARY TABLE copy AS SELECT * FROM ddl_file"))
        assert connection.scalar(text("SELECT count(*) FROM copy")) == 2


# -- tables that are found before others of their name ---------------------------------


def another(name: str = "ddl_file", **options: Any) -> Table:
    """Return an undeclared table with the name of a tenant-aware one."""
    return Table(
        name, MetaData(), Column("id", Integer), Column("tenant_id", String(50)), **options
    )


def made_from(kind: str, **options: Any) -> Any:
    make: Any = getattr(sqlalchemy, kind, None)
    if make is None:
        pytest.skip("new in SQLAlchemy 2.1")
    return make(select(SHARED.c.id), "ddl_file", **options)


STAND_INS: dict[str, Any] = {
    "temporary": lambda: CreateTable(another(prefixes=["TEMPORARY"])),
    "in short": lambda: CreateTable(another(prefixes=["temp"])),
    "in another case": lambda: CreateTable(another("DDL_File", quote=False, prefixes=["TEMP"])),
    "if it is not there": lambda: CreateTable(another(prefixes=["TEMP"]), if_not_exists=True),
    "of a tied table": lambda: CreateTable(another("ddl_part", prefixes=["TEMP"])),
    "instead of it": lambda: CreateTable(another(prefixes=["OR REPLACE"])),
    "in the schema of temporary ones": lambda: CreateTable(another(schema="temp")),
    "moved there": lambda: CreateTable(another()).execution_options(
        schema_translate_map={None: "Temp"}
    ),
    "from a query": lambda: made_from("CreateTableAs", temporary=True),
    "from a query, there": lambda: made_from("CreateTableAs", schema="temp"),
    "a view": lambda: made_from("CreateView", temporary=True),
    "a view, there": lambda: made_from("CreateView", schema="temp"),
}


@pytest.mark.parametrize("made", STAND_INS.values(), ids=STAND_INS)
@pytest.mark.parametrize("scoped", [True, False])
def test_a_temporary_table_with_the_name_of_a_tenants_table_is_refused(
    engine: Engine, made: Any, scoped: bool
) -> None:
    scope = tenant_scope("acme") if scoped else nullcontext()
    with scope, engine.connect() as connection, sent(engine) as statements:
        with pytest.raises(UnguardedStatementError, match="read instead of"):
            connection.execute(made())
        assert statements == []


@pytest.mark.parametrize("where", ["postgresql", "mariadb"])
def test_so_is_it_on_the_other_databases(where: DatabaseName) -> None:
    require(where)
    with database(where) as here:
        engine = here.engine()
        METADATA.create_all(engine)
        tables = [another(prefixes=["TEMPORARY"])]
        if where == "postgresql":
            tables += [another(schema="pg_temp"), another(schema="PG_TEMP_3", quote_schema=False)]
        else:
            tables.append(another(prefixes=["OR REPLACE"]))
        for table in tables:
            with (
                tenant_scope("acme"),
                engine.connect() as connection,
                pytest.raises(UnguardedStatementError, match="read instead of"),
            ):
                table.create(connection, checkfirst=False)
        engine.dispose()


def test_a_temporary_table_of_another_name_is_made(engine: Engine) -> None:
    with tenant_scope("acme"), engine.begin() as connection:
        another("ddl_import", prefixes=["TEMPORARY"]).create(connection)
        another("ddl_import_too", schema="temp").create(connection)


def test_a_temporary_table_that_is_declared_itself_is_made_and_confined() -> None:
    staged = tenant_aware(another("ddl_staged", prefixes=["TEMPORARY"]))
    engine = memory_engine()
    with tenant_scope("acme"), engine.begin() as connection:
        staged.create(connection)
        connection.execute(staged.insert().values(id=1))
    with tenant_scope("globex"), engine.begin() as connection:
        assert connection.execute(select(staged.c.id)).all() == []


def test_a_declared_table_may_be_created() -> None:
    instead = tenant_aware(another("ddl_instead", prefixes=["OR REPLACE"]))
    with (
        memory_engine().connect() as connection,
        pytest.raises(UnguardedStatementError, match="ddl_instead"),
    ):
        instead.create(connection)
