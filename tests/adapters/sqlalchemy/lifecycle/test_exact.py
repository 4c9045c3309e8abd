"""A file holds what the database has, or the export is refused before anything can be erased."""

from __future__ import annotations

import json
from collections.abc import Generator
from typing import Any

import pytest
from sqlalchemy import (
    ARRAY,
    JSON,
    REAL,
    Boolean,
    Column,
    Date,
    DateTime,
    Double,
    Engine,
    Float,
    Integer,
    Interval,
    MetaData,
    Numeric,
    String,
    Table,
    Text,
    Time,
    Uuid,
    create_engine,
)
from sqlalchemy.dialects import mysql
from sqlalchemy.dialects.postgresql import DATERANGE, JSONB, TSTZRANGE

from tenantshield_mw import system_scope, tenant_scope
from tenantshield_mw.adapters.sqlalchemy import tenant_aware
from tenantshield_mw.adapters.sqlalchemy.lifecycle.exact import settle_texts
from tenantshield_mw.adapters.sqlalchemy.lifecycle.rows import TableRows
from tenantshield_mw.adapters.sqlalchemy.lifecycle.storing import Insertion
from tenantshield_mw.adapters.sqlalchemy.lifecycle.values import UnfitValueError
from tests.databases import NAMES, Database, DatabaseName, database

LONG = "123456789012345.123456789012345"
DOCUMENTS = ARRAY(JSONB, dimensions=1)

KEPT: dict[str, list[tuple[Any, str]]] = {
    "sqlite": [
        (Numeric(), "1.234e-12"),
        (Numeric(), "1.5"),
        (Numeric(), "5"),
        (Numeric(asdecimal=False), "0.1"),
        (Float(asdecimal=True), "1.234e-12"),
        (Float(), "9e999"),
        (JSON(), """'{"a": 1.5}'"""),
        (JSON(), "5"),
        (JSON(), "'null'"),
        (JSON(), "NULL"),
        (Boolean(), "1"),
        (DateTime(), "'2024-01-01 10:00:00'"),
        (Date(), "'2024-01-01'"),
        (Time(), "'10:00:00.123456'"),
        (Interval(), "'1970-01-02 00:00:01'"),
        (Uuid(), "'abcdef00000000000000000000000000'"),
    ],
    "postgresql": [
        (REAL(), "1.2345678806"),
        (Double(), "24719108595227930"),
        (Double(), "'-Infinity'"),
        (Float(asdecimal=True), "1.234e-12"),
        (Numeric(30, 15, asdecimal=False), LONG),
        (Numeric(), "'NaN'"),
        (JSONB(), f"""'{{"a": [1.5, {2**90}]}}'"""),
        (JSONB(), "'null'"),
        (JSONB(), "NULL"),
        (ARRAY(Integer), "'{{5,6},{7,NULL}}'"),
        (ARRAY(Text), """'{"a,b","NULL",NULL}'"""),
        (ARRAY(Numeric(asdecimal=False)), f"'{{{LONG},NULL}}'"),
        (ARRAY(Float), "'{1.5,NaN}'"),
        (DOCUMENTS, """'{"null","{\\"a\\": 1.5}"}'"""),
        (ARRAY(JSONB(none_as_null=True), dimensions=1), "'{NULL,1}'"),
        (Interval(), "'-1 days +23:00:00.5'"),
        (Interval(), "'3 days'"),
        (Interval(native=False), "'1970-01-02 00:00:01'"),
        (ARRAY(Interval, dimensions=1), "'{3 days,NULL}'"),
        (DateTime(timezone=True), "'2026-01-01 10:00:00.123456-05'"),
        (ARRAY(DateTime), "'{{2026-01-01 10:00:00.123456},{NULL}}'"),
        (ARRAY(Text), "'{infinity,12345-}'"),
        (TSTZRANGE(), "'[2026-01-01 10:00:00.123456-05,)'"),
        (Uuid(native_uuid=False), f"'{'0a' * 16}'"),
    ],
    "mariadb": [
        (Float(), "1.2345678806"),
        (mysql.FLOAT(), "16777217"),
        (mysql.FLOAT(7, 4), "123.4567"),
        (mysql.DOUBLE(), "1.2345678901234567"),
        (mysql.DOUBLE(), "1.7976931348623157e308"),
        (mysql.DOUBLE(20, 10), "1.5"),
        (mysql.REAL(), "0.000000000001234"),
        (Double(), "-1.2345678901234567e-300"),
        (Float(asdecimal=True), "1.234e-12"),
        (Numeric(30, 15, asdecimal=False), LONG),
        (JSON(), """'{"a": 1.5}'"""),
        (JSON(), "'null'"),
        (JSON(), "NULL"),
        (Boolean(), "1"),
        (mysql.TIME(fsp=3), "'01:30:00.5'"),
        (mysql.DATETIME(fsp=6), "'2024-01-01 10:00:00.123456'"),
        (Date(), "'2024-02-03'"),
        (Uuid(as_uuid=False, native_uuid=False), f"'{'0a' * 16}'"),
    ],
}
REFUSED: dict[str, list[tuple[Any, str]]] = {
    "sqlite": [
        (Numeric(), str(2**53 + 1)),
        (JSON(), """'{"a": 12345678901234567890.123456789}'"""),
        (JSON(), """'{"a": 1, "a": 2}'"""),
        (Boolean(), "2"),
        (DateTime(), "'2024-01-01 10:00:00.1234567'"),
        (DateTime(), "'2024-01-01T10:00:00+02:00'"),
        (Date(), "'2024-01-01 10:00:00'"),
        (Uuid(), "'ABCDEF00000000000000000000000000'"),
    ],
    "postgresql": [
        (JSONB(), "'0.12345678901234567890123'"),
        (JSON(), "'1e400'"),
        (JSON(), """'{"a": 1, "a": 2}'"""),
        (ARRAY(Integer), "'[0:1]={5,6}'"),
        (ARRAY(Float), "'[0:1]={5,6}'"),
        (DOCUMENTS, """'{NULL,"null"}'"""),
        (ARRAY(JSONB(none_as_null=True), dimensions=1), """'{"null"}'"""),
        (Interval(), "'1 month'"),
        (Interval(), "'36:00:00'"),
        (Interval(), "'-01:00:00'"),
        (ARRAY(Interval, dimensions=1), "'{1 month}'"),
        (ARRAY(Text), "'[0:1]={a,b}'"),
        (Uuid(native_uuid=False), f"'{'0A' * 16}'"),
    ],
    "mariadb": [
        (Time(), "'30:00:00'"),
        (mysql.TIME(fsp=3), "'-01:30:00.5'"),
        (JSON(), "'12345678901234567890.123456789'"),
        (JSON(), """'{"a": 1, "a": 2}'"""),
        (Boolean(), "2"),
        (Uuid(native_uuid=False), f"'{'0A' * 16}'"),
        (Uuid(as_uuid=False, native_uuid=False), f"'{'0A' * 16}'"),
    ],
}
TEXTS = {
    # A FLOAT has more digits than MariaDB's text of it.
    "mariadb": "CONCAT(value, ' ', value + 0e0)",
    "postgresql": "CAST(value AS text)",
    "sqlite": "value",
}


