"""Comparisons that fail on another tenant's row, depending on its value."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import (
    Column,
    Engine,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    and_,
    bindparam,
    case,
    column,
    func,
    insert,
    literal,
    select,
    table,
    tuple_,
    union_all,
    update,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.functions import coalesce

from tenantshield_mw import UnguardedStatementError, tenant_scope
from tenantshield_mw.adapters.sqlalchemy import shared_across_tenants, tenant_aware
from tenantshield_mw.adapters.sqlalchemy.compiler.evaluation import risk_of
from tenantshield_mw.adapters.sqlalchemy.databases import Risk
from tests.databases import Database, database, require

metadata = MetaData()
BILL = tenant_aware(
    Table(
        "like_bill",
        metadata,
        Column("id", Integer, primary_key=True, autoincrement=False),
        Column("tenant_id", String(20), nullable=False),
        Column("note", String(40)),
    )
)
LINE = Table(
    "like_line",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("bill_id", ForeignKey(BILL.c.id), nullable=False),
    Column("note", String(40)),
)
RATE = shared_across_tenants(Table("like_rate", metadata, Column("text", String(40))))

BARE = table("like_bill", column("note"), column("id"))


def filled(name: Any) -> Iterator[Database]:
    require(name)
    with database(name) as here:
        engine = here.engine()
        metadata.create_all(engine)
        engine.dispose()
        here.run(
            "INSERT INTO like_bill VALUES (1, 'acme', '1'), (401, 'globex', 'secret')",
            "INSERT INTO like_line VALUES (1, 1, '1'), (401, 401, 'secret')",
        )
        yield here


@pytest.fixture(scope="module")
def mariadb() -> Iterator[Database]:
    yield from filled("mariadb")


@pytest.fixture(scope="module")
def postgresql() -> Iterator[Database]:
    yield from filled("postgresql")


@pytest.fixture
def on_mariadb(mariadb: Database) -> Iterator[Engine]:
    engine = mariadb.engine()
    yield engine
    engine.dispose()


@pytest.fixture
def on_postgresql(postgresql: Database) -> Iterator[Engine]:
    engine = postgresql.engine()
    yield engine
    engine.dispose()


NEW_YEAR = dt.date(2020, 1, 1)
UNLIKE: dict[str, Callable[[Any], Any]] = {
    "a number": lambda rows: rows.c.note == 5,
    "a list": lambda rows: rows.c.note.in_([5, 6]),
    "less": lambda rows: rows.c.note < 5,
    "a range": lambda rows: rows.c.note.between(1, 2),
    "a decimal": lambda rows: rows.c.note == Decimal("1.5"),
    "a date": lambda rows: rows.c.note == literal(NEW_YEAR),
    "another column": lambda rows: rows.c.note == rows.c.id,
    "a truth value": lambda rows: rows.c.note,
    "in AND": lambda rows: and_(rows.c.note, rows.c.id > 0),
    "a function": lambda rows: func.coalesce(rows.c.note, "x") == 5,
    "upper()": lambda rows: func.upper(rows.c.note) == 5,
    "CASE": lambda rows: case((rows.c.id > 0, rows.c.note), else_="x") == 5,
    "a tuple": lambda rows: tuple_(rows.c.note, rows.c.id).in_([(5, 401)]),
    "a parameter": lambda rows: rows.c.note == bindparam("given", 5, String()),
    "parameters": lambda rows: rows.c.note.in_(
        bindparam("given", [5, Decimal(6), 1.5], String(), expanding=True)
    ),
}
SOURCES: dict[str, Callable[[], Any]] = {
    "subquery": lambda: select(BILL).subquery(),
    "CTE": lambda: select(BILL).cte("rows"),
    "UNION": lambda: union_all(select(BILL), select(BILL)).subquery(),
    "tied": lambda: select(LINE).subquery(),
    "tied table": lambda: LINE,
    "bare table": lambda: select(BARE).subquery(),
}


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("unlike", UNLIKE)
def test_mariadb_converts_the_tenant_s_own_texts_only(
    on_mariadb: Engine, source: str, unlike: str
) -> None:
    rows = SOURCES[source]()
    condition = UNLIKE[unlike](rows)
    statements: list[Any] = [
        insert(RATE).from_select(["text"], select(rows.c.note).where(condition)),
        update(RATE).where(RATE.c.text == rows.c.note, condition).values(text="x"),
    ]
    for statement in statements:
        with on_mariadb.connect() as connection, tenant_scope("acme"):
            try:
                connection.execute(statement)
            except DBAPIError as error:
                assert "secret" not in str(error.orig)  # noqa: PT017  # own rows may fail.


@pytest.mark.parametrize(
    "condition",
    [
        BILL.c.note == "5",
        BILL.c.note.in_(["5"]),
        BILL.c.id == 5,
        BILL.c.id.between(1, 5),
        BILL.c.note.is_(None),
        func.length(BILL.c.note) > 5,
        func.lower(BILL.c.note) == "x",
        BARE.c.note == "5",
        tuple_(BILL.c.note, BILL.c.id).in_([("5", 401)]),
        BILL.c.note.like("a%"),
        BILL.c.note.contains("a"),
        BILL.c.note + "x" == "y",
    ],
    ids=str,
)
def test_what_is_alike_never_fails(condition: Any) -> None:
    assert risk_of(condition) is Risk.NONE


@pytest.mark.parametrize(
    "condition",
    [
        *(each(BILL) for each in UNLIKE.values() if "given" not in str(each(BILL))),
        BARE.c.note == 5,
        literal("x").like(BILL.c.note),
        BILL.c.note.endswith(BILL.c.note),
    ],
    ids=str,
)
def test_what_is_unlike_may_fail(condition: Any) -> None:
    assert risk_of(condition) is not Risk.NONE


PATTERNS: dict[str, Callable[[str], Any]] = {
    "LIKE": lambda given: LINE.c.note.like(given),
    "NOT LIKE": lambda given: LINE.c.note.not_like(given),
    "ILIKE": lambda given: LINE.c.note.ilike(given),
    "NOT ILIKE": lambda given: LINE.c.note.not_ilike(given),
    "endswith": lambda given: LINE.c.note.endswith(given),
    "iendswith": lambda given: LINE.c.note.iendswith(given),
    "concatenated": lambda given: LINE.c.note.like(literal("%") + given),
    "of a tenant's own table": lambda given: BILL.c.note.not_like(given),
}


@pytest.mark.parametrize("way", PATTERNS)
@pytest.mark.parametrize("given", ["sec\\", "xyz\\", "sec\\\\\\"])
def test_a_malformed_pattern_tells_nothing(on_postgresql: Engine, way: str, given: str) -> None:
    statement = select(1).where(PATTERNS[way](given))
    with (
        pytest.raises(UnguardedStatementError, match="escape character"),
        on_postgresql.connect() as connection,
        tenant_scope("acme"),
    ):
        connection.execute(statement)


@pytest.mark.parametrize("way", PATTERNS)
@pytest.mark.parametrize("given", ["1", "%", "sec\\\\", "sec\\%", "sec/"])
def test_another_pattern_is_let_through(on_postgresql: Engine, way: str, given: str) -> None:
    with on_postgresql.connect() as connection, tenant_scope("acme"):
        connection.execute(select(1).where(PATTERNS[way](given)))


def test_the_escape_character_is_the_given_one(on_postgresql: Engine) -> None:
    with on_postgresql.connect() as connection, tenant_scope("acme"):
        connection.execute(select(1).where(LINE.c.note.like("sec\\", escape="/")))
        with pytest.raises(UnguardedStatementError, match="escape character"):
            connection.execute(select(1).where(LINE.c.note.like("sec/", escape="/")))


def test_a_pattern_of_a_row_is_settled_first(on_postgresql: Engine, postgresql: Database) -> None:
    postgresql.run("UPDATE like_line SET note = 'sec\\' WHERE id = 401")
    with on_postgresql.connect() as connection, tenant_scope("acme"):
        statement = select(LINE.c.id).where(~literal("secret").like(LINE.c.note))
        assert connection.execute(statement).all() == [(1,)]
    postgresql.run("UPDATE like_line SET note = 'secret' WHERE id = 401")


# -- functions of a schema that have the name of one of the database's ---------------


def test_a_function_of_a_schema_is_not_the_database_s(
    on_postgresql: Engine, postgresql: Database
) -> None:
    postgresql.run(
        "CREATE SCHEMA strict",
        "CREATE FUNCTION strict.lower(text) RETURNS text LANGUAGE plpgsql COST 1 AS $$ BEGIN"
        " IF $1 LIKE 'sec%' THEN RAISE EXCEPTION 'saw %', $1; END IF; RETURN $1; END $$",
    )
    rows = select(LINE).subquery()
    statements: list[Any] = [
        select(LINE.c.id).where(func.strict.lower(LINE.c.note) == "1"),
        select(rows.c.id).where(func.strict.lower(rows.c.note) == "1"),
        select(LINE.c.id).join(RATE, func.strict.lower(LINE.c.note) == "1", isouter=True),
        update(LINE).where(func.strict.lower(LINE.c.note) == "1").values(note="1"),
    ]
    for statement in statements:
        with on_postgresql.connect() as connection, tenant_scope("acme"):
            connection.execute(statement)


@pytest.mark.parametrize("name", ["nullif", "max", "min", "coalesce"])
def test_a_function_of_a_schema_proves_nothing(on_postgresql: Engine, name: str) -> None:
    key = getattr(func.strict, name)(select(BILL.c.id).scalar_subquery())
    with (
        pytest.raises(UnguardedStatementError),
        on_postgresql.connect() as connection,
        tenant_scope("acme"),
    ):
        connection.execute(update(LINE).values(bill_id=key))


class Other(coalesce[Any]):
    """The application's own, in the place of SQLAlchemy's."""

    name = "other"
    inherit_cache = True


def test_a_subclass_with_another_name_proves_nothing(on_postgresql: Engine) -> None:
    key = Other(select(BILL.c.id).scalar_subquery())
    with (
        pytest.raises(UnguardedStatementError),
        on_postgresql.connect() as connection,
        tenant_scope("acme"),
    ):
        connection.execute(update(LINE).values(bill_id=key))
