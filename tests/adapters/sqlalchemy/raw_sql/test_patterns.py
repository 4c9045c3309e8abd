"""What shows other statements' values is told from what shows the schema or a setting."""

from __future__ import annotations

import pytest

from tenantshield_mw import UnguardedStatementError
from tenantshield_mw.adapters.sqlalchemy.raw_sql.checks import RawText, Source, check
from tests.databases import memory_engine


@pytest.mark.parametrize(
    "sql",
    [
        "SHOW FULL PROCESSLIST",
        "show/**/processlist",
        "SHOW ENGINE INNODB STATUS",
        "SHOW WARNINGS LIMIT 5",
        "SHOW ERRORS",
        "SHOW COUNT(*) WARNINGS",
        "SHOW PROFILES",
        "SHOW EXPLAIN FOR 5",
        "SELECT info FROM information_schema.processlist",
        "SELECT argument FROM mysql . general_log",
        "SELECT * FROM `performance_schema`.`events_statements_history`",
        "SELECT query FROM pg_stat_activity",
        "SELECT * FROM pg_catalog.pg_stat_statements",
        "SELECT * FROM pg_stat_get_activity(NULL)",
        "SELECT statement FROM pg_cursors",
        "SELECT chunk_data FROM pg_toast.pg_toast_1234",
    ],
)
@pytest.mark.parametrize("source", Source)
def test_what_shows_other_statements_is_refused(sql: str, source: Source) -> None:
    with pytest.raises(UnguardedStatementError, match="other statements"):
        check(RawText(sql, source, memory_engine().dialect))


@pytest.mark.parametrize(
    "sql",
    [
        "SHOW TABLES",
        "SHOW FULL TABLES FROM `shop`",
        "SHOW CREATE TABLE checks_ledger",
        "SHOW VARIABLES LIKE 'sql_mode'",
        "SHOW GLOBAL VARIABLES",
        "SHOW ENGINES",
        "SHOW COLLATION WHERE `Charset` = 'utf8mb4'",
        "show standard_conforming_strings",
        "SHOW TRANSACTION ISOLATION LEVEL",
        "SHOW server_version;",
    ],
)
def test_what_shows_the_schema_or_a_setting_is_not(sql: str) -> None:
    check(RawText(sql, Source.DRIVER_SQL, memory_engine().dialect))
