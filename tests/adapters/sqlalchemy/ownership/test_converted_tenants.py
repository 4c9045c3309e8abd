"""A tenant column whose identifiers the database would convert."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Column, MetaData, String, Table, TypeDecorator, func

from tenantshield_mw import ConfigurationError
from tenantshield_mw.adapters.sqlalchemy import tenant_aware


class Lower(TypeDecorator[str]):
    impl = String(20)
    cache_ok = True

    def bind_expression(self, bindparam: Any) -> Any:
        return func.lower(bindparam)


class Outer(TypeDecorator[str]):
    impl = Lower
    cache_ok = True


class Undeclared(TypeDecorator[str]):
    """Declares its Python type itself."""

    impl = Lower
    cache_ok = True

    @property
    def python_type(self) -> type[str]:
        return str


class Folded(String):
    """No decorator."""

    def bind_expression(self, bindvalue: Any) -> Any:
        return func.lower(bindvalue)


@pytest.mark.parametrize(
    "type_",
    [Lower(), Outer(), Undeclared(), Folded(20), String(20).with_variant(Lower(), "postgresql")],
)
def test_it_is_refused(type_: Any) -> None:
    table = Table("converted", MetaData(), Column("tenant_id", type_))
    with pytest.raises(ConfigurationError, match="bind_expression"):
        tenant_aware(table)
