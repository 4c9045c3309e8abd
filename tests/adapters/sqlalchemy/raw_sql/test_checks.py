"""Raw SQL: no spelling of a tenant table's name gets through, and other text does."""

from __future__ import annotations

import re
import string
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy import (
    DDL,
    Column,
    Engine,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    column,
    delete,
    func,
    literal,
    literal_column,
    select,
    table,
    text,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import OperationalError

from tenantshield_mw import UnguardedStatementError, tenant_scope
from tenantshield_mw.adapters.sqlalchemy import shared_across_tenants, tenant_aware
from tenantshield_mw.adapters.sqlalchemy.raw_sql.patterns import (
    CHANGES_TENANT,
    REACHES_UNNAMED,
    REPLACES_ROWS,
    stands_alone,
)
from tenantshield_mw.adapters.sqlalchemy.raw_sql.table_names import unmarked_names
from tests.commands import ROOT
from tests.databases import memory_engine

from ..watching import fill, sent

METADATA = MetaData()
LEDGER = tenant_aware(
    Table("raw_ledger", METADATA, Column("id", Integer), Column("tenant_id", String(50)))
)
RATES = shared_across_tenants(Table("raw_rates", METADATA, Column("id", Integer)))

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


# -- through an engine -----------------------------------------------------------


@pytest.fixture
def engine() -> Engine:
    engine = memory_engine()
    METADATA.create_all(engine)
    fill(engine, "INSERT INTO raw_ledger VALUES (1, 'acme'), (2, 'globex')")
    return engine


RAW: dict[str, Any] = {
    "text": text("SELECT id FROM raw_ledger"),
    "text as columns": text("SELECT id FROM raw_ledger").columns(column("id")),
    "literal_column": select(literal_column("(SELECT max(id) FROM raw_ledger)")),
    "text in where": select(RATES).where(text("id IN (SELECT id FROM raw_ledger)")),
    "text in from": select(text("id")).select_from(text("raw_ledger")),
    "text in columns": select(text("(SELECT count(*) FROM Raw_Ledger)")),
    "text in order by": select(RATES).order_by(text("(SELECT max(id) FROM [raw_ledger])")),
    "text in group by": select(func.count()).group_by(text("(SELECT max(id) FROM `raw_ledger`)")),
    "prefix": select(RATES).prefix_with("(SELECT max(id) FROM raw_ledger),"),
    "suffix": select(RATES).suffix_with("UNION SELECT id FROM raw_ledger"),
    "hint": select(RATES).with_statement_hint("UNION SELECT id FROM raw_ledger"),
    "operator": select(column("id").op("IN (SELECT id FROM raw_ledger) OR 1 =")(1)),
    "function": select(getattr(func, "raw_ledger")()),  # noqa: B009
}


@pytest.mark.parametrize("form", RAW)
def test_raw_sql_that_names_the_table_is_refused_wherever_it_stands(
    engine: Engine, form: str
) -> None:
    with (
        engine.connect() as connection,
        tenant_scope("acme"),
        sent(engine) as statements,
        pytest.raises(UnguardedStatementError, match=r"raw_ledger.*tenantshield_reviewed"),
    ):
        connection.execute(RAW[form])
    assert statements == []


@pytest.mark.parametrize("character", [chr(code) for code in range(0xE000, 0xE004)])
def test_a_character_for_private_use_hides_no_name(engine: Engine, character: str) -> None:
    # With such characters the guard marks what it has rendered itself.
    forms: list[Any] = [
        text(f"SELECT id FROM raw_{character}ledger"),
        text(f"SELECT id FROM {character}raw_ledger{character}"),
        select(literal_column(f"(SELECT max(id) FROM raw_{character}ledger)")),
        select(column("id")).select_from(table(f"raw_{character}ledger")),
    ]
    with engine.connect() as connection, tenant_scope("acme"):
        for form in forms:
            with pytest.raises((UnguardedStatementError, OperationalError)):
                connection.execute(form)
        assert connection.scalar(text(f"SELECT 'a{character}b'")) == f"a{character}b"
        assert connection.scalar(select(literal(f"{character}b", literal_execute=True))) == (
            f"{character}b"
        )


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


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT query_to_xml/**/('select 1', true, true, '')",
        "SELECT pg_catalog.\"query_to_xml\" -- x\n ('select 1', true, true, '')",
        "EXECUTE IMMEDIATE concat('a', 'b')",
        "EXECUTE/* x */IMMEDIATE concat('a', 'b')",
        "PREPARE q FROM concat('a', 'b')",
        "PREPARE `q q` FROM concat('a', 'b')",
        "PREPARE/**/q/**/FROM concat('a', 'b')",
        "DO $$ BEGIN EXECUTE 'x' || 'y'; END $$",
        "DO $x$ BEGIN EXECUTE 'x' || 'y'; END $x$",
        "do/**/language plpgsql 'begin end'",
        "DO E'begin end'",
        "/* a /* b */ c */ SELECT 1",
        "/*!EXECUTE*/ IMMEDIATE concat('a', 'b')",
        "/*!PREPARE*/ q FROM concat('a', 'b')",
        "SELECT 1 /*!50000 UNION SELECT 2 */",
        "SELECT 1 /*M!100100 UNION SELECT 2 */",
        "SELECT 1 /*m! UNION SELECT 2 */",
        "SELECT ';'/**/; /* x */ DO/**/'begin end'",
        "SELECT * FROM sqlite_dbpage",
        "IMPORT FOREIGN SCHEMA x FROM SERVER y INTO z",
        "DROP SCHEMA public CASCADE",
        "drop /* x */ database shop",
        "DROP OWNED BY CURRENT_USER",
        "SELECT most_common_vals FROM pg_stats",
        "SELECT * FROM pg_catalog.pg_statistic",
        "SELECT * FROM pg_stats_ext_exprs",
        "SELECT sample FROM sqlite_stat4",
        "SELECT min_value FROM mysql.column_stats",
    ],
)
def test_what_reaches_rows_without_their_table_is_refused(engine: Engine, sql: str) -> None:
    with tenant_scope("acme"), engine.connect() as connection, sent(engine) as statements:
        with pytest.raises(UnguardedStatementError, match="cannot be confined"):
            connection.execute(text(sql))
        with pytest.raises(UnguardedStatementError, match="cannot be confined"):
            connection.exec_driver_sql(sql)
        with pytest.raises(UnguardedStatementError, match="system_scope"):
            connection.execute(DDL(sql))  # type: ignore[no-untyped-call]
    assert statements == []


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


