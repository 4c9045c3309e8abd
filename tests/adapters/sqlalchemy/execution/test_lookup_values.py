"""The values that are looked up are those that the database stores."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import (
    ARRAY,
    Column,
    Connection,
    Engine,
    Enum,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    insert,
    update,
)
from sqlalchemy.types import TypeDecorator

from tenantshield_mw import CrossTenantAccessError, system_scope, tenant_scope
from tenantshield_mw.adapters.sqlalchemy import tenant_aware
from tests.databases import NAMES, Database, database, require
from tests.places import engine_here

metadata = MetaData()


class Spelled(TypeDecorator[Any]):
    """Stores anything as a text."""

    impl = String(20)
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> str | None:
        return None if value is None else str(value)


def tables(name: str, type_: Any) -> tuple[Table, Table]:
    customer = Table(
        f"{name}_customer",
        metadata,
        Column("code", type_, primary_key=True),
        Column("tenant_id", String(20), nullable=False),
    )
    order = Table(
        f"{name}_order",
        metadata,
        Column("id", Integer, primary_key=True, autoincrement=False),
        Column("tenant_id", String(20), nullable=False),
        Column("code", type_, ForeignKey(customer.c.code)),
    )
    return tenant_aware(customer), tenant_aware(order)


TEXT = tables("text", String(20))
SPELLED = tables("spelled", Spelled)


@pytest.fixture(scope="module", params=NAMES)
def here(request: pytest.FixtureRequest) -> Iterator[Database]:
    require(request.param)
    with database(request.param) as here:
        engine = here.engine()
        metadata.create_all(engine)
        engine.dispose()
        for name in ("text", "spelled"):
            here.run(
                f"INSERT INTO {name}_customer VALUES ('042', 'acme'), ('42', 'globex'),"
                " ('1', 'acme'), ('1.0', 'globex'), ('True', 'globex'), ('1.5', 'acme'),"
                " ('1.50', 'globex'), ('abc', 'acme'), ('0', 'globex')"
            )
        yield here


engine = engine_here


def refused(connection: Connection, statement: Any, parameters: Any = None) -> None:
    with pytest.raises(CrossTenantAccessError), connection.begin_nested():
        connection.execute(statement, parameters)


@pytest.mark.parametrize("value", [42, 1, True, 0, 1.0, Decimal("1.5"), b"042"])
def test_a_text_is_not_made_of_another_value(engine: Engine, value: Any) -> None:
    _, order = TEXT
    with tenant_scope("acme"), engine.connect() as connection:
        connection.execute(insert(order).values(id=1, code="042"))
        refused(connection, insert(order).values(id=2, code=value))
        refused(connection, update(order).values(code=value))
        refused(connection, insert(order), [{"id": 3, "code": "1"}, {"id": 4, "code": value}])
        connection.rollback()


class Code(enum.Enum):
    OURS = "ours"
    THEIRS = "theirs"


NAMED = tables("named", Enum(Code, native_enum=False))


def test_an_enumeration_is_looked_up_by_name(here: Database, engine: Engine) -> None:
    _, order = NAMED
    here.run("INSERT INTO named_customer VALUES ('OURS', 'acme'), ('THEIRS', 'globex')")
    with tenant_scope("acme"), engine.connect() as connection:
        connection.execute(insert(order).values(id=1, code=Code.OURS))
        refused(connection, insert(order).values(id=2, code=Code.THEIRS))
        connection.rollback()


@pytest.mark.parametrize(
    ("ours", "theirs"), [(1, 1.0), (1, True), (Decimal("1.5"), Decimal("1.50"))]
)
def test_equal_values_that_are_stored_differently_are_refused(
    engine: Engine, ours: Any, theirs: Any
) -> None:
    _, order = SPELLED
    with tenant_scope("acme"), engine.connect() as connection:
        connection.execute(insert(order).values(id=1, code=ours))
        refused(connection, insert(order).values(id=2, code=theirs))
        for first, second in ((ours, theirs), (theirs, ours)):
            rows = [{"id": 3, "code": first}, {"id": 4, "code": second}]
            refused(connection, insert(order), rows)
            refused(connection, insert(order).values(rows))
        connection.rollback()


@pytest.mark.parametrize("name", ["postgresql", "mariadb"])
def test_a_key_is_looked_up_in_the_schema_of_the_statement(name: Any) -> None:
    require(name)
    _, order = TEXT
    with database(name) as here, database(name) as there:
        engine = here.engine()
        schema = "archive" if name == "postgresql" else there.url.database
        if name == "postgresql":
            here.run("CREATE SCHEMA archive")
        moved = {"schema_translate_map": {None: schema}}
        with system_scope("make the tables"), engine.begin() as connection:
            metadata.create_all(connection, tables=TEXT)
            archive = connection.execution_options(**moved)
            metadata.create_all(archive, tables=TEXT)
        here.run(f"INSERT INTO {schema}.text_customer VALUES ('1', 'globex'), ('2', 'acme')")
        here.run("INSERT INTO text_customer VALUES ('1', 'acme'), ('2', 'globex')")
        with tenant_scope("acme"), engine.connect() as connection:
            theirs, ours = (
                insert(order).values(id=1, code="1"),
                insert(order).values(id=1, code="2"),
            )
            with pytest.raises(CrossTenantAccessError), connection.begin_nested():
                connection.execute(theirs, execution_options=moved)
            with pytest.raises(CrossTenantAccessError), connection.begin_nested():
                connection.execute(theirs.execution_options(**moved))
            connection.execute(ours, execution_options=moved)
            connection.rollback()
        engine.dispose()


@pytest.mark.parametrize("as_tuple", [False, True])
def test_a_key_that_is_an_array_is_looked_up_if_it_is_a_tuple(*, as_tuple: bool) -> None:
    require("postgresql")
    found = MetaData()
    type_ = ARRAY(Integer, as_tuple=as_tuple)
    parent = Table(
        "array_parent",
        found,
        Column("code", type_, primary_key=True),
        Column("tenant_id", String(20), nullable=False),
    )
    child = Table("array_child", found, Column("code", type_, ForeignKey(parent.c.code)))
    tenant_aware(parent)
    with database("postgresql") as here:
        engine = here.engine()
        found.create_all(engine)
        here.run("INSERT INTO array_parent VALUES ('{1,2}', 'acme'), ('{3,4}', 'globex')")
        with tenant_scope("acme"), engine.connect() as connection:
            for key in ([1, 2], [3, 4], (3, 4)):
                refused(connection, insert(child).values(code=key))
            if as_tuple:
                connection.execute(insert(child).values(code=(1, 2)))
            else:
                refused(connection, insert(child).values(code=(1, 2)))
            connection.commit()
        assert here.read("SELECT * FROM array_child") == ([([1, 2],)] if as_tuple else [])
        engine.dispose()
