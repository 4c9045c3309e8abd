"""Raw SQL that names no table to whoever reads it, or shows what other statements held."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy import (
    Integer,
    String,
    cast,
    column,
    func,
    literal,
    literal_column,
    select,
    table,
    text,
)
from sqlalchemy.dialects.postgresql import TSQUERY

from tests.leaks.catalogue import path, reads
from tests.leaks.hand import Hand
from tests.leaks.schema import Models

MARIADB: Final[dict[str, Any]] = {"only": "mariadb", "why": "no executable comments"}
POSTGRESQL: Final[dict[str, Any]] = {"only": "postgresql", "why": "no such function"}

# Statements that MariaDB executes out of comments.


def executed(
    name: str, sql: str, *, then: str = "", at_last: str = "", by_driver: bool = False
) -> None:
    def run(hand: Hand, m: Models) -> Any:
        def send(each: str) -> Any:
            if by_driver:
                return hand.connection.exec_driver_sql(each)
            return hand.session.execute(text(each))

        first = send(sql)
        found = first.all() if first.returns_rows else []
        found += send(then).all() if then else []
        if at_last:
            send(at_last)
        return [found, "own end"]

    run.__module__ = __name__
    path(f"disguised: {name}", **MARIADB)(run)


NAMED = "'SELECT note FROM acct_invoice'"
BUILT = "concat('SELECT note FROM acct_', 'invoice')"

executed("/*!EXECUTE*/ IMMEDIATE", f"/*!EXECUTE*/ IMMEDIATE {BUILT}")
executed("/*!EXECUTE*/ IMMEDIATE, as driver SQL", f"/*!EXECUTE*/ IMMEDIATE {NAMED}", by_driver=True)
executed("/*!EXECUTE IMMEDIATE*/", f"/*!EXECUTE IMMEDIATE*/ {BUILT}")
executed("EXECUTE /*!IMMEDIATE*/", f"EXECUTE /*!IMMEDIATE*/ {BUILT}")
executed("/*!50000 EXECUTE*/ IMMEDIATE", f"/*!50000 EXECUTE*/ IMMEDIATE {BUILT}")
executed("/*M!EXECUTE*/ IMMEDIATE", f"/*M!EXECUTE*/ IMMEDIATE {BUILT}")
executed("/*M!100000 EXECUTE */IMMEDIATE", f"/*M!100000 EXECUTE */IMMEDIATE {BUILT}")
executed("the whole of EXECUTE IMMEDIATE", f"/*!EXECUTE IMMEDIATE {BUILT}*/")
executed("/*!PREPARE*/", f"/*!PREPARE*/ s FROM {BUILT}", then="EXECUTE s")
executed(
    "/*!PREPARE*/, as driver SQL", f"/*!PREPARE*/ s FROM {NAMED}", then="EXECUTE s", by_driver=True
)
executed("/*M!PREPARE s*/ FROM", f"/*M!PREPARE s*/ FROM {BUILT}", then="EXECUTE s")
executed("PREPARE s /*!FROM*/", f"PREPARE s /*!FROM*/ {BUILT}", then="/*!EXECUTE*/ s")
executed("PREPARE out of a variable", f"SET @q = {BUILT}", then="EXECUTE IMMEDIATE @q")
executed("a compound statement", f"BEGIN NOT ATOMIC EXECUTE IMMEDIATE {BUILT}; END")
executed("a name in an executable comment", "SELECT note FROM /*!acct_invoice*/")
executed("a name in MariaDB's executable comment", "SELECT note FROM /*M!100100 acct_invoice */")
executed(
    "/*!HANDLER*/",
    "/*!HANDLER*/ acct_invoice OPEN AS h",
    then="/*!HANDLER*/ h READ NEXT LIMIT 99",
    at_last="HANDLER h CLOSE",
)

# Functions that are told a table by a string.


def told(name: str, expression: Callable[[], Any], **options: Any) -> None:
    reads(
        f"function: {name}",
        lambda m: select(literal("own ") + cast(expression(), String)),
        **{**POSTGRESQL, **options},
    )


def named(name: str, sql: str, **options: Any) -> None:
    def run(hand: Hand, m: Models) -> Any:
        return [*hand.session.execute(text(hand.named(sql))).all(), "own end"]

    run.__module__ = __name__
    path(f"function: {name}", **{**POSTGRESQL, **options})(run)


QUERY = "SELECT 'x'::tsquery, plainto_tsquery('simple', note) FROM acct_invoice WHERE id = 401"

told("ts_rewrite()", lambda: func.ts_rewrite(cast(literal("x"), TSQUERY), QUERY))
told(
    "ts_rewrite() of a query that is put together",
    lambda: func.ts_rewrite(
        cast(literal("x"), TSQUERY), func.replace(QUERY.replace("acct_", "acct?"), "?", "_")
    ),
)
told(
    "pg_catalog.ts_rewrite()",
    lambda: func.pg_catalog.ts_rewrite(cast(literal("x"), TSQUERY), QUERY),
)
named("ts_rewrite(), as text", f"SELECT ts_rewrite('x'::tsquery, $q${QUERY}$q$)::text")
named(
    "ts_rewrite(), as text, quoted and with a schema",
    f"""SELECT "pg_catalog" . "ts_rewrite"('x'::tsquery, $q${QUERY}$q$)::text""",
)
reads(
    "function: ts_stat(), as a construct",
    lambda m: select(
        literal("own ")
        + func.ts_stat("SELECT to_tsvector(note) FROM acct_invoice").table_valued("word").c.word
    ),
    **POSTGRESQL,
)
reads(
    "function: ts_stat() of a query that is put together, as a construct",
    lambda m: select(
        literal("own ")
        + func.ts_stat(literal("SELECT to_tsvector(note) FROM acct_") + "invoice")
        .table_valued("word")
        .c.word
    ),
    **POSTGRESQL,
)

FILES: Final[dict[str, Any]] = {
    **POSTGRESQL,
    "why_not": {"policies": "the role of the application reads no files"},
}


def filed(name: str, statement: Callable[[], Any]) -> None:
    def run(hand: Hand, m: Models) -> Any:
        hand.make("CHECKPOINT")
        return [*hand.session.execute(statement()).all(), "own end"]

    path(f"function: {name}", **FILES)(run)


filed(
    "pg_read_binary_file() of pg_relation_filepath()",
    lambda: select(func.pg_read_binary_file(func.pg_relation_filepath("acct_invoice"))),
)
filed(
    "pg_read_binary_file() of pg_relation_filepath(), as text",
    lambda: text("SELECT pg_read_binary_file(pg_relation_filepath('acct_' || 'invoice'))"),
)
filed(
    "pg_read_binary_file() of a file in pg_class",
    lambda: text(
        "SELECT pg_read_binary_file(pg_relation_filepath(oid)) FROM pg_class "
        "WHERE relname LIKE 'acct_invoic%' AND relkind = 'r'"
    ),
)

# What the planner keeps of values.


@path("function: the planner's own catalogue", only="postgresql", why="kept elsewhere")
def _(hand: Hand, m: Models) -> Any:
    hand.session.execute(text("ANALYZE"))
    sql = "SELECT stavalues1::text FROM pg_statistic WHERE stavalues1::text LIKE '%own%'"
    return [*hand.session.execute(text(sql)).all(), "own end"]


def kept(name: str, statement: Callable[[], Any]) -> None:
    def run(hand: Hand, m: Models) -> Any:
        hand.make("ANALYZE TABLE acct_invoice PERSISTENT FOR ALL")
        return [*hand.session.execute(statement()).all(), "own end"]

    path(f"function: {name}", only="mariadb", why="kept elsewhere")(run)


kept("the planner's statistics", lambda: text("SELECT min_value FROM mysql.column_stats"))
kept(
    "the planner's statistics, by a table()",
    lambda: select(column("min_value"), column("max_value")).select_from(
        table("column_stats", schema="mysql")
    ),
)
kept(
    "the planner's statistics, quoted",
    lambda: text("SELECT max_value FROM `mysql` . `column_stats` WHERE db_name = database()"),
)

# What shows other statements, and what they were told.


@contextmanager
def idle(hand: Hand) -> Generator[None, None, None]:
    """Let another connection have executed something that holds a value of another's."""
    with hand.driver() as other:
        cursor = other.cursor()
        cursor.execute("SELECT 'bravo secret'")
        cursor.fetchall()
        yield
        cursor.close()


