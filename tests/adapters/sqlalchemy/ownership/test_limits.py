"""A tenant id that its column cannot hold is refused before it is sent."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from typing import Any

import pytest
from sqlalchemy import (
    BINARY,
    UUID,
    BigInteger,
    Column,
    Engine,
    Enum,
    Float,
    Integer,
    MetaData,
    Numeric,
    SmallInteger,
    String,
    Table,
    Text,
    TypeDecorator,
    Uuid,
    insert,
    select,
    update,
)
from sqlalchemy.dialects import mysql, postgresql
from sqlalchemy.dialects.mysql import INTEGER as MYSQL_INTEGER
from sqlalchemy.dialects.mysql import TINYINT
from sqlalchemy.types import CHAR

from tenantshield_mw import ConfigurationError, tenant_scope
from tenantshield_mw.adapters.sqlalchemy import tenant_aware
from tenantshield_mw.adapters.sqlalchemy.ownership.limits import acceptance_of, accepted_by_all
from tests.databases import NAMES, DatabaseName, database, memory_engine

from ..watching import rows, sent

NUMBERS = count()


class Twice(TypeDecorator[str]):
    impl = String(5)
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        return None if value is None else f"{value}-{value}"

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        return None if value is None else value[: len(value) // 2]


class LongTwice(Twice):
    """Makes more of an identifier than the longest one has."""

    impl = String(300)
    cache_ok = True


class OneOfTwo(TypeDecorator[str]):
    """Stores the same for several tenants."""

    impl = String(20)
    cache_ok = True

    def __init__(self, store: Callable[[str], str], give: Callable[[str], Any] = str) -> None:
        super().__init__()
        self.store, self.give = store, give

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        return None if value is None else self.store(value)

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        return None if value is None else self.give(value)


class Loaded(TypeDecorator[str]):
    """A shorter text on some databases."""

    impl = String(50)
    cache_ok = True

    def load_dialect_impl(self, dialect: Any) -> Any:
        return CHAR(4) if dialect.name in ("mysql", "mariadb") else String(50)


class Inner(TypeDecorator[str]):
    impl = String(50).with_variant(String(4), "mysql", "mariadb")
    cache_ok = True


class NumberOfText(TypeDecorator[str]):
    """Sends a text to a column of numbers."""

    impl = Integer
    cache_ok = True

    @property
    def python_type(self) -> type:
        return str

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        return None if value is None else int(value) if value.isdecimal() else value


class Spelled(TypeDecorator[str]):
    """Sends any spelling of a UUID."""

    impl = Uuid(as_uuid=False)
    cache_ok = True


class Hex(TypeDecorator[str]):
    """Raises for what is no UUID."""

    impl = CHAR(32)
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        return None if value is None else uuid.UUID(value).hex

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        return None if value is None else str(uuid.UUID(value))


class Nothing(TypeDecorator[str]):
    """Sends NULL for a tenant."""

    impl = String(20)
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        return None if value == "globex" else value

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        return "globex" if value is None else value


class Raw(TypeDecorator[uuid.UUID]):
    """A UUID as bytes on one database, and as itself or a text on the others."""

    impl = CHAR(32)
    cache_ok = True

    @property
    def python_type(self) -> type:
        return uuid.UUID

    def load_dialect_impl(self, dialect: Any) -> Any:
        if dialect.name in ("mysql", "mariadb"):
            return BINARY(16)
        return Uuid() if dialect.name == "postgresql" else CHAR(32)

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        if value is None or dialect.name == "postgresql":
            return value
        return value.hex if dialect.name == "sqlite" else value.bytes

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        if value is None or dialect.name == "postgresql":
            return value
        return uuid.UUID(value) if dialect.name == "sqlite" else uuid.UUID(bytes=value)


def of_type(type_: Any) -> Table:
    return tenant_aware(
        Table(
            f"limit_{next(NUMBERS)}",
            MetaData(),
            Column("id", Integer, primary_key=True),
            Column("tenant_id", type_),
            Column("name", String(9)),
        )
    )


LIMITS = [
    (String(4), "acme", "acmes"),
    (String(4), "öööö", "ööööö"),
    (CHAR(2), "ab", "abc"),
    (String(9).with_variant(String(4), "sqlite"), "acme", "acmes"),
    (SmallInteger(), 2**15 - 1, 2**15),
    (SmallInteger(), -(2**15), -(2**15) - 1),
    (Integer(), 2**31 - 1, 2**31),
    (BigInteger(), 2**63 - 1, 2**63),
    (BigInteger().with_variant(Integer(), "sqlite"), 2**40, 2**63),
    (Integer().with_variant(SmallInteger(), "mysql"), 2**15 - 1, 2**15),
    (TINYINT(), 127, 128),
    (MYSQL_INTEGER(unsigned=True), 2**32 - 1, -1),
    (Uuid(as_uuid=False), str(uuid.UUID(int=5)), uuid.UUID(int=5).hex),
    (Uuid(as_uuid=False), str(uuid.UUID(int=5)), "acme"),
    (Twice(), "ab", "abc"),
    (LongTwice(), "a" * 149, "a" * 150),
    (CHAR(), "a", "ab"),
    (Enum("acme", "globex", name="limited"), "acme", "2"),
    (Enum("acme", "globex", native_enum=False), "globex", "Acme"),
    (String(9).with_variant(Enum("acme", name="limit"), "mariadb"), "acme", "1"),
    (Loaded(), "acme", "acmes"),
    (Inner(), "acme", "acmes"),
    (NumberOfText(), "7", "007"),
    (Spelled(), str(uuid.UUID(int=5)), uuid.UUID(int=5).hex),
    (Spelled(), str(uuid.UUID(int=10)), str(uuid.UUID(int=10)).upper()),
    (Hex(), str(uuid.UUID(int=5)), "acme"),
    (Nothing(), "acme", "globex"),
    (OneOfTwo(str.lower), "acme", "Acme"),
    (OneOfTwo(lambda given: given[:4]), "acme", "acmes"),
    (OneOfTwo(lambda _: "globex", lambda _: "acme"), "acme", "globex"),
    (OneOfTwo(str.casefold, lambda given: None if given == "ss" else given), "acme", "ß"),
]


@pytest.fixture(scope="module")
def engines() -> Iterator[dict[DatabaseName, Engine]]:
    with ExitStack() as stack:
        found: dict[DatabaseName, Engine] = {}
        for where in NAMES:
            found[where] = stack.enter_context(database(where)).engine()
            stack.callback(found[where].dispose)
        yield found


@pytest.mark.parametrize(("type_", "fits", "beyond"), LIMITS)
def test_an_id_that_the_column_cannot_hold_is_refused(type_: Any, fits: Any, beyond: Any) -> None:
    table = of_type(type_)
    engine = memory_engine()
    for statement in (
        select(table),
        insert(table).values(name="x"),
        insert(table).values(name="x", tenant_id=beyond),
        update(table).values(name="x"),
        table.delete(),
    ):
        with (
            tenant_scope(beyond),
            sent(engine) as statements,
            engine.connect() as connection,
            pytest.raises(ConfigurationError, match="cannot hold the tenant in scope"),
        ):
            connection.execute(statement)
        assert statements == []


@pytest.mark.parametrize("where", NAMES)
@pytest.mark.parametrize(
    ("type_", "fits", "beyond"),
    [each for each in LIMITS if type(each[0]) not in (TINYINT, MYSQL_INTEGER)],
)
def test_the_longest_id_that_fits_is_written_and_read(
    engines: dict[DatabaseName, Engine], where: DatabaseName, type_: Any, fits: Any, beyond: Any
) -> None:
    table = of_type(type_)
    engine = engines[where]
    table.metadata.create_all(engine)
    with tenant_scope(fits), engine.begin() as connection:
        connection.execute(insert(table).values(name="x"))
        assert connection.scalars(select(table.c.name)).all() == ["x"]
    with (
        tenant_scope(beyond),
        engine.connect() as connection,
        pytest.raises(ConfigurationError),
    ):
        connection.execute(select(table))
    assert len(rows(engine, f"SELECT id FROM {table.name}")) == 1


@pytest.mark.parametrize("where", NAMES)
def test_a_decorator_may_store_another_type_on_each_database(
    engines: dict[DatabaseName, Engine], where: DatabaseName
) -> None:
    table = of_type(Raw())
    table.metadata.create_all(engines[where])
    with tenant_scope(uuid.UUID(int=5)), engines[where].begin() as connection:
        connection.execute(insert(table).values(name="x"))
        assert connection.scalars(select(table.c.name)).all() == ["x"]
    with tenant_scope(uuid.UUID(int=6)), engines[where].begin() as connection:
        assert connection.scalars(select(table.c.name)).all() == []


def test_a_set_is_no_tenant_column() -> None:
    with pytest.raises(ConfigurationError, match="a tenant column is a String"):
        of_type(mysql.SET("acme", "globex"))


UNLIKE_OTHERS = "10000000-0000-4000-8000-00000000000"


@pytest.mark.parametrize("type_", [UUID(), UUID(as_uuid=False)])
def test_a_tenant_that_sqlite_takes_for_another_number_is_refused(type_: Any) -> None:
    table = of_type(type_)
    engine = memory_engine()
    table.metadata.create_all(engine)
    made = uuid.UUID if type_.as_uuid else str
    kept = made("10000000-0000-4000-8000-00000000000a")
    with tenant_scope(kept), engine.begin() as connection:
        connection.execute(insert(table).values(name="x"))
        connection.execute(insert(table).values(name="x", tenant_id=kept))
        assert connection.scalars(select(table.c.name)).all() == ["x", "x"]
    for last in "12":
        other = made(UNLIKE_OTHERS + last)
        for statement in (
            insert(table).values(name="y"),
            insert(table).values(name="y", tenant_id=other),
            select(table),
            table.delete(),
        ):
            refused = pytest.raises(ConfigurationError, match="is a number to this database")
            with tenant_scope(other), refused, engine.begin() as connection:
                connection.execute(statement)


@pytest.mark.usefixtures("declared_for_a_test")
@pytest.mark.parametrize("kind", ["declared", "reflected"])
def test_so_it_is_if_another_definition_has_that_type(kind: str) -> None:
    ours = Table("limit_twin", MetaData(), Column("id", Integer), Column("tenant_id", Uuid()))
    theirs = Table("limit_twin", MetaData(), Column("id", Integer), Column("tenant_id", UUID()))
    engine = memory_engine()
    theirs.create(engine)
    if kind == "declared":
        tenant_aware(theirs)
    else:
        Table("limit_twin", of_type(String(9)).metadata, autoload_with=engine)
    tenant_aware(ours)
    refused = pytest.raises(ConfigurationError, match="is a number to this database")
    with tenant_scope(uuid.UUID(UNLIKE_OTHERS + "1")), refused, engine.begin() as connection:
        connection.execute(insert(ours).values(id=1))
    with tenant_scope(uuid.UUID(UNLIKE_OTHERS + "a")), engine.begin() as connection:
        connection.execute(insert(ours).values(id=1))


def test_other_databases_keep_such_a_tenant(engines: dict[DatabaseName, Engine]) -> None:
    table = of_type(UUID())
    table.metadata.create_all(engines["postgresql"])
    for last in "12":
        other = tenant_scope(uuid.UUID(UNLIKE_OTHERS + last))
        with other, engines["postgresql"].begin() as connection:
            connection.execute(insert(table).values(name=last))
            assert connection.scalars(select(table.c.name)).all() == [last]


@pytest.mark.parametrize(
    ("type_", "other", "fits", "beyond"),
    [
        (String(50), Inner(), "acme", "acmes"),
        (OneOfTwo(str), String(4), "acme", "acmes"),
        (Twice(), String(4), "a", "ab"),
        (Integer(), Numeric(4), 9999, 10000),
        (Integer(), Float(), 2**24, 2**24 + 1),
        (Integer(), String(2), 99, 100),
        (String(9), Integer(), "7", "07"),
        (String(9), Enum("acme"), "acme", "1"),
        (String(50), Uuid(), str(uuid.UUID(int=5)), "acme"),
        (String(9), postgresql.DOMAIN("short", String(4)), "acme", "acmes"),
        (String(9), mysql.SET("acme"), None, "acme"),
        (Uuid(), CHAR(32), uuid.UUID(int=5), None),
        (Uuid(), UUID(), uuid.UUID(int=5), None),
        (Uuid(), CHAR(20), None, uuid.UUID(int=5)),
        (Hex(), String(32), str(uuid.UUID(int=5)), "acme"),
    ],
)
def test_a_tenant_fits_what_another_definition_says(
    type_: Any, other: Any, fits: Any, beyond: Any
) -> None:
    accepts = accepted_by_all(type_, acceptance_of(type_), [other])
    assert fits is None or accepts is None or accepts(fits)
    assert beyond is None or (accepts is not None and not accepts(beyond))


@pytest.mark.parametrize("type_", [Text(), String(255), String(1000)])
def test_a_column_that_holds_every_tenant_id_has_no_limit(type_: Any) -> None:
    table = of_type(type_)
    engine = memory_engine()
    table.metadata.create_all(engine)
    with tenant_scope("x" * 255), engine.begin() as connection:
        connection.execute(insert(table).values(name="x"))
        assert connection.scalars(select(table.c.name)).all() == ["x"]
