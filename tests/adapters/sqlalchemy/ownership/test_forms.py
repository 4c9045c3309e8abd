"""What a type is on each database, and whether two types send the same."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import (
    UUID,
    BigInteger,
    Enum,
    Integer,
    Interval,
    LargeBinary,
    Numeric,
    SmallInteger,
    String,
    Text,
    TypeDecorator,
    Uuid,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.sqlite import dialect as sqlite

from tenantshield_mw.adapters.sqlalchemy.databases import DATABASES
from tenantshield_mw.adapters.sqlalchemy.ownership.forms import (
    affinity_is_number,
    are_sent_in_one_way,
    ddl_of,
    forms_of,
)


class Plain(TypeDecorator[Any]):
    impl = String
    cache_ok = True


class Varied(TypeDecorator[Any]):
    """A type that is another one on MySQL and MariaDB, in what it decorates."""

    impl = String(50).with_variant(String(4), "mysql", "mariadb")
    cache_ok = True


class Loaded(TypeDecorator[Any]):
    """The same, and it does not know SQLite."""

    impl = String(50)
    cache_ok = True

    def load_dialect_impl(self, dialect: Any) -> Any:
        if dialect.name == "sqlite":
            raise NotImplementedError
        return String(4) if dialect.name in ("mysql", "mariadb") else String(50)


class Prefixed(TypeDecorator[Any]):
    impl = String
    cache_ok = True

    def __init__(self, length: int, prefix: str = "t-") -> None:
        super().__init__(length)
        self.prefix = prefix

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        return self.prefix + value

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        return value.removeprefix(self.prefix)


class Twice(TypeDecorator[Any]):
    impl = Prefixed(20, "b-")
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        return f"a-{value}"

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        return value.removeprefix("a-")


@pytest.mark.parametrize(
    "type_",
    [
        String(50).with_variant(String(4), "mysql", "mariadb"),
        Varied(),
        Loaded(),
        Plain(50).with_variant(Plain(4), "mysql", "mariadb"),
    ],
)
def test_a_type_may_be_another_one_on_some_databases(type_: Any) -> None:
    found: dict[str, Any] = {each.dialect.name: each.stored for each in forms_of(type_)}
    lengths = {name: each.length for name, each in found.items()}
    assert lengths == {"sqlite": 50, "postgresql": 50, "mysql": 4, "mariadb": 4}
    assert lengths.keys() == DATABASES.keys()


def test_decorators_convert_from_the_outside_in_and_back() -> None:
    for each in forms_of(Twice()):
        assert each.sent("x") == "b-a-x"
        assert each.read("b-a-x") == "x"
        assert len(each.converting) == 2


def test_an_interval_is_no_decorator_of_the_application() -> None:
    assert all(isinstance(each.stored, Interval) for each in forms_of(Interval()))


@pytest.mark.parametrize(
    ("type_", "is_number"),
    [
        (UUID(), True),
        (Numeric(), True),
        (Integer(), True),
        (Uuid(), False),
        (String(9), False),
        (Text(), False),
        (LargeBinary(), False),
        (postgresql.INET(), False),
    ],
)
def test_sqlite_tells_by_its_name_what_a_type_holds(type_: Any, is_number: bool) -> None:
    assert affinity_is_number(type_, sqlite()) is is_number


def test_a_type_of_another_database_cannot_be_written() -> None:
    assert ddl_of(String(9), sqlite()) == "VARCHAR(9)"
    assert ddl_of(postgresql.INET(), sqlite()) is None


ALIKE: list[tuple[Any, Any]] = [
    (String(9), String(20)),
    (String(9), Plain(20)),
    (Varied(), String(9)),
    (Text(), Enum("a", "b")),
    (Integer(), BigInteger()),
    (Uuid(), UUID()),
    (Prefixed(9), Prefixed(20)),
    (Prefixed(9), Prefixed(20).with_variant(Prefixed(5), "mysql")),
    (Twice(), Twice()),
]
UNLIKE: list[tuple[Any, Any]] = [
    (String(9), Prefixed(9)),
    (Prefixed(9), Prefixed(9, "u-")),
    (String(36), Uuid(as_uuid=False)),
    (String(9), SmallInteger()),
    (String(9), String(9).with_variant(Prefixed(9), "mariadb")),
    (Prefixed(9), Twice()),
]


@pytest.mark.parametrize(
    ("left", "right", "alike"), [*((*each, True) for each in ALIKE), *((*e, False) for e in UNLIKE)]
)
def test_types_that_send_the_same_are_told_from_others(left: Any, right: Any, alike: bool) -> None:
    assert are_sent_in_one_way(left, right) is alike
    assert are_sent_in_one_way(right, left) is alike
