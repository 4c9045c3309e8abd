"""Tables that are named like words of the language, held against what the databases take."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import (
    Column,
    Engine,
    Integer,
    MetaData,
    delete,
    func,
    insert,
    select,
    update,
)

from tenantshield_mw import UnguardedStatementError, system_scope, tenant_scope
from tenantshield_mw.adapters.sqlalchemy import tenant_aware
from tenantshield_mw.adapters.sqlalchemy.ownership.registry import registry
from tenantshield_mw.adapters.sqlalchemy.raw_sql import keywords
from tenantshield_mw.adapters.sqlalchemy.raw_sql.table_names import unmarked_names
from tests.databases import NAMES, database

from ..schemas import tenant_table

FORMS = (
    "SELECT * FROM {}",
    "SELECT * FROM /* */ {}",
    "SELECT * FROM ({})",
    "SELECT * FROM other, {}",
    "SELECT * FROM (other, {})",
    "SELECT * FROM other a, {} b",
    "SELECT * FROM (SELECT 1) z, {}",
    "SELECT * FROM (SELECT 1) z, ({})",
    "SELECT * FROM (SELECT 1) z, ({}) x",
    "SELECT * FROM (SELECT 1) z, (({}))",
    "SELECT * FROM other STRAIGHT_JOIN ({})",
    "SELECT * FROM other LEFT JOIN (other b, ({})) ON 1",
    "SELECT * FROM other CROSS JOIN {}",
    "SELECT * FROM other NATURAL JOIN {}",
    "SELECT * FROM other STRAIGHT_JOIN {}",
    "SELECT * FROM other STRAIGHT_JOIN /* */ {}",
    "SELECT * FROM ONLY {}",
    "SELECT * FROM ONLY ({})",
    "SELECT {}.* FROM {}",
    "TABLE {}",
    "SELECT 1 FROM other WHERE a IN {}",
    "WITH q AS (TABLE {}) SELECT * FROM q",
    "INSERT INTO {} VALUES (1)",
    "INSERT INTO {} (a) VALUES (1)",
    "INSERT {} VALUES (1)",
    "INSERT {} (a) VALUES (1)",
    "INSERT LOW_PRIORITY {} (a) VALUES (1)",
    "INSERT IGNORE {} VALUES (1)",
    "REPLACE {} VALUES (1)",
    "REPLACE {} (a) VALUES (1)",
    "REPLACE INTO {} VALUES (1)",
    "REPLACE DELAYED {} VALUES (1)",
    "INSERT INTO other TABLE {}",
    "INSERT INTO other SELECT * FROM {}",
    "UPDATE {} SET a = 1",
    "UPDATE LOW_PRIORITY {} SET a = 1",
    "UPDATE OR REPLACE {} SET a = 1",
    "UPDATE OR ROLLBACK {} SET a = 1",
    "INSERT OR ABORT INTO {} VALUES (1)",
    "CREATE TABLE new AS WITH r AS (SELECT a FROM (SELECT 1) z, {}) SELECT * FROM r",
    "UPDATE other, {} SET other.a = 1",
    "UPDATE other SET a = 1 FROM {}",
    "DELETE FROM {}",
    "DELETE QUICK FROM {}",
    "DELETE other FROM other, {}",
    "DELETE FROM other USING {}",
    "MERGE INTO {} USING other ON true WHEN MATCHED THEN DELETE",
    "TRUNCATE {}",
    "TRUNCATE TABLE {}",
    "TRUNCATE other, {}",
    "COPY {} TO '/dev/null'",
    "HANDLER {} OPEN",
    "CREATE TABLE new AS SELECT * FROM {}",
    "ALTER TABLE {} ADD b INTEGER",
    "LOCK TABLES {} WRITE",
    "LOCK TABLES other READ, {} READ",
    "DROP TABLE {}",
    "DROP TABLE other, {}",
)
"""Statements with a table's name, as the one or the other database takes them."""

WORDS = sorted(
    keywords._ALSO_WORDS
    | keywords._NOT_QUITE_RESERVED
    | {"log", "share", "order", "group", "table"}
)


@pytest.fixture(scope="module", params=NAMES)
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    with database(request.param) as here:
        engine = here.engine()
        yield engine
        engine.dispose()


def prepare(cursor: Any, quoted: str, kind: str) -> None:
    for table in (quoted, "other", "new"):
        cursor.execute(f"DROP TABLE IF EXISTS {table}")
    for table in (quoted, "other"):
        cursor.execute(f"CREATE {kind} TABLE {table} (a INTEGER)")


