"""A schema without findings, into which the tests plant faults."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import count
from typing import Any, Final, TypeAlias

import pytest
from sqlalchemy import Column, ForeignKey, Index, Integer, MetaData, String, Table, UniqueConstraint

from tenantshield_mw.adapters.sqlalchemy import (
    shared_across_tenants,
    tenant_aware,
    tenant_foreign_key,
)
from tenantshield_mw.adapters.sqlalchemy.doctor import Finding, examine

__all__ = ["Faults", "Plant", "Planted", "Shop", "assert_found", "each_fault", "kinds"]

_numbers: Final = count(1)

Planted: TypeAlias = tuple[str, str | None, str | None]
"""The kind, the table (without the shop's prefix) and the column of a finding."""


class Shop:
    """Tables of its own names, since declarations hold for the whole process.

    ``customer`` and ``invoice`` are tenant-aware, ``line`` is tied to ``invoice``, and
    ``country`` is shared.
    """

    def __init__(self) -> None:
        self.metadata = MetaData()
        self.prefix = f"shop{next(_numbers)}_"
        customer = self.table(
            "customer",
            self.key(),
            self.tenant(),
            Column("email", String(50), nullable=False),
            UniqueConstraint("tenant_id", "email", name=self.name("customer_email")),
        )
        invoice = self.table(
            "invoice",
            self.key(),
            self.tenant(),
            Column("customer_id", Integer, nullable=False),
            tenant_foreign_key("customer_id", f"{self.name('customer')}.id"),
        )
        self.table(
            "line",
            self.key(),
            Column("invoice_id", ForeignKey(f"{self.name('invoice')}.id"), nullable=False),
            Column("position", Integer, nullable=False),
            UniqueConstraint("invoice_id", "position", name=self.name("line_position")),
        )
        country = self.table("country", Column("code", String(2), primary_key=True))
        for each in (customer, invoice):
            tenant_aware(each)
        shared_across_tenants(country)

    def name(self, name: str) -> str:
        return self.prefix + name

    def table(self, name: str, *parts: Any) -> Table:
        return Table(self.name(name), self.metadata, *parts)

    def aware(self, name: str, *parts: Any, **options: Any) -> Table:
        """Add a tenant-aware table with a key, a tenant column and ``parts``."""
        table = self.table(name, self.key(), self.tenant(), *parts)
        tenant_aware(table, **options)
        return table

    def key(self) -> Column[int]:
        return Column("id", Integer, primary_key=True)

    def tenant(self) -> Column[str]:
        return Column("tenant_id", String(40), nullable=False, index=True)

    def refers_to(self, name: str, column: str = "id") -> ForeignKey:
        return ForeignKey(f"{self.name(name)}.{column}")

    def index(self, name: str, *columns: Any, **options: Any) -> Index:
        return Index(self.name(name), *columns, **options)

    def planted(self, findings: Iterable[Finding]) -> list[Planted]:
        """Return the subjects of the findings, with the tables' short names."""
        return [
            (
                each.kind,
                None if each.table is None else each.table.replace(self.prefix, ""),
                each.column,
            )
            for each in findings
        ]


Plant: TypeAlias = Callable[[Shop], None]
"""Plants a fault into the models of a shop."""

Faults: TypeAlias = list[tuple[Plant, list[Planted]]]


def each_fault(faults: Faults) -> pytest.MarkDecorator:
    """Give a test each of ``faults`` as ``plant`` and ``expected``."""
    ids = [f"{expected[0][0]}-{number}" for number, (_, expected) in enumerate(faults)]
    return pytest.mark.parametrize(("plant", "expected"), faults, ids=ids)


def assert_found(plant: Plant, expected: list[Planted]) -> None:
    """Check that exactly these faults are found in the models of a shop."""
    shop = Shop()
    plant(shop)
    findings = examine(shop.metadata)
    assert shop.planted(findings) == expected
    assert all(each.reason and each.fix for each in findings)


def kinds(*arguments: Any) -> list[tuple[str, str | None]]:
    return [(each.kind, each.table) for each in examine(*arguments)]
