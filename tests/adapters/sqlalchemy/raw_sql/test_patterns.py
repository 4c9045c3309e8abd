"""What shows other statements' values is told from what shows the schema or a setting."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenantshield_mw import UnguardedStatementError
from tenantshield_mw.adapters.sqlalchemy.raw_sql.checks import RawText, Source, check
from tenantshield_mw.adapters.sqlalchemy.raw_sql.patterns import (
    REACHES_UNNAMED,
    REPLACES_ROWS,
    stands_alone,
)
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


# -- fragments -------------------------------------------------------------------


@pytest.mark.parametrize(
    "fragment",
    [
        "",
        "a = 1",
        "a = 1 OR b = 2",
        "lower(name) IN ('x', 'y')",
        "((a))",
        "name = 'it''s'",
        "name = '('",
        'name = "("',
        "/* fine */ a = 1",
        "a = 1 -- done\n",
        "a = ')' AND b = '('",
    ],
)
def test_a_balanced_fragment_stands_alone(fragment: str) -> None:
    assert stands_alone(fragment)


@pytest.mark.parametrize(
    "fragment",
    [
        "1 = 1) OR (1 = 1",
        "a) OR (b",
        ")",
        "(",
        ")(",
        "a = 'x",
        'a = "x',
        "a = `x",
        "a = 1 --",
        "a = 1 -- rest",
        "a = 1 /* rest",
        "a /* x */ = 1 /*",
        "a = 1 # rest",
        "'\\') OR (1=1",
        r"x = '\' OR ') OR (1=1 -- '",
        "$$'$$) OR ($$'$$",
    ],
)
def test_an_unbalanced_fragment_does_not_stand_alone(fragment: str) -> None:
    assert not stands_alone(fragment)


def test_a_hash_is_an_operator_where_it_does_not_begin_a_comment() -> None:
    assert stands_alone("a # b", hash_comments=False)
    assert not stands_alone("a # b", hash_comments=True)


@given(st.text(alphabet="ab =()", max_size=20))
def test_parentheses_are_counted(fragment: str) -> None:
    depth, open_ended = 0, False
    for character in fragment:
        depth += {"(": 1, ")": -1}.get(character, 0)
        open_ended = open_ended or depth < 0
    assert stands_alone(fragment) == (depth == 0 and not open_ended)


@pytest.mark.parametrize(
    "sql",
    [
        "REPLACE INTO x VALUES (1)",
        "replace x values (1)",
        "INSERT OR REPLACE INTO x VALUES (1)",
        "insert or\nreplace into x values (1)",
        "REPLACE LOW_PRIORITY INTO x VALUES (1)",
        "REPLACE DELAYED INTO x VALUES (1)",
        "INSERT OR/**/REPLACE INTO x VALUES (1)",
        "INSERT OR -- x\nREPLACE INTO x VALUES (1)",
        "/* x */ REPLACE x VALUES (1)",
        "REPLACE/* * / */LOW_PRIORITY # x\n INTO x VALUES (1)",
    ],
)
def test_every_spelling_of_replace_is_known(sql: str) -> None:
    assert REPLACES_ROWS.search(sql)


@pytest.mark.parametrize("sql", ["SELECT replace(a, 'b', 'c') FROM x", "INSERT INTO x VALUES (1)"])
def test_the_function_replace_is_another_thing(sql: str) -> None:
    assert not REPLACES_ROWS.search(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO x VALUES (1) ON CONFLICT DO NOTHING",
        "INSERT INTO x VALUES (1) ON CONFLICT DO UPDATE SET a = 'b'",
        "SELECT * FROM pg_stat_user_tables",
        "SELECT 1 /* a */ + /* b */ 2",
        "DROP TABLE x",
        "EXECUTE q",
        "SELECT do FROM x",
    ],
)
def test_what_only_looks_like_it_is_left_alone(sql: str) -> None:
    assert REACHES_UNNAMED.search(sql) is None