@pytest.fixture(scope="module", params=NAMES)
def here(request: pytest.FixtureRequest) -> Generator[tuple[Database, Engine]]:
    name: DatabaseName = request.param
    with database(name) as made:
        engine = made.engine()
        yield made, engine
        engine.dispose()


def table_with(here: tuple[Database, Engine], type_: Any, value: str) -> TableRows:
    """Make the table with one row, whose value is written as SQL."""
    made, engine = here
    key = Column("id", Integer, primary_key=True, autoincrement=False)
    table = Table("exact", MetaData(), key, Column("tenant_id", String(20)), Column("value", type_))
    tenant_aware(table)
    made.run("DROP TABLE IF EXISTS exact")
    with system_scope("create"):
        table.create(engine)
    made.run(f"INSERT INTO exact VALUES (1, 'acme', {value})")
    return TableRows(table, engine.dialect)


@pytest.mark.filterwarnings("ignore:Dialect sqlite")
def test_what_comes_back_is_what_the_database_had(here: tuple[Database, Engine]) -> None:
    made, engine = here
    for type_, value in KEPT[made.name]:
        rows = table_with(here, type_, value)
        with tenant_scope("acme"), engine.begin() as connection:
            # Nobody's own setting takes digits away.
            settle_texts(connection)
            (written,) = rows.written(connection)
            again = {**json.loads(json.dumps(written, allow_nan=False)), "id": 2}
            insertion = Insertion(rows)
            connection.execute(insertion.statement, insertion.parameters([again]))
            first, second = rows.written(connection)
        assert first["value"] == second["value"], (type_, value)
        if not isinstance(type_, DateTime | Interval) or made.name != "sqlite":
            one, two = made.read(f"SELECT {TEXTS[made.name]} FROM exact ORDER BY id")
            assert one == two, (type_, value)


def test_what_would_be_changed_is_refused_without_it(here: tuple[Database, Engine]) -> None:
    made, engine = here
    for type_, value in REFUSED[made.name]:
        rows = table_with(here, type_, value)
        with tenant_scope("acme"), engine.begin() as connection:
            settle_texts(connection)
            with pytest.raises(UnfitValueError, match=r"^exact\.value holds a value") as caught:
                list(rows.written(connection))
        assert value.strip("'") not in str(caught.value), (type_, value)


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        (Date(), "'infinity'"),
        (DateTime(), "'-infinity'"),
        (DATERANGE(), "'[2026-01-01,infinity)'"),
        (ARRAY(Date), "'[0:0]={2026-01-01}'"),
    ],
)
def test_days_that_python_does_not_have_are_refused_with_an_older_driver(
    type_: Any, value: str
) -> None:
    with database("postgresql") as made:
        engine = create_engine(made.url.set(drivername="postgresql+psycopg2"))
        rows = table_with((made, engine), type_, value)
        with tenant_scope("acme"), engine.begin() as connection:
            settle_texts(connection)
            with pytest.raises(UnfitValueError, match=r"^exact\.value holds a value"):
                list(rows.written(connection))
        engine.dispose()


def test_a_database_that_writes_fewer_digits_is_asked_for_all() -> None:
    with database("postgresql") as made:
        made.run(f"ALTER DATABASE {made.url.database} SET extra_float_digits = -3")
        engine = made.engine()
        rows = table_with((made, engine), Double(), "1.2345678901234567")
        with tenant_scope("acme"), engine.begin() as connection:
            settle_texts(connection)
            (written,) = rows.written(connection)
        engine.dispose()
    assert float(written["value"]) == 1.2345678901234567