@contextmanager
def waiting(hand: Hand) -> Generator[None, None, None]:
    """Let another connection wait in a statement that holds a value of another's."""
    lock = f"acct_{uuid.uuid4().hex}"
    with hand.driver() as holder, hand.driver() as other:
        cursor, blocked = holder.cursor(), other.cursor()
        cursor.execute(f"SELECT get_lock('{lock}', 1)")
        thread = threading.Thread(
            target=lambda: blocked.execute(f"SELECT get_lock('{lock}', 30), 'bravo secret'")
        )
        thread.start()
        waits = 0
        while not waits and thread.is_alive():
            cursor.execute(
                "SELECT count(*) FROM information_schema.processlist "
                f"WHERE state LIKE 'User lock%' AND info LIKE '%{lock}%secret%'"
            )
            (waits,) = cursor.fetchone()
        try:
            yield
        finally:
            cursor.execute(f"SELECT release_lock('{lock}')")
            thread.join()


def shown(name: str, sql: str, database: str, **options: Any) -> None:
    def run(hand: Hand, m: Models) -> Any:
        with idle(hand) if hand.database == "postgresql" else waiting(hand):
            return [*hand.session.execute(text(sql)).all(), "own end"]

    run.__module__ = __name__
    path(f"shown: {name}", only=database, why="other names of it", **options)(run)


