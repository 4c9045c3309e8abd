"""Functions in raw SQL that get a table's name, or SQL, as a string."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import DDL, Engine, func, literal_column, select, text

from tenantshield_mw import UnguardedStatementError, tenant_scope
from tenantshield_mw.adapters.sqlalchemy.raw_sql.checks import RawText, Source, check

from ..watching import sent


def refused(engine: Engine, sql: str, match: str) -> None:
    """Check that ``sql`` is refused from every source of raw SQL."""
    with tenant_scope("acme"), engine.connect() as connection, sent(engine) as statements:
        with pytest.raises(UnguardedStatementError, match=match):
            connection.execute(text(sql))
        with pytest.raises(UnguardedStatementError, match=match):
            connection.execute(select(literal_column(f"({sql})")))
        with pytest.raises(UnguardedStatementError, match=match):
            connection.exec_driver_sql(sql)
        with pytest.raises(UnguardedStatementError, match=match):
            connection.execute(DDL(sql))  # type: ignore[no-untyped-call]
    assert statements == []


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT xpath_table('id', 'doc', 'raw' || '_ledger', '/a', 'true')",
        "SELECT bt_page_items('raw' || '_pkey', 1)",
        "SELECT pgstattuple(:name)",
        "SELECT pgstatindex(:name)",
        "SELECT public.heap_page_items(get_raw_page(:name, 0))",
        "SELECT lo_get(16000)",
        "SELECT pg_read_file('x')",
        "SELECT * FROM pg_ls_dir('.')",
        "SELECT * FROM pg_logical_slot_peek_changes('s', NULL, NULL)",
        "SELECT * FROM pg_buffercache",
        "SELECT postgres_fdw_get_connections()",
        "SELECT cron.schedule('0 0 * * *', :sql)",
        "COPY given TO PROGRAM 'sh'",
        "SELECT load_file('/etc/passwd')",
        "SELECT load_extension('x')",
    ],
)
def test_a_function_known_to_reach_rows_by_a_string_is_refused(engine: Engine, sql: str) -> None:
    refused(engine, sql, "given as a string")


@pytest.mark.parametrize(
    "function", [func.xpath_table, func.bt_page_items, func.pg_read_file, func.lo_get]
)
def test_so_is_one_that_a_construct_calls(engine: Engine, function: Any) -> None:
    with (
        engine.connect() as connection,
        tenant_scope("acme"),
        pytest.raises(UnguardedStatementError, match="given as a string"),
    ):
        connection.execute(select(function("raw_ledger")))


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT rows_of('raw_ledger')",
        "SELECT rows_of('Raw_Ledger')",
        "SELECT app.rows_of(1, 'raw_ledger')",
        "SELECT \"Rows Of\"('raw_ledger')",
        "SELECT rows_of(lower('raw_ledger'))",
        "SELECT rows_of(('public.raw_ledger'))",
        "SELECT * FROM rows_of(concat('public.', 'raw_ledger'))",
        "SELECT rows_of(name => 'raw_ledger')",
        "SELECT rows_of((SELECT 'raw_ledger'))",
        "CALL rows_of('raw_ledger')",
    ],
)
def test_an_unknown_function_is_not_given_a_tables_name(engine: Engine, sql: str) -> None:
    refused(engine, sql, "raw_ledger")


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT rows_of('SELECT * FROM raw' || '_ledger')",
        "SELECT rows_of(' (select 1')",
        "SELECT rows_of('TABLE raw' || '_ledger')",
        "SELECT rows_of('WITH a AS (SELECT 1) SELECT * FROM ' || 'x')",
        "SELECT rows_of(concat('DELETE FROM ', 'raw', '_ledger'))",
        "SELECT app.rows_of(1, 'begin; insert into x select 1')",
    ],
)
def test_an_unknown_function_is_not_given_what_looks_like_sql(engine: Engine, sql: str) -> None:
    refused(engine, sql, "looks like SQL to the function rows_of")


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT lower('raw_ledger'), coalesce(NULL, 'raw_ledger')",
        "SELECT upper(trim('raw_ledger'))",
        "SELECT replace(name, 'raw_ledger', 'b') FROM sqlite_master",
        "SELECT json_extract('{\"raw_ledger\": 1}', '$.raw_ledger')",
        "SELECT name FROM sqlite_master WHERE name IN ('raw_ledger') AND (name = 'raw_ledger')",
        "SELECT lower('SELECT 1 FROM x')",
        "SELECT name FROM sqlite_master WHERE sql LIKE 'SELECT %'",
        "SELECT pg_total_relation_size('raw_ledger'), to_regclass('raw_ledger')",
        "SELECT date_trunc('day', now()), to_tsvector('english', 'the raw_ledger')",
        "SELECT regexp_replace(name, 'raw_ledger', 'b') FROM x",
        "SELECT application_function('a value', 'another one', 'Select', 'update')",
        "INSERT INTO other_table (name) VALUES ('raw_ledger')",
        "CREATE TABLE other_table (name VARCHAR(50), CHECK (name <> 'raw_ledger'))",
        "CREATE TABLE IF NOT EXISTS x.other_table (name TEXT CHECK (name <> 'raw_ledger'))",
    ],
)
def test_strings_are_ordinary_values_otherwise(engine: Engine, sql: str) -> None:
    with tenant_scope("acme"):
        for source in Source:
            check(RawText(sql, source, engine.dialect))


def test_a_parameter_of_an_unknown_function_passes(engine: Engine) -> None:
    with tenant_scope("acme"), engine.connect() as connection:
        driver: Any = connection.connection.dbapi_connection
        driver.create_function("application_function", 1, lambda value: value)
        given = "SELECT the raw_ledger"
        assert connection.scalar(select(func.application_function(given))) == given
        assert connection.scalar(text("SELECT application_function(:x)"), {"x": given}) == given
