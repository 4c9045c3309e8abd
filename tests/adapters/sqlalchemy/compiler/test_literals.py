"""Only SQLAlchemy's own types write literals into a statement."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Integer, String, TypeDecorator
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import UserDefinedType

from tenantshield_mw.adapters.sqlalchemy.compiler.literals import renders_safely


class Converted(TypeDecorator[str]):
    impl = String
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        return value


class Written(Converted):
    def process_literal_param(self, value: Any, dialect: Any) -> str:
        return f"{value}) OR (1 = 1"


class Processed(Converted):
    def literal_processor(self, dialect: Any) -> Any:
        return str


class Within(TypeDecorator[str]):
    impl = Written
    cache_ok = True


class Own(UserDefinedType[Any]):
    pass


class Derived(String):
    pass


@pytest.mark.parametrize("type_", [Integer(), String(5), postgresql.UUID(), Converted()])
def test_a_type_of_sqlalchemy_is_safe(type_: Any) -> None:
    assert renders_safely(type_)


@pytest.mark.parametrize("type_", [Written(), Processed(), Within(), Own(), Derived()])
def test_a_type_that_may_write_anything_is_not(type_: Any) -> None:
    assert not renders_safely(type_)