SESSIONS = "the sessions of a role are not rows, and have no policies"

shown("SHOW PROCESSLIST", "SHOW FULL PROCESSLIST", "mariadb")
shown("SHOW PROCESSLIST with a comment", "show/**/processlist -- x", "mariadb")
shown("/*!SHOW*/ PROCESSLIST", "/*!SHOW*/ FULL PROCESSLIST", "mariadb")
shown(
    "information_schema.processlist",
    "SELECT info FROM information_schema.processlist",
    "mariadb",
)
shown(
    "information_schema.processlist in quotes",
    "SELECT info FROM `INFORMATION_SCHEMA` . `PROCESSLIST`",
    "mariadb",
)
shown(
    "pg_stat_activity", "SELECT query FROM pg_stat_activity", "postgresql", beyond_policies=SESSIONS
)
shown(
    "pg_stat_activity in quotes",
    'SELECT query FROM "pg_catalog"."pg_stat_activity"',
    "postgresql",
    beyond_policies=SESSIONS,
)
shown(
    "pg_stat_get_activity()",
    "SELECT query FROM pg_stat_get_activity(NULL)",
    "postgresql",
    beyond_policies=SESSIONS,
)
shown(
    "pg_stat_get_backend_activity()",
    "SELECT pg_stat_get_backend_activity(s) FROM pg_stat_get_backend_idset() s",
    "postgresql",
    beyond_policies=SESSIONS,
)


def constructed(name: str, statement: Callable[[], Any], database: str, **options: Any) -> None:
    def run(hand: Hand, m: Models) -> Any:
        with idle(hand) if hand.database == "postgresql" else waiting(hand):
            return [*hand.session.execute(statement()).all(), "own end"]

    run.__module__ = __name__
    path(f"shown: {name}", only=database, why="other names of it", **options)(run)


constructed(
    "a table() of pg_stat_activity",
    lambda: select(column("query")).select_from(table("pg_stat_activity")),
    "postgresql",
    beyond_policies=SESSIONS,
)
constructed(
    "a function of its own, pg_stat_get_backend_activity()",
    lambda: select(func.pg_stat_get_backend_activity(literal_column("s"))).select_from(
        func.pg_stat_get_backend_idset().alias("s")
    ),
    "postgresql",
    beyond_policies=SESSIONS,
)
constructed(
    "a table() of information_schema.processlist",
    lambda: select(column("info")).select_from(table("processlist", schema="information_schema")),
    "mariadb",
)


@path("shown: SHOW WARNINGS of a statement that was refused a cast", only="mariadb", why="no SHOW")
def _(hand: Hand, m: Models) -> Any:
    line = m.InvoiceLine.__table__
    hand.session.execute(select(line.c.id).where(cast(line.c.price, Integer) > 0)).all()
    return [*hand.session.execute(text("SHOW WARNINGS")).all(), "own end"]
