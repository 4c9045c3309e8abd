"""Names of tenant-aware tables that something other than the guard has rendered."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy
from sqlalchemy import (
    Column,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    column,
    insert,
    literal,
    select,
    table,
    text,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.expression import ClauseElement, ColumnElement, Executable, Insert

from tenantshield_mw import UnguardedStatementError, system_scope, tenant_scope
from tenantshield_mw.adapters.sqlalchemy import shared_across_tenants, tenant_aware
from tests.commands import ROOT
from tests.databases import NAMES, Database, database, require
from tests.tstrings import Interpolated, tstring

from ..schemas import child_table, tenant_table

METADATA = MetaData()
BILL = tenant_aware(
    tenant_table(
        "named_bill", METADATA, Column("slug", String(50), unique=True), Column("note", String(50))
    )
)
ROW = child_table(
    "named_row",
    METADATA,
    Column("text", String(50)),
    Column("bill_id", ForeignKey("named_bill.id"), nullable=False),
)
CODE = shared_across_tenants(
    Table("named_code", METADATA, Column("code", String(50), primary_key=True))
)
STORED = [(1, "acme", "acme", "acme"), (401, "globex", "globex", "globex")]


@pytest.fixture(scope="module", params=NAMES)
def db(request: pytest.FixtureRequest) -> Iterator[Database]:
    require(request.param)
    with database(request.param) as here:
        engine = here.engine()
        METADATA.create_all(engine)
        with system_scope("a test"), engine.begin() as connection:
            keys = ("id", "tenant_id", "slug", "note")
            connection.execute(insert(BILL), [dict(zip(keys, row, strict=True)) for row in STORED])
            connection.execute(
                insert(ROW), [{"id": i, "bill_id": i, "text": t} for i, t, *_ in STORED]
            )
            connection.execute(insert(CODE).values(code="do"))
        engine.dispose()
        yield here


def refused(db: Database, statement: Any, match: str | None = None) -> None:
    """Execute ``statement`` for acme, and check that it is refused and changes nothing."""
    engine = db.engine()
    with (
        tenant_scope("acme"),
        engine.begin() as connection,
        pytest.raises(UnguardedStatementError, match=match),
    ):
        connection.execute(statement)
    engine.dispose()
    assert db.read("SELECT id, tenant_id, slug, note FROM named_bill ORDER BY id") == STORED
    assert db.read("SELECT id, text FROM named_row ORDER BY id") == [(1, "acme"), (401, "globex")]


@pytest.mark.parametrize(
    "sql",
    [
        """SELECT note AS "it's" FROM named_bill ORDER BY "it's" """,
        """SELECT note AS `it's` FROM named_bill ORDER BY `it's` """,
        """SELECT '"', note, '"' FROM named_bill""",
        """SELECT "a", '"', note, '"' FROM named_bill""",
    ],
)
def test_an_apostrophe_in_a_name_begins_no_literal(db: Database, sql: str) -> None:
    refused(db, text(sql), "named_bill")
    engine = db.engine()
    with (
        tenant_scope("acme"),
        engine.connect() as connection,
        pytest.raises(UnguardedStatementError, match="named_bill"),
    ):
        connection.exec_driver_sql(sql)
    engine.dispose()


def test_nor_does_one_in_brackets_where_these_are_quotes(db: Database) -> None:
    if db.name == "sqlite":
        sql = "SELECT note AS [it's], 'a' AS b FROM named_bill ORDER BY [it's]"
        refused(db, text(sql), "named_bill")


class Emptied(Executable, ClauseElement):
    """A statement of the application."""

    inherit_cache = False

    def __init__(self, target: Table, sql: str) -> None:
        self.target = target
        self.sql = sql


@compiles(Emptied)
def _(element: Emptied, compiler: Any, **kw: Any) -> str:
    return element.sql.format(
        compiler.preparer.format_table(element.target),
        compiler.preparer.quote(element.target.name),
    )


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM {0}",
        "DELETE FROM {1}",
        "DELETE FROM/**/{0}",
        "UPDATE {0} SET id = 1",
        "TRUNCATE TABLE {0}",
        "SELECT * FROM named_code JOIN {0} ON 1 = 1",
        "SELECT * FROM ({0})",
        "INSERT INTO {0} (id) VALUES (7)",
    ],
)
@pytest.mark.parametrize("target", [BILL, ROW], ids=str)
def test_a_statement_of_the_applications_own_is_refused(
    db: Database, target: Table, sql: str
) -> None:
    refused(db, Emptied(target, sql), target.name)


class Total(ColumnElement[Any]):
    inherit_cache = False

    def __init__(self, target: Table) -> None:
        self.target = target
        self.type = Integer()


@compiles(Total)
def _(element: Total, compiler: Any, **kw: Any) -> str:
    return f"(SELECT max(note) FROM {compiler.process(element.target, asfrom=True)})"


def test_a_table_is_rendered_once_where_it_is_confined(db: Database) -> None:
    refused(db, select(BILL.c.id, Total(BILL)), "cannot be confined")
    refused(db, select(BILL.c.id).where(Total(BILL) == "x"), "cannot be confined")


def test_a_column_is_no_table(db: Database) -> None:
    for words in ("FROM", "from\n", "FROM named_code,", "FROM named_code JOIN", "FROM ("):
        refused(db, select(column("note").op(words)(column("named_bill"))))


@pytest.mark.skipif(not hasattr(sqlalchemy, "tstring"), reason="new in SQLAlchemy 2.1")
def test_a_column_is_no_table_in_a_template(db: Database) -> None:
    for before in ("SELECT note FROM ", "SELECT note FROM named_code, "):
        refused(db, tstring(before, Interpolated(column("named_bill"))), "named_bill")


class Upsert(Insert):
    inherit_cache = False


def over(db: Database, key: str, name: str) -> str:
    """Return the clause that writes over a conflicting row."""
    if db.name == "mariadb":
        return f" ON/**/DUPLICATE KEY UPDATE {name} = 'x'"
    return f" ON CONFLICT ({key}) DO/**/UPDATE SET {name} = 'x'"


@compiles(Upsert)
def _(element: Upsert, compiler: Any, **kw: Any) -> str:
    rendered: str = compiler.visit_insert(element, **kw)
    return rendered + element.tail  # type: ignore[attr-defined,no-any-return]


def test_an_upsert_construct_of_the_application_is_refused(db: Database) -> None:
    mine = Upsert(BILL).values(id=9, slug="globex", note="m").inline()
    mine.tail = over(db, "slug", "note")  # type: ignore[attr-defined]
    refused(db, mine, "conflicting rows")


def test_raw_sql_after_the_rows_of_an_insert_is_not_an_upsert(db: Database) -> None:
    source = (
        select(literal(401), BILL.c.id, literal("m"))
        .where(BILL.c.id == 1)
        .order_by(text("1" + over(db, "id", "text")))
    )
    refused(db, insert(ROW).from_select(["id", "bill_id", "text"], source))


@pytest.mark.skipif(
    not hasattr(sqlalchemy.sql.base, "SyntaxExtension"), reason="new in SQLAlchemy 2.1"
)
def test_an_extension_that_takes_no_strings_is_not_found(db: Database) -> None:
    base: Any = getattr(sqlalchemy.sql.base, "SyntaxExtension")  # noqa: B009

    class Conflict(base, ClauseElement):  # type: ignore[misc]
        inherit_cache = False

        def apply_to_insert(self, statement: Any) -> None:
            statement.apply_syntax_extension_point(lambda there: [*there, self], "post_values")

    tail = over(db, "slug", "note")
    compiles(Conflict)(lambda element, compiler, **kw: tail)
    mine: Any = insert(BILL).values(id=9, slug="globex", note="m")
    refused(db, mine.ext(Conflict()), "conflicting rows")


def test_what_only_reads_like_it_in_a_value_is_one(db: Database) -> None:
    engine = db.engine()
    with tenant_scope("acme"), engine.begin() as connection:
        sql = "SELECT code FROM named_code WHERE code IN ('to do', 'do', 'DROP DATABASE x')"
        assert connection.scalars(text(sql)).all() == ["do"]
        assert connection.exec_driver_sql(sql).scalars().all() == ["do"]
    engine.dispose()


def test_a_cte_may_have_the_name_of_a_table_that_it_selects_from(db: Database) -> None:
    inner = select(BILL.c.id, BILL.c.note).cte("named_other")
    engine = db.engine()
    with tenant_scope("acme"), engine.connect() as connection:
        assert connection.execute(select(inner)).all() == [(1, "acme")]
    engine.dispose()


def test_postgresql_cuts_names() -> None:
    name = "named_bill_" * 5 + "archived"
    metadata = MetaData()
    assert len(name) == 63
    tenant_aware(Table(name, metadata, Column("id", Integer), Column("tenant_id", String(50))))
    with database("postgresql") as here:
        engine = here.engine()
        metadata.create_all(engine)
        here.run(f"INSERT INTO {name} VALUES (401, 'globex')")
        with tenant_scope("acme"), engine.connect() as connection:
            statements: list[Any] = [
                text(f"SELECT * FROM {name}s"),
                text(f'SELECT * FROM "{name}_of_old"'),
                select(column("id")).select_from(table(f"{name}s")),
            ]
            for statement in statements:
                with pytest.raises(UnguardedStatementError):
                    connection.execute(statement)
        engine.dispose()


WORDS = """
import sys
from sqlalchemy import *
from sqlalchemy.exc import DBAPIError
from tenantshield_mw import UnguardedStatementError, system_scope, tenant_scope
from tenantshield_mw.adapters.sqlalchemy import tenant_aware
from tests.databases import NAMES, database, why_unavailable

