"""A tenant id that its column cannot hold is refused before it is sent."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from typing import Any

import pytest
from sqlalchemy import (
    BigInteger,
    Column,
    Engine,
    Integer,
    MetaData,
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
from sqlalchemy.dialects.mysql import INTEGER as MYSQL_INTEGER
from sqlalchemy.dialects.mysql import TINYINT
from sqlalchemy.types import CHAR

from tenantshield_mw import ConfigurationError, tenant_scope
from tenantshield_mw.adapters.sqlalchemy import tenant_aware
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
    (TINYINT(), 127, 128),
    (MYSQL_INTEGER(unsigned=True), 2**32 - 1, -1),
    (Uuid(as_uuid=False), str(uuid.UUID(int=5)), uuid.UUID(int=5).hex),
    (Uuid(as_uuid=False), str(uuid.UUID(int=5)), "acme"),
    (Twice(), "ab", "abc"),
    (LongTwice(), "a" * 149, "a" * 150),
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


@pytest.mark.parametrize("type_", [Text(), String(255), String(1000)])
def test_a_column_that_holds_every_tenant_id_has_no_limit(type_: Any) -> None:
    table = of_type(type_)
    engine = memory_engine()
    table.metadata.create_all(engine)
    with tenant_scope("x" * 255), engine.begin() as connection:
        connection.execute(insert(table).values(name="x"))
        assert connection.scalars(select(table.c.name)).all() == ["x"]