@pytest.mark.parametrize("scoped", [True, False])
def test_raw_sql_on_shared_tables_runs(engine: Engine, scoped: bool) -> None:
    statements: list[Any] = [
        text("SELECT 1"),
        text("SELECT id FROM raw_rates"),
        select(RATES).where(text("id > 0")).order_by(text("id")),
        select(literal_column("'raw_ledger'")),
    ]
    with engine.connect() as connection:
        for statement in statements:
            if scoped:
                with tenant_scope("acme"):
                    connection.execute(statement).all()
            else:
                connection.execute(statement).all()


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT set_config('x', 'y', true)",
        "SELECT pg_catalog.SET_CONFIG ('x', 'y', true)",
        "SELECT \"set_config\" ('x', 'y', true)",
        "SET tenantshield.text = 'globex'",
        "SET LOCAL tenantshield.uuid TO 'x'",
        "SET ROLE postgres",
        "set  local\nrole x",
        "RESET ROLE",
        "SET SESSION AUTHORIZATION x",
        "SET LOCAL SESSION AUTHORIZATION x",
        "SET session_authorization = x",
        'SET "role" TO x',
        "RESET ALL",
        "SET/**/tenantshield.text = 'globex'",
        "SET LOCAL -- x\n ROLE x",
        "SELECT set_config/* x */('x', 'y', true)",
        "ALTER ROLE x SET tenantshield.text = 'globex'",
        "UPDATE pg_settings SET setting = 'globex' WHERE name = 'tenantshield.text'",
        'UPDATE ONLY "pg_catalog" . "pg_settings" SET setting = 1',
    ],
)
def test_sql_that_changes_the_role_or_the_setting_is_refused(engine: Engine, sql: str) -> None:
    with (
        tenant_scope("acme"),
        engine.connect() as connection,
        sent(engine) as statements,
    ):
        with pytest.raises(UnguardedStatementError, match="knows the tenant"):
            connection.execute(text(sql))
        with pytest.raises(UnguardedStatementError, match="knows the tenant"):
            connection.exec_driver_sql(sql)
    assert statements == []


def test_so_is_the_function_for_it(engine: Engine) -> None:
    with (
        tenant_scope("acme"),
        engine.connect() as connection,
        pytest.raises(UnguardedStatementError, match="knows the tenant"),
    ):
        connection.execute(select(func.set_config("x", "y", True)))


@pytest.mark.parametrize("name", ["role", "authorization", "session_authorization"])
def test_a_column_may_have_the_name_of_such_a_setting(name: str) -> None:
    members = tenant_aware(
        Table(
            f"raw_members_{name}",
            MetaData(),
            Column("id", Integer, primary_key=True),
            Column("tenant_id", String(50), primary_key=True),
            Column(name, String(50)),
        )
    )
    here = memory_engine()
    members.create(here)
    with tenant_scope("acme"), here.begin() as connection:
        connection.execute(members.insert().values({"id": 1, name: "a"}))
        connection.execute(update(members).values({name: "b"}))
        aliased: Any = members.alias("m")
        connection.execute(update(aliased).values({name: aliased.c[name] + "c"}))
        upsert = sqlite.insert(members).values({"id": 1, name: "d"})
        connection.execute(
            upsert.on_conflict_do_update(
                index_elements=["id", "tenant_id"],
                set_={name: members.c[name] + upsert.excluded[name]},
            )
        )
        assert connection.scalar(select(members.c[name])) == "bcd"


def test_raw_sql_next_to_an_assignment_is_refused_all_the_same(engine: Engine) -> None:
    assigning = update(RATES).values(id=literal_column("1; SET ROLE x"))
    with (
        tenant_scope("acme"),
        engine.connect() as connection,
        pytest.raises(UnguardedStatementError, match="knows the tenant"),
    ):
        connection.execute(assigning)