def accepted(engine: Engine, word: str) -> Iterator[str]:
    """The statements on a table of this name, without quotes, that the database executes."""
    quoted = engine.dialect.identifier_preparer.quote_identifier(word)
    # MariaDB has no transactions for the statements that create and drop tables.
    is_temporary = engine.dialect.name in ("mysql", "mariadb")
    kind = "TEMPORARY" if is_temporary else ""
    connection = engine.raw_connection()
    cursor = connection.cursor()
    try:
        prepare(cursor, quoted, kind)
        for form in FORMS:
            sql = form.replace("{}", word)
            cursor.execute("SAVEPOINT here")
            try:
                cursor.execute(sql)
            except Exception:
                taken = False
            else:
                taken = True
            if not is_temporary:
                cursor.execute("ROLLBACK TO SAVEPOINT here")
            elif taken:
                cursor.execute("UNLOCK TABLES")
                prepare(cursor, quoted, kind)
            if taken:
                yield sql
    finally:
        connection.rollback()
        connection.close()


@pytest.mark.parametrize("word", WORDS)
def test_no_statement_that_the_database_takes_is_missed(engine: Engine, word: str) -> None:
    taken = list(accepted(engine, word))
    if engine.dialect.name == "postgresql":
        # These are functions of PostgreSQL's there, not tables.
        taken = [each for each in taken if not is_function(word, each)]
    assert [each for each in taken if not unmarked_names(each, {word}, engine.dialect)] == []


def is_function(word: str, sql: str) -> bool:
    return word.startswith(("current_", "localtime", "session_user")) or word in (
        "user",
        "system_user",
    )


VALUES = (
    "SELECT {} FROM other",
    "SELECT DISTINCT {} FROM other WHERE {} > 1",
    "SELECT {} FROM other ORDER BY {}",
    "SELECT a AS {} FROM other",
    "UPDATE other SET {} = 1 WHERE {} = 2 AND {} IS NOT NULL",
    "SELECT CASE WHEN {} THEN 1 ELSE {} END FROM other",
    "SELECT ({}) FROM other",
    "SELECT count(*) FROM other GROUP BY {} HAVING {} = 1",
)


@pytest.mark.parametrize("sql", VALUES)
@pytest.mark.parametrize("word", ["user", "level", "key", "value", "date", "position", "plan"])
def test_a_column_of_that_name_is_none(engine: Engine, word: str, sql: str) -> None:
    reserved = engine.dialect.identifier_preparer.reserved_words
    if word not in keywords._ALSO_WORDS and word not in reserved:
        # Nothing else than a name, so that it counts wherever it stands.
        assert unmarked_names(sql.replace("{}", word), {word}, engine.dialect)
        return
    assert not unmarked_names(sql.replace("{}", word), {word}, engine.dialect)


@pytest.mark.parametrize(
    ("sql", "word"),
    [
        ("INSERT INTO other (a) VALUES (1) ON DUPLICATE KEY UPDATE a = 2", "key"),
        ("SELECT a FROM other FOR SHARE", "share"),
        ("SELECT a FROM other FOR NO KEY UPDATE", "key"),
        ("SELECT a FROM other FOR KEY SHARE", "share"),
        ("SELECT sum(a) OVER (ORDER BY a ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING)", "following"),
        ("SELECT sum(a) OVER (ORDER BY a ROWS UNBOUNDED PRECEDING)", "preceding"),
        ("SELECT log(a), max(a) FROM other", "log"),
        ("SELECT a FROM other ORDER BY a NULLS LAST FETCH FIRST ROW ONLY", "first"),
        ("SELECT CAST(a AS double precision) FROM other", "precision"),
        ("SELECT a::timestamp WITHOUT TIME ZONE FROM other", "zone"),
        ("SELECT extract(year FROM a) FROM other", "year"),
    ],
)
def test_a_keyword_of_that_name_is_none(engine: Engine, sql: str, word: str) -> None:
    assert not unmarked_names(sql, {word}, engine.dialect)


@pytest.fixture
def declarations() -> Iterator[None]:
    """Undo what is declared: such a name would count in the texts of other tests."""
    before = registry._state
    yield
    registry._state = before
    registry.generation += 1


@pytest.mark.usefixtures("declarations")
@pytest.mark.parametrize(
    "name", ["program", "eval", "readfile", "page_header", "lo_items", "dollar$", "a$$b", "roles"]
)
def test_a_confined_table_may_read_like_raw_sql(engine: Engine, name: str) -> None:
    metadata = MetaData()
    table = tenant_aware(tenant_table(name, metadata, Column("cost$", Integer)))
    with system_scope("set up"):
        metadata.create_all(engine)
    try:
        with tenant_scope("a"), engine.begin() as connection:
            connection.execute(insert(table).values({"id": 1, "cost$": 2}))
            connection.execute(insert(table), [{"id": 2, "cost$": 2}, {"id": 3, "cost$": 3}])
            connection.execute(update(table).values({"cost$": func.abs(-4)}).where(table.c.id == 1))
            connection.execute(delete(table).where(table.c.id == 3))
            found = select(table.c["cost$"], func.now()).order_by(table.c.id)
            assert connection.scalars(found).all() == [4, 2]
        with tenant_scope("b"), engine.begin() as connection:
            assert connection.scalars(select(table.c.id)).all() == []
            with pytest.raises(UnguardedStatementError):
                connection.exec_driver_sql(f"SELECT * FROM {name}")
    finally:
        with system_scope("tear down"):
            metadata.drop_all(engine)
