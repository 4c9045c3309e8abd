"""The supported databases are those on which the attacks are run; others are refused."""

from __future__ import annotations

from typing import Any, cast

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.engine import Dialect

from tenantshield_mw import ConfigurationError
from tenantshield_mw.adapters.sqlalchemy.databases import DATABASES, database_for, default_schemas
from tenantshield_mw.adapters.sqlalchemy.execution.dialects import guarded_dialect
from tests.databases import NAMES, DatabaseName, database, require

from .letters import LETTER, METADATA, SEED
from .watching import execute, rows, sent, with_tables


def test_a_dialect_that_was_never_tested_is_refused(engine: Engine) -> None:
    class Exotic(SQLiteDialect_pysqlite):
        name = "exotic"
        supports_statement_cache = True

    dialect: Any = Exotic()
    dialect.__dict__.update(engine.dialect.__dict__)
    dialect.__dict__.pop("_tenantshield_guarded_dialects", None)
    with pytest.raises(ConfigurationError, match=r"'exotic' has not been tested.*sqlite"):
        guarded_dialect(cast("Dialect", dialect))
    engine.dialect = dialect
    with sent(engine) as statements, pytest.raises(ConfigurationError, match="exotic"):
        execute(engine, "acme", select(LETTER))
    assert statements == []


def test_the_supported_databases_are_those_that_the_tests_run_on() -> None:
    # MariaDB answers under both names.
    assert set(DATABASES) == {*NAMES, "mysql"}


@pytest.mark.parametrize("name", NAMES)
def test_a_fence_behind_a_subquery_leaves_its_rows_as_they_are(name: DatabaseName) -> None:
    require(name)
    with database(name) as here, with_tables(here, METADATA, *SEED) as engine:
        fence = database_for(engine.dialect).fence
        sql = "SELECT id FROM inst_letter ORDER BY id"
        assert rows(engine, f"{sql} {fence}") == rows(engine, sql) == [(1,), (2,)]


@pytest.mark.parametrize("name", NAMES)
def test_an_unqualified_table_is_in_a_default_schema(name: DatabaseName) -> None:
    require(name)
    with database(name) as here, with_tables(here, METADATA, *SEED) as engine:
        with engine.connect():
            pass
        schemas = default_schemas(engine.dialect)
        assert {
            "sqlite": {"main", "temp"},
            "postgresql": {"public"},
            "mariadb": {str(here.url.database).casefold()},
        }[name] == schemas
        for schema in schemas - {"temp"}:
            assert len(rows(engine, f"SELECT id FROM {schema}.inst_letter")) == 2
        assert database_for(engine.dialect).is_temporary("TEMP") == (name == "sqlite")


def test_postgresql_cuts_names_by_their_bytes() -> None:
    postgresql = DATABASES["postgresql"]
    long = "ä" * 32
    assert (postgresql.cuts(long), postgresql.cuts(long[:31])) == (True, False)
    assert postgresql.cut(long) == "ä" * 31
    with database("postgresql") as here:
        here.run(f"CREATE TABLE {long} (id int)")
        assert here.read("SELECT relname FROM pg_class WHERE relname LIKE 'ä%'") == [("ä" * 31,)]
    assert not any(each.cuts(long) for name, each in DATABASES.items() if name != "postgresql")