@pytest.mark.parametrize(
    "sql",
    [
        "SET LOCAL statement_timeout = 5",
        "SELECT role FROM t",
        "SELECT current_setting('tenantshield.text')",
    ],
)
def test_other_settings_are_left_alone(sql: str) -> None:
    assert CHANGES_TENANT.search(sql) is None


# -- one judgement ---------------------------------------------------------------


FORMS: dict[str, Any] = {
    "statement": lambda connection, sql: connection.execute(text(sql)),
    "part": lambda connection, sql: connection.execute(select(literal_column(f"({sql})"))),
    "driver SQL": lambda connection, sql: connection.exec_driver_sql(sql),
    "DDL": lambda connection, sql: connection.execute(DDL(sql)),  # type: ignore[no-untyped-call]
}
REFUSED = {
    "SELECT id FROM raw_ledger": "names raw_ledger, which holds tenants' rows",
    "SELECT ts_stat('a')": "names a table or a file in a string",
    "SELECT set_config('a', 'b', true)": "changes the role or a setting",
    "SELECT 1 /*! , 2 */": "may hide SQL",
    "SELECT f('SELECT 1')": "looks like SQL to the function f",
    "DELETE FROM raw_region": r"makes the database delete or change rows of raw_branch",
}
REGION = shared_across_tenants(
    Table("raw_region", METADATA, Column("code", String(50), primary_key=True))
)
BRANCH = tenant_aware(
    Table(
        "raw_branch",
        METADATA,
        Column("id", Integer, primary_key=True),
        Column("tenant_id", String(50)),
        Column("region", ForeignKey("raw_region.code", ondelete="CASCADE")),
    )
)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("sql", REFUSED)
def test_each_check_applies_to_each_source(engine: Engine, sql: str, form: str) -> None:
    with engine.connect() as connection, sent(engine) as statements:
        with tenant_scope("acme"), pytest.raises(UnguardedStatementError) as scoped:
            FORMS[form](connection, sql)
        with pytest.raises(UnguardedStatementError) as unscoped:
            FORMS[form](connection, sql)
    assert re.search(REFUSED[sql], str(scoped.value))
    assert "tenantshield_reviewed" in str(scoped.value)
    assert "no tenant is in scope" not in str(scoped.value)
    assert re.search(REFUSED[sql], str(unscoped.value))
    assert "no tenant is in scope" in str(unscoped.value)
    assert 'system_scope("why")' in str(unscoped.value)
    assert statements == []


def test_a_cascade_in_a_part_that_is_a_statement_by_itself_is_refused(engine: Engine) -> None:
    gone = text("DELETE FROM raw_region RETURNING code").columns(column("code")).cte("gone")
    with (
        engine.connect() as connection,
        tenant_scope("acme"),
        pytest.raises(UnguardedStatementError, match="DELETE names raw_region"),
    ):
        connection.execute(select(gone))


def test_a_verb_that_a_construct_has_rendered_is_not_raw_sql(engine: Engine) -> None:
    branches = update(BRANCH).values(region="x").where(text("'raw_region' <> 'x'"))
    with engine.connect() as connection, tenant_scope("acme"):
        connection.execute(branches)
        connection.execute(delete(BRANCH).where(text("region IN (SELECT code FROM raw_region)")))
        connection.execute(select(text("code")).select_from(text("raw_region")).with_for_update())


LONG = """
from sqlalchemy import Column, Integer, MetaData, String, Table, create_engine
from tenantshield_mw import UnguardedStatementError, tenant_scope
from tenantshield_mw.adapters.sqlalchemy import tenant_aware
from tenantshield_mw.adapters.sqlalchemy.raw_sql.checks import RawText, Source, check
from tenantshield_mw.adapters.sqlalchemy.raw_sql.marks import CLOSE, OPEN

for name in ("raw_ledger", "select"):
    columns = Column("id", Integer), Column("tenant_id", String(50))
    tenant_aware(Table(name, MetaData(), *columns))
texts = ["x" * 1_000_000, "SELECT '" + "x" * 1_000_000 + "'", OPEN + "x" * 1_000_000 + CLOSE]
for part in ("'raw_ledger',", "raw_ledgers ", "select ", "FROM (", "/*", "/**/", "a.", "'", " "):
    texts += [part * (200_000 // len(part)), "SELECT " + part * (200_000 // len(part))]
texts.append("FROM " + "x" * 200_000 + OPEN + "raw_ledger" + CLOSE)
texts.append((OPEN + "raw_ledger" + CLOSE + ".") * 5_000)
dialect = create_engine("sqlite://").dialect
with tenant_scope("acme"):
    for each in texts:
        try:
            check(RawText(each, Source.DRIVER_SQL, dialect))
        except UnguardedStatementError:
            pass
print("done")
"""


def test_a_long_text_takes_no_more_than_its_length() -> None:
    # With quadratic time this would take more than an hour.
    done = subprocess.run(
        [sys.executable, "-c", LONG],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.stdout == "done\n"
