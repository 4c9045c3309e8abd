"""No spelling of a tenant table's name gets through, and other text does."""

from __future__ import annotations

import re
import string
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy import DDL, Engine, text
from sqlalchemy.dialects import postgresql

from tenantshield_mw import UnguardedStatementError, tenant_scope
from tenantshield_mw.adapters.sqlalchemy.raw_sql.table_names import unmarked_names

from ..watching import sent

NAMES = frozenset({"raw_ledger"})
POSTGRESQL: Any = postgresql.dialect()  # type: ignore[no-untyped-call]

in_any_case = st.sampled_from(["raw_ledger", "RAW_LEDGER", "Raw_Ledger", "raw_LEDGER"])
quoting = st.sampled_from(["{}", '"{}"', "`{}`", "[{}]"])
schema = st.sampled_from(
    ["", "main.", "MAIN.", '"main".', "`main` . ", "main /* here */ .", "a.b."]
)
gap = st.sampled_from([" ", "\n", "\t", "/**/", "/* x */", " -- x\n", "\r\n", "/* ' */", "\f"])
before = st.sampled_from(
    [
        "SELECT * FROM",
        "SELECT 1 FROM raw_rates JOIN",
        "SELECT 1 FROM raw_rates,",
        "SELECT (SELECT max(id) FROM",
        "UPDATE",
        "DELETE FROM",
        "INSERT INTO",
        "TABLE",
        "WITH c AS (SELECT * FROM",
        "SELECT '' FROM",
        "SELECT 'it''s' FROM",
        "SELECT 'a', \"b\", `c` FROM",
        "SELECT '--' FROM",
        "SELECT '/*' FROM",
        r"SELECT '\' FROM",
        "SELECT $$ ' $$ FROM",
        "SELECT 1 -- '\nFROM",
        "SELECT 1 /* ' */ FROM",
        "SELECT E'\\'' FROM",
        "SELECT :value FROM",
        "SELECT %(value)s FROM",
        "EXPLAIN SELECT * FROM",
        "(",
        "",
    ]
)
after = st.sampled_from(
    ["", " x", ";", ")", ",raw_rates", "\n", " WHERE ':'='", "--", "/*", "'", '"']
)


@given(before, gap, schema, quoting, in_any_case, after)
def test_no_spelling_of_the_name_gets_through(
    before: str, gap: str, schema: str, quoting: str, name: str, after: str
) -> None:
    sql = f"{before}{gap}{schema}{quoting.format(name)}{after}"
    assert unmarked_names(sql, NAMES, POSTGRESQL) == NAMES


@pytest.mark.parametrize(
    "sql",
    [
        'SELECT * FROM U&"raw\\005fledger"',
        'SELECT * FROM u&"\\0072aw_ledger"',
        "SELECT * FROM U&\"raw!005fledger\" UESCAPE '!'",
        'SELECT * FROM"raw_ledger"',
        "SELECT*FROM`raw_ledger`",
        "SELECT * FROM(raw_ledger)",
        "SELECT raw_ledger.* FROM raw_rates",
        "SELECT 1 FROM raw_rates/*!, raw_ledger */",
        "SELECT 1 /*+ FULL(raw_ledger) */ FROM raw_rates",
        "SELECT ARRAY['a'][raw_ledger.id]",
        "SELECT x[(SELECT id FROM raw_ledger)]",
        'SELECT * FROM "x""y" , raw_ledger',
        "SELECT '\\'', id FROM raw_ledger -- '",
        "SELECT $a$'$a$ FROM raw_ledger WHERE x = $a$'$a$",
        'SELECT "raw_ledger"',
        "COPY raw_ledger TO STDOUT",
        "TRUNCATE raw_ledger",
        "ALTER TABLE raw_ledger ADD x int",
        "LOCK TABLE ONLY raw_ledger",
        "SELECT 'x' 'y' FROM raw_ledger",
        "SELECT N'x' FROM raw_ledger",
    ],
)
def test_unusual_spellings_count_as_naming_the_table(sql: str) -> None:
    assert unmarked_names(sql, NAMES, POSTGRESQL) == NAMES


def test_a_name_with_a_quote_in_it_is_found_in_its_escaped_form() -> None:
    names = frozenset({'we"ird', "we`ird"})
    assert unmarked_names('SELECT * FROM "we""ird"', names, POSTGRESQL) == {'we"ird'}
    assert unmarked_names("SELECT * FROM `we``ird`", names, POSTGRESQL) == {"we`ird"}


def test_a_name_of_several_words_is_found() -> None:
    assert unmarked_names('SELECT * FROM "Order Line"', frozenset({"order line"}), POSTGRESQL) == {
        "order line"
    }


