"""Faults in the models, planted one at a time."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import (
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    UniqueConstraint,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import CITEXT, ExcludeConstraint
from sqlalchemy.types import TypeDecorator

from tenantshield_mw import ConfigurationError
from tenantshield_mw.adapters.sqlalchemy import (
    observe,
    shared_across_tenants,
    tenant_aware,
    tenant_foreign_key,
)
from tenantshield_mw.adapters.sqlalchemy.doctor import KINDS, examine
from tests.adapters.sqlalchemy.doctor.shop import Planted, Shop


class Shouted(TypeDecorator[str]):
    impl = String(40)
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Any) -> str | None:
        return None if value is None else value.upper()


def tenant_column(shop: Shop, *arguments: Any, **options: Any) -> None:
    """Add a table whose tenant column differs from the usual one."""
    options = {"nullable": False, "index": True, **options}
    tenant_aware(shop.table("odd", shop.key(), Column("tenant_id", *arguments, **options)))


def excluding(shop: Shop) -> None:
    shop.aware("odd", Column("room", Integer), ExcludeConstraint(("room", "=")))


def excluding_by_another_operator(shop: Shop) -> None:
    shop.aware(
        "odd", Column("room", Integer), ExcludeConstraint(("tenant_id", "<>"), ("room", "="))
    )


def inherit(shop: Shop, parent: str) -> None:
    parts: tuple[Any, ...] = (shop.key(), shop.tenant())
    options: dict[str, Any] = {"postgresql_inherits": shop.name(parent)}
    tenant_aware(Table(shop.name("heir"), shop.metadata, *parts, **options))


def inheriting(shop: Shop) -> None:
    inherit(shop, "country")


def replacing_together(shop: Shop) -> None:
    shop.aware(
        "odd",
        Column("public_id", Uuid, default=uuid.uuid4),
        UniqueConstraint("public_id", sqlite_on_conflict="REPLACE"),
    )


def replacing_column(shop: Shop) -> None:
    shop.aware(
        "odd",
        Column(
            "public_id",
            Uuid,
            default=uuid.uuid4,
            unique=True,
            sqlite_on_conflict_unique="replace",
        ),
    )


def replacing_key(shop: Shop) -> None:
    key = Column("id", Integer, primary_key=True, sqlite_on_conflict_primary_key="REPLACE")
    tenant_aware(shop.table("odd", key, shop.tenant()))


def part_of_a_key(shop: Shop) -> None:
    shop.aware("odd", Column("code", Integer), UniqueConstraint("tenant_id", "code"))
    code = shop.refers_to("odd", "code")
    shop.aware("child", Column("odd_code", ForeignKey(code.target_fullname, ondelete="CASCADE")))


def collations_of_a_tie(shop: Shop) -> None:
    tenant_aware(shop.table("odd", Column("id", Uuid, primary_key=True), shop.tenant()))
    shop.table(
        "child",
        shop.key(),
        Column("odd_id", String(40, collation="NOCASE"), shop.refers_to("odd"), nullable=False),
    )


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


def shared_with_tenant(shop: Shop) -> None:
    shared_across_tenants(shop.table("odd", shop.key(), Column("tenant_id", String(40))))


FAULTS: list[tuple[Callable[[Shop], None], list[Planted]]] = [
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
    (shared_with_tenant, [("shared-with-tenant-column", "odd", "tenant_id")]),
    (excluding, [("exclusion-without-tenant", "odd", "room")]),
    (excluding_by_another_operator, [("exclusion-without-tenant", "odd", "tenant_id, room")]),
    (inheriting, [("inherited-by-tenant-aware", "heir", None)]),
    (replacing_together, [("conflict-replaces", "odd", "public_id")]),
    (replacing_column, [("conflict-replaces", "odd", "public_id")]),
    (replacing_key, [("conflict-replaces", "odd", "id")]),
    (
        part_of_a_key,
        [
            ("reference-to-part-of-key", "child", "odd_code"),
            ("reference-without-tenant", "child", "odd_code"),
        ],
    ),
    (collations_of_a_tie, [("tie-collations-differ", "child", "odd_id")]),
]


def test_nothing_is_found_in_clean_models() -> None:
    assert examine(Shop().metadata) == []


@pytest.mark.parametrize(
    ("plant", "expected"), FAULTS, ids=[f"{each[1][0][0]}-{n}" for n, each in enumerate(FAULTS)]
)
def test_a_fault_is_found_and_nothing_else(
    plant: Callable[[Shop], None], expected: list[Planted]
) -> None:
    shop = Shop()
    plant(shop)
    findings = examine(shop.metadata)
    assert shop.planted(findings) == expected
    assert all(each.reason and each.fix for each in findings)


def test_an_observed_table_is_found() -> None:
    shop = Shop()
    observation = observe(shop.aware("odd"))
    try:
        assert shop.planted(examine(shop.metadata)) == [("observed", "odd", None)]
    finally:
        observation.stop()


def test_every_kind_that_concerns_models_is_planted() -> None:
    planted = {kind for _, expected in FAULTS for kind, _, _ in expected} | {"observed"}
    assert planted == {kind for kind, nature in KINDS.items() if nature.place == "models"}


def test_a_foreign_key_along_which_nothing_happens_is_clean() -> None:
    shop = Shop()
    refer(shop, "country_code", "country.code", ondelete="RESTRICT", onupdate="NO ACTION")
    assert shop.planted(examine(shop.metadata)) == []


def test_side_effects_within_one_tenant_are_clean() -> None:
    shop = Shop()
    shop.aware(
        "odd",
        Column("room", Integer),
        ExcludeConstraint(("tenant_id", "="), ("room", "=")),
        UniqueConstraint("tenant_id", "room", sqlite_on_conflict="REPLACE"),
    )
    inherit(shop, "customer")
    assert examine(shop.metadata) == []


def test_values_that_the_program_makes_may_be_unique_alone() -> None:
    shop = Shop()
    shop.aware("odd", Column("public_id", Uuid, default=uuid.uuid4, unique=True))
    tenant_aware(shop.table("other", Column("id", Uuid, primary_key=True), shop.tenant()))
    assert examine(shop.metadata) == []


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


def test_an_association_table_is_clean() -> None:
    shop = Shop()
    shop.table(
        "odd",
        Column("customer_id", shop.refers_to("customer"), primary_key=True),
        Column("invoice_id", shop.refers_to("invoice"), primary_key=True),
    )
    assert examine(shop.metadata) == []


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


def test_a_table_of_another_schema_with_a_declared_name_is_undeclared() -> None:
    shop = Shop()
    Table(shop.name("invoice"), shop.metadata, shop.key(), schema="archive")
    (found,) = examine(shop.metadata)
    assert (found.kind, found.table) == ("undeclared", f"archive.{shop.name('invoice')}")


@pytest.mark.parametrize("tables", [MetaData(), None, object()])
def test_no_tables_at_all_are_an_error_and_not_a_clean_bill(tables: Any) -> None:
    with pytest.raises(ConfigurationError, match="import the modules with the models"):
        examine(tables)
