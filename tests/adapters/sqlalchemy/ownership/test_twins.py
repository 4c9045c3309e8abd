"""One table that several ``MetaData`` have with types that store a tenant differently, or alike."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Column, Integer, MetaData, String, Table, TypeDecorator, Uuid, insert, select

from tenantshield_mw import ConfigurationError, tenant_scope
from tenantshield_mw.adapters.sqlalchemy import tenant_aware
from tests.databases import memory_engine

from ..watching import rows

TWICE = "twin is declared twice and differently: .*twin.* as .*, and .*twin"

pytestmark = pytest.mark.usefixtures("declared_for_a_test")


class Prefixed(TypeDecorator[str]):
    impl = String(20)
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        return None if value is None else f"t-{value}"

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        return None if value is None else value[2:]


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize(
    "types", [(Prefixed(), String(20)), (Uuid(as_uuid=False), String(36))], ids=str
)
def test_twins_that_store_a_tenant_differently_are_refused(types: Any, order: int) -> None:
    first, last = (
        Table("twin", MetaData(), Column("id", Integer), Column("tenant_id", type_))
        for type_ in types[::order]
    )
    tenant_aware(first)
    with pytest.raises(ConfigurationError, match=f"{TWICE}.*, a "):
        tenant_aware(last)


@pytest.mark.parametrize("types", [(Prefixed(), Prefixed()), (String(9), String(20))], ids=str)
def test_twins_that_store_it_alike_are_not(types: Any) -> None:
    for type_ in types:
        tenant_aware(Table("twin", MetaData(), Column("id", Integer), Column("tenant_id", type_)))


def test_a_definition_that_is_not_declared_stores_the_same() -> None:
    ours = tenant_aware(
        Table("twin", MetaData(), Column("id", Integer), Column("tenant_id", String(20)))
    )
    known = MetaData()
    tenant_aware(Table("note", known, Column("id", Integer), Column("tenant_id", String(20))))
    theirs = Table("twin", known, Column("id", Integer), Column("tenant_id", Prefixed()))
    engine = memory_engine()
    ours.create(engine)
    with tenant_scope("acme"), engine.begin() as connection:
        connection.execute(insert(theirs).values(id=1))
        connection.execute(insert(theirs).values(id=2, tenant_id="acme"))
        connection.execute(insert(theirs), [{"id": 3, "tenant_id": "acme"}])
        assert connection.scalars(select(theirs.c.id)).all() == [1, 2, 3]
    assert set(rows(engine, "SELECT tenant_id FROM twin")) == {("acme",)}