words = sys.argv[1:]
metadata = MetaData()
tables = [
    tenant_aware(
        Table(
            word,
            metadata,
            Column("id", Integer, primary_key=True),
            Column("tenant_id", String(50)),
            Column("at", Date),
        )
    )
    for word in words
]
for name in NAMES:
    if why_unavailable(name) is not None:
        continue
    with database(name) as here:
        engine = here.engine()
        metadata.create_all(engine)
        for table in tables:
            for number, tenant in enumerate(("acme", "globex"), 1):
                with tenant_scope(tenant), engine.begin() as connection:
                    connection.execute(insert(table).values(id=number))
            with tenant_scope("acme"), engine.begin() as connection:
                counted = select(table.c.id, func.count(), case((table.c.id == 1, 1), else_=2))
                grouped = counted.group_by(table.c.id).order_by(table.c.id)
                assert connection.execute(grouped).all() == [(1, 1, 1)], table
                ranked = select(func.rank().over(partition_by=table.c.id, order_by=table.c.at))
                assert connection.scalars(ranked).all() == [1], table
                connection.execute(select(cast(table.c.at, Date), cast(table.c.id, String(5))))
                connection.execute(update(table).values(at=None))
                connection.execute(select(table.c.id).where(exists().where(table.c.id == 1)))
                quote = engine.dialect.identifier_preparer.quote_identifier(table.name)
                raws = [f"SELECT id FROM {quote}", f"DELETE FROM {quote}"]
                if table.name not in engine.dialect.identifier_preparer.reserved_words:
                    raws += [f"SELECT id FROM {table.name}", f"SELECT 1 FROM x, {table.name}"]
                for raw in raws:
                    for run in (connection.exec_driver_sql, lambda s: connection.execute(text(s))):
                        try:
                            run(raw)
                        except UnguardedStatementError:
                            continue
                        raise AssertionError((name, raw))
                assert connection.execute(delete(table)).rowcount == 1, table
            assert here.read(f"SELECT id FROM {quote}") == [(2,)], table
        engine.dispose()
"""


def test_tables_may_be_named_like_words_of_the_language() -> None:
    words = "order group case count rank date text values version database user set select check"
    # In a separate process, since declarations last as long as the process.
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", WORDS, *words.split()],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
