"""What comes into a statement after it was compiled is judged like the rest."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import (
    Boolean,
    Column,
    Engine,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    bindparam,
    column,
    insert,
    literal,
    select,
    update,
)
from sqlalchemy.sql import quoted_name
from sqlalchemy.types import TypeDecorator, UserDefinedType

from tenantshield_mw import (
    UnguardedStatementError,
    system_scope,
    tenant_scope,
)
from tenantshield_mw.adapters.sqlalchemy import shared_across_tenants, tenant_aware
from tests.databases import NAMES, Database, database, require
from tests.places import engine_here

metadata = MetaData()
PLACE = tenant_aware(
    Table(
        "later_place",
        metadata,
        Column("id", Integer, primary_key=True, autoincrement=False),
        Column("tenant_id", String(20), nullable=False),
        Column("note", String(80)),
        Column("up_id", Integer, ForeignKey("later_place.id")),
    )
)
RATE = shared_across_tenants(
    Table("later_rate", metadata, Column("id", Integer, primary_key=True, autoincrement=False))
)


class Unquoted(UserDefinedType[str]):
    """Writes a value into the statement as it is."""

    cache_ok = True

    def get_col_spec(self, **kw: Any) -> str:
        return "VARCHAR(80)"

    def literal_processor(self, dialect: Any) -> Any:
        return str


class Decorated(TypeDecorator[Any]):
    """The same, as a decorator."""

    impl = String(80)
    cache_ok = True

    def process_literal_param(self, value: Any, dialect: Any) -> str:
        return str(value)

    def literal_processor(self, dialect: Any) -> Any:
        return str


class Padded(Boolean):
    """The same, as a subclass of a type of SQLAlchemy's."""

    def literal_processor(self, dialect: Any) -> Any:
        return str


TYPES = [Unquoted(), Decorated(), Padded()]


@pytest.fixture(scope="module", params=NAMES)
def here(request: pytest.FixtureRequest) -> Iterator[Database]:
    require(request.param)
    with database(request.param) as here:
        engine = here.engine()
        metadata.create_all(engine)
        engine.dispose()
        here.run(
            "INSERT INTO later_place (id, tenant_id, note) VALUES (1, 'acme', 'own'),"
            " (401, 'globex', 'theirs')",
            "INSERT INTO later_rate VALUES (1)",
        )
        yield here


engine = engine_here


def put(value: str, type_: Any) -> Any:
    return bindparam("later", value, type_, literal_execute=True)


@pytest.mark.parametrize("type_", TYPES, ids=lambda each: type(each).__name__)
@pytest.mark.parametrize(
    "value",
    ["1, 2", "'"],
)
def test_a_value_that_is_more_is_refused(engine: Engine, type_: Any, value: str) -> None:
    statements: list[Any] = [
        select(PLACE.c.note).where(PLACE.c.id == put(value, type_)),
        select(PLACE.c.note).order_by(put(value, type_)),
        update(PLACE).values(note=put(value, type_)),
    ]
    for statement in statements:
        with (
            pytest.raises(UnguardedStatementError),
            engine.connect() as connection,
            tenant_scope("acme"),
        ):
            connection.execute(statement)


@pytest.mark.parametrize("type_", TYPES, ids=lambda each: type(each).__name__)
def test_a_value_alone_is_let_through(engine: Engine, type_: Any) -> None:
    statement = select(PLACE.c.note).where(PLACE.c.id == put("1", type_))
    with engine.connect() as connection, tenant_scope("acme"):
        assert connection.execute(statement).all() == [("own",)]


@pytest.mark.parametrize("value", ["it's", "a\\'b", "-- ", "(", "/*"])
def test_sqlalchemy_s_own_types_quote(engine: Engine, value: str) -> None:
    statement = select(literal(value, literal_execute=True)).where(PLACE.c.id == 1)
    with engine.connect() as connection, tenant_scope("acme"):
        assert connection.scalar(statement) == value


def schema_of(here: Database) -> str:
    schemas = {"sqlite": "main", "postgresql": "public"}
    return schemas.get(here.name) or str(here.url.database)


def test_a_foreign_key_and_the_tenant_are_let_through(engine: Engine) -> None:
    up: Any = bindparam("up", 1, literal_execute=True)
    whose: Any = bindparam("whose", "acme", literal_execute=True)
    with engine.connect() as connection, tenant_scope("acme"):
        connection.execute(update(PLACE).values(up_id=up))
        assert connection.scalar(select(PLACE.c.up_id)) == 1
        connection.execute(insert(PLACE).values(id=2, tenant_id=whose))


def test_a_schema_s_name_is_let_through(here: Database, engine: Engine) -> None:
    elsewhere = Table("later_rate", MetaData(), Column("id", Integer), schema="there")
    for quote in (True, False, None):
        name = quoted_name(schema_of(here), quote=quote)
        moved = engine.execution_options(schema_translate_map={"there": name})
        with moved.connect() as connection, tenant_scope("acme"):
            assert connection.execute(select(elsewhere)).all() == [(1,)]


def test_a_system_scope_may_put_in_anything(here: Database, engine: Engine) -> None:
    schema = schema_of(here)
    name = quoted_name(f"{schema}.later_place, {schema}", quote=False)
    elsewhere = Table("later_rate", MetaData(), Column("id", Integer), schema="there")
    moved = engine.execution_options(schema_translate_map={"there": name})
    with moved.connect() as connection, system_scope("a report"):
        found: list[Any] = list(
            connection.execute(select(column("note")).select_from(elsewhere)).all()
        )
    assert sorted(found) == [("own",), ("theirs",)]
