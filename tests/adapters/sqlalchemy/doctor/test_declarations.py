"""Tables that confine their rows in other ways than by a tenant column."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from sqlalchemy import Column, String, Table, Uuid

from tenantshield_mw.adapters.sqlalchemy import tenant_aware
from tenantshield_mw.adapters.sqlalchemy.doctor import examine

from .shop import Shop, kinds


def test_values_that_the_program_makes_may_be_unique_alone() -> None:
    shop = Shop()
    shop.aware("odd", Column("public_id", Uuid, default=uuid.uuid4, unique=True))
    tenant_aware(shop.table("other", Column("id", Uuid, primary_key=True), shop.tenant()))
    assert examine(shop.metadata) == []


def test_an_association_table_is_clean() -> None:
    shop = Shop()
    shop.table(
        "odd",
        Column("customer_id", shop.refers_to("customer"), primary_key=True),
        Column("invoice_id", shop.refers_to("invoice"), primary_key=True),
    )
    assert examine(shop.metadata) == []


@pytest.mark.usefixtures("declared_for_a_test")
def test_a_table_of_another_schema_with_a_declared_name_is_undeclared() -> None:
    shop = Shop()
    Table(shop.name("invoice"), shop.metadata, shop.key(), schema="archive")
    (found,) = examine(shop.metadata)
    assert (found.kind, found.table) == ("undeclared", f"archive.{shop.name('invoice')}")


@pytest.mark.parametrize(("info", "found"), [({}, 1), ({"tenantshield_generated": True}, 0)])
def test_a_key_that_the_program_fills_with_unique_values_is_fine(
    info: dict[str, Any], found: int
) -> None:
    shop = Shop()
    key = Column("key", String(40), primary_key=True, info=info)
    tenant_aware(shop.table("odd", key, shop.tenant()))
    assert len(kinds(shop.metadata)) == found
