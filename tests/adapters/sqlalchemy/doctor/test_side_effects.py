"""Faults in what the schema does on its own, planted one at a time."""

from __future__ import annotations

import uuid
from typing import Any

from sqlalchemy import Column, ForeignKey, Integer, String, Table, UniqueConstraint, Uuid
from sqlalchemy.dialects.postgresql import ExcludeConstraint

from tenantshield_mw.adapters.sqlalchemy import tenant_aware
from tenantshield_mw.adapters.sqlalchemy.doctor import examine

from .shop import Faults, Plant, Planted, Shop, assert_found, each_fault


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


FAULTS: Faults = [
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


@each_fault(FAULTS)
def test_a_fault_is_found_and_nothing_else(plant: Plant, expected: list[Planted]) -> None:
    assert_found(plant, expected)


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
