"""Raw SQL: no spelling of a tenant table's name gets through, and other text does."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import Any

import pytest
from sqlalchemy import DDL, Engine, column, delete, func, literal_column, select, text, update

from tenantshield_mw import UnguardedStatementError, tenant_scope
from tests.commands import ROOT

from ..watching import sent
from .ledgers import BRANCH, RATES

# -- through an engine -----------------------------------------------------------


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
    for error in (scoped, unscoped):
        reviewed, everything = (
            str(error.value).index(each)
            for each in ("tenantshield_reviewed", 'system_scope("why"), which sees them all')
        )
        assert reviewed < everything
    # By itself, a tenant's scope would not help.
    assert "enter tenant_scope(...) and" in str(unscoped.value)
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