@pytest.mark.parametrize(
    "name",
    [
        "straße",
        "größe",
        "заказ",
        "İstanbul",
        "ग्राहक",
        "ลูกค้า",
        "gro\N{COMBINING DIAERESIS}ße",
        "inv$lines",
        "inv#lines",
        "inv@lines",
        "5th_line",
    ],
)
def test_every_character_that_an_identifier_may_have_is_part_of_it(name: str) -> None:
    names = frozenset({name.casefold()})
    for spelled in (name, name.casefold(), name.upper(), name.lower()):
        if spelled.casefold() == name.casefold():
            for sql in ("SELECT * FROM {}", 'SELECT * FROM "{}"', "DELETE FROM`{}`", "({})"):
                assert unmarked_names(sql.format(spelled), names, POSTGRESQL) == names


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1",
        "SELECT 1;",
        "",
        "SELECT * FROM raw_rates",
        "SELECT * FROM raw_ledgers",
        "SELECT * FROM old_raw_ledger",
        "SELECT raw_ledger_id FROM raw_rates",
        "SELECT 'raw_ledger'",
        "INSERT INTO raw_rates (name) VALUES ('the raw_ledger of x')",
        "SELECT 'it''s raw_ledger'",
        "SELECT * FROM raw_rates WHERE id = :raw_ledger",
        "SELECT * FROM raw_rates WHERE id = %(raw_ledger)s",
        "SET search_path TO app",
        "PRAGMA foreign_keys = ON",
        "SELECT now() AT TIME ZONE 'UTC'",
        "SELECT raw ledger",
        "SELECT raw.ledger",
        'SELECT "raw_ledger_total"',
    ],
)
def test_text_that_does_not_name_it_passes(sql: str) -> None:
    assert unmarked_names(sql, NAMES, POSTGRESQL) == set()


@given(st.text(alphabet=string.ascii_letters + string.digits + "_ .,()=*<>\n\t'", max_size=60))
def test_text_without_the_word_passes_whatever_it_is(sql: str) -> None:
    word = re.search(r"(?<!\w)raw_ledger(?!\w)", sql, re.IGNORECASE)
    if word is None:
        assert unmarked_names(sql, NAMES, POSTGRESQL) == set()


@given(st.text(max_size=80))
@example("raw_ledger")
def test_the_bare_word_outside_of_quotes_is_always_found(prefix: str) -> None:
    quiet = re.sub(r"['\"`\[\]:%]", "", prefix)
    assert unmarked_names(f"{quiet} raw_ledger", NAMES, POSTGRESQL) == NAMES


def test_without_any_names_nothing_is_found() -> None:
    assert unmarked_names('SELECT * FROM U&"x"', frozenset(), POSTGRESQL) == set()


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT id FROM 'raw_ledger'",
        "SELECT id FROM 'RAW_LEDGER'",
        "SELECT id FROM 'main' . 'raw_ledger'",
        "SELECT x.id FROM raw_rates, 'raw_ledger' AS x",
        "SELECT id FROM ('raw_ledger')",
        "UPDATE 'raw_ledger' SET id = 1",
        "UPDATE OR IGNORE 'raw_ledger' SET id = 1",
        "DELETE FROM 'raw_ledger'",
        "INSERT INTO 'raw_ledger' VALUES (1)",
        "DROP TABLE IF EXISTS 'raw_ledger'",
        "SELECT * FROM raw_rates JOIN raw_rates b ON b.id = 1, 'raw_ledger'",
        "SELECT * FROM (SELECT ')' AS c), 'raw_ledger'",
        "SELECT * FROM (raw_rates, 'raw_ledger')",
        "SELECT * FROM raw_rates INDEXED BY x, 'raw_ledger'",
        "SELECT * FROM raw_rates, ('raw_ledger')",
        "SELECT 'a', (SELECT max(id) FROM 'raw_ledger')",
    ],
)
def test_a_name_in_single_quotes_is_a_name_on_sqlite(engine: Engine, sql: str) -> None:
    with tenant_scope("acme"), engine.connect() as connection, sent(engine) as statements:
        with pytest.raises(UnguardedStatementError, match="raw_ledger"):
            connection.execute(text(sql))
        with pytest.raises(UnguardedStatementError, match="raw_ledger"):
            connection.exec_driver_sql(sql)
        with pytest.raises(UnguardedStatementError, match="raw_ledger"):
            connection.execute(DDL(sql))  # type: ignore[no-untyped-call]
    assert statements == []
    assert unmarked_names(sql, NAMES, POSTGRESQL) == set()


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 'raw_ledger'",
        "SELECT id FROM raw_rates WHERE 'x' = 'raw_ledger' OR 'x' LIKE 'raw_ledger'",
        "SELECT 'x' || 'raw_ledger' FROM raw_rates ORDER BY 'raw_ledger'",
        "SELECT id, 'raw_ledger' AS kind FROM raw_rates GROUP BY id, 'raw_ledger'",
        "SELECT max('a', 'raw_ledger') FROM raw_rates WHERE 'x' IN ('raw_ledger', 'raw_ledger')",
        "SELECT (SELECT 1 FROM raw_rates), 'raw_ledger'",
        "SELECT 1 UNION ALL SELECT 'raw_ledger'",
        "SELECT name FROM sqlite_master WHERE name = 'raw_ledger'",
    ],
)
def test_it_is_a_value_where_no_table_can_stand(engine: Engine, sql: str) -> None:
    with tenant_scope("acme"), engine.connect() as connection:
        connection.execute(text(sql)).all()
