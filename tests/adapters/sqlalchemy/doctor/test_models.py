"""Faults in the models, planted one at a time."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, Integer, PrimaryKeyConstraint, String, Uuid, text
from sqlalchemy.dialects.postgresql import CITEXT
from sqlalchemy.types import TypeDecorator

from tenantshield_mw.adapters.sqlalchemy import observe, shared_across_tenants, tenant_aware
from tenantshield_mw.adapters.sqlalchemy.doctor import examine

from .shop import Faults, Plant, Planted, Shop, assert_found, each_fault


class Shouted(TypeDecorator[str]):
    impl = String(40)
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Any) -> str | None:
        return None if value is None else value.upper()


def tenant_column(shop: Shop, *arguments: Any, **options: Any) -> None:
    """Add a table whose tenant column differs from the usual one."""
    options = {"nullable": False, "index": True, **options}
    tenant_aware(shop.table("odd", shop.key(), Column("tenant_id", *arguments, **options)))


def undeclared(shop: Shop) -> None:
    shop.table("odd", shop.key(), Column("name", String))


def undeclared_with_tenant(shop: Shop) -> None:
    shop.table("odd", shop.key(), shop.tenant())


def undeclared_since_nullable(shop: Shop) -> None:
    shop.table("odd", shop.key(), Column("invoice_id", shop.refers_to("invoice")))


def partial_index_alone(shop: Shop) -> None:
    tenant_column(shop, String(40), index=False)
    table = shop.metadata.tables[shop.name("odd")]
    shop.index("odd_part", table.c.tenant_id, postgresql_where=table.c.id > 5)


def later_in_index(shop: Shop) -> None:
    tenant_column(shop, String(40), index=False)
    table = shop.metadata.tables[shop.name("odd")]
    shop.index("odd_both", table.c.id, table.c.tenant_id)


def shared_with_tenant(shop: Shop) -> None:
    shared_across_tenants(shop.table("odd", shop.key(), Column("tenant_id", String(40))))


FAULTS: Faults = [
    (undeclared, [("undeclared", "odd", None)]),
    (undeclared_with_tenant, [("undeclared", "odd", "tenant_id")]),
    (undeclared_since_nullable, [("undeclared", "odd", None)]),
    (
        lambda shop: tenant_column(shop, String(40), nullable=True),
        [("tenant-nullable", "odd", "tenant_id")],
    ),
    (
        lambda shop: tenant_column(shop, String(40), index=False),
        [("tenant-not-indexed", "odd", "tenant_id")],
    ),
    (partial_index_alone, [("tenant-not-indexed", "odd", "tenant_id")]),
    (later_in_index, [("tenant-not-indexed", "odd", "tenant_id")]),
    (
        lambda shop: tenant_column(shop, String(40), server_default=text("'acme'")),
        [("tenant-default", "odd", "tenant_id")],
    ),
    (
        lambda shop: tenant_column(shop, String(40), default="acme"),
        [("tenant-default", "odd", "tenant_id")],
    ),
    (lambda shop: tenant_column(shop, Shouted), [("tenant-type", "odd", "tenant_id")]),
    (lambda shop: tenant_column(shop, CITEXT), [("tenant-type", "odd", "tenant_id")]),
    (
        lambda shop: tenant_column(shop, String(40, collation="NOCASE")),
        [("tenant-type", "odd", "tenant_id")],
    ),
    (lambda shop: tenant_column(shop, Uuid), [("tenant-types-differ", "odd", "tenant_id")]),
    (lambda shop: tenant_column(shop, Integer), [("tenant-types-differ", "odd", "tenant_id")]),
    (shared_with_tenant, [("shared-with-tenant-column", "odd", "tenant_id")]),
]


def test_nothing_is_found_in_clean_models() -> None:
    assert examine(Shop().metadata) == []


@each_fault(FAULTS)
def test_a_fault_is_found_and_nothing_else(plant: Plant, expected: list[Planted]) -> None:
    assert_found(plant, expected)


def test_a_shared_table_may_have_an_id_beside_a_table_of_tenants() -> None:
    shop = Shop()
    tenant_aware(shop.table("tenants", Column("id", String(40), primary_key=True)), column="id")
    shared_across_tenants(shop.table("odd", shop.key()))
    assert examine(shop.metadata) == []


def test_an_observed_table_is_found() -> None:
    shop = Shop()
    observation = observe(shop.aware("odd"))
    try:
        assert shop.planted(examine(shop.metadata)) == [("observed", "odd", None)]
    finally:
        observation.stop()


def test_a_key_with_the_tenant_in_it_needs_no_index() -> None:
    shop = Shop()
    tenant_aware(
        shop.table(
            "odd",
            Column("tenant_id", String(40), nullable=False),
            Column("slug", String(20)),
            PrimaryKeyConstraint("tenant_id", "slug"),
        )
    )
    assert examine(shop.metadata) == []
