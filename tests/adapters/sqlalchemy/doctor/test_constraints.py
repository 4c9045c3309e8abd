"""Faults in keys and unique constraints of the models, planted one at a time."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    func,
)

from tenantshield_mw.adapters.sqlalchemy import (
    shared_across_tenants,
    tenant_aware,
    tenant_foreign_key,
)
from tenantshield_mw.adapters.sqlalchemy.doctor import examine

from .shop import Faults, Plant, Planted, Shop, assert_found, each_fault


def unique_column(shop: Shop) -> None:
    shop.aware("odd", Column("email", String(50), unique=True))


def unique_together(shop: Shop) -> None:
    shop.aware("odd", Column("a", Integer), Column("b", Integer), UniqueConstraint("a", "b"))


def unique_index(shop: Shop) -> None:
    table = shop.aware("odd", Column("email", String(50)))
    shop.index("odd_email", func.lower(table.c.email), unique=True)


def unique_of_tied(shop: Shop) -> None:
    shop.table(
        "odd",
        shop.key(),
        Column("invoice_id", shop.refers_to("invoice"), nullable=False),
        Column("label", String(20), unique=True),
    )


def natural_key(shop: Shop) -> None:
    tenant_aware(shop.table("odd", Column("slug", String(20), primary_key=True), shop.tenant()))


def unchecked(shop: Shop) -> None:
    shop.aware("odd", Column("customer_id", shop.refers_to("customer")), check_references=False)


def looked_up(shop: Shop) -> None:
    shop.aware("odd", Column("customer_id", shop.refers_to("customer")))


def nullable_tie(shop: Shop) -> None:
    table = shop.table("odd", shop.key(), Column("invoice_id", shop.refers_to("invoice")))
    tenant_aware(table, through=shop.name("invoice"))


def shared_that_refers(shop: Shop) -> None:
    shared_across_tenants(
        shop.table("odd", shop.key(), Column("invoice_id", shop.refers_to("invoice")))
    )


def refer(shop: Shop, column: str, target: str, **options: Any) -> None:
    shop.aware("stamp", Column(column, ForeignKey(shop.name(target), **options)))


def shared_that_cascades(shop: Shop) -> None:
    refer(shop, "country_code", "country.code", ondelete="cascade")


def shared_whose_key_changes(shop: Shop) -> None:
    refer(shop, "country_code", "country.code", onupdate="SET NULL")


def tenants_own_that_cascades(shop: Shop) -> None:
    refer(shop, "invoice_id", "invoice.id", ondelete="CASCADE")


FAULTS: Faults = [
    (unique_column, [("unique-without-tenant", "odd", "email")]),
    (unique_together, [("unique-without-tenant", "odd", "a, b")]),
    (unique_index, [("unique-without-tenant", "odd", "email")]),
    (unique_of_tied, [("unique-without-tenant", "odd", "label")]),
    (natural_key, [("primary-key-without-tenant", "odd", "slug")]),
    (unchecked, [("references-unchecked", "odd", "customer_id")]),
    (looked_up, [("reference-without-tenant", "odd", "customer_id")]),
    (nullable_tie, [("tie-nullable", "odd", "invoice_id")]),
    (shared_that_refers, [("shared-reference", "odd", "invoice_id")]),
    (shared_that_cascades, [("shared-cascades", "stamp", "country_code")]),
    (shared_whose_key_changes, [("shared-cascades", "stamp", "country_code")]),
    (tenants_own_that_cascades, [("reference-without-tenant", "stamp", "invoice_id")]),
]


@each_fault(FAULTS)
def test_a_fault_is_found_and_nothing_else(plant: Plant, expected: list[Planted]) -> None:
    assert_found(plant, expected)


def test_a_foreign_key_along_which_nothing_happens_is_clean() -> None:
    shop = Shop()
    refer(shop, "country_code", "country.code", ondelete="RESTRICT", onupdate="NO ACTION")
    assert shop.planted(examine(shop.metadata)) == []


def test_what_refers_to_the_tenants_own_row_may_be_unique() -> None:
    shop = Shop()
    shop.aware("odd", Column("customer_id", shop.refers_to("customer"), unique=True))
    assert [each.kind for each in examine(shop.metadata)] == ["reference-without-tenant"]


def test_it_is_refused_where_references_are_not_looked_up() -> None:
    shop = Shop()
    shop.aware(
        "odd",
        Column("customer_id", shop.refers_to("customer"), unique=True),
        check_references=False,
    )
    assert {each.kind for each in examine(shop.metadata)} == {
        "references-unchecked",
        "unique-without-tenant",
    }


def test_the_fix_of_a_reference_can_be_pasted() -> None:
    shop = Shop()
    shop.aware("odd", Column("customer_id", shop.refers_to("customer")))
    (found,) = examine(shop.metadata)
    code = found.fix.partition(" in __table_args__")[0]
    constraint = eval(code, {"tenant_foreign_key": tenant_foreign_key})
    assert isinstance(constraint, ForeignKeyConstraint)
    # Replacing the constraint with it fixes the finding.
    mended = Shop()
    mended.aware(
        "odd",
        Column("customer_id", Integer),
        tenant_foreign_key("customer_id", f"{mended.name('customer')}.id"),
    )
    assert code == f'tenant_foreign_key("customer_id", "{shop.name("customer")}.id")'
    assert examine(mended.metadata) == []


def test_the_fix_of_a_unique_constraint_can_be_pasted() -> None:
    shop = Shop()
    shop.aware("odd", Column("email", String(50)), UniqueConstraint("email", name="odd_email"))
    (found,) = examine(shop.metadata)
    code = found.fix.partition(" in its place")[0]
    assert code == 'UniqueConstraint("tenant_id", "email", name="odd_email")'
    mended = Shop()
    mended.aware("odd", Column("email", String(50)), eval(code))
    assert examine(mended.metadata) == []


def test_a_reviewed_constraint_is_left_out_as_the_fix_says() -> None:
    shop = Shop()
    shop.aware("odd", Column("email", String(50)), UniqueConstraint("email"))
    (found,) = examine(shop.metadata)
    assert f"leave it and pass --ignore unique-without-tenant:{found.table}" in found.fix


def test_where_a_row_is_the_tenant_the_tenant_is_not_to_be_added() -> None:
    metadata = MetaData()
    organization = Table(
        "organization",
        metadata,
        Column("id", String(20), primary_key=True),
        Column("name", String(50), unique=True),
    )
    tenant_aware(column="id")(organization)
    (found,) = examine(metadata)
    assert "UniqueConstraint" not in found.fix
    assert "a tenant has one row" in found.fix
    assert "pass --ignore unique-without-tenant:organization" in found.fix
