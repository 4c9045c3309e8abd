"""The tables of a database, as an inspector finds them."""

from __future__ import annotations

import pytest

from tenantshield_mw.adapters.sqlalchemy.doctor.reflection import reflect
from tests.adapters.sqlalchemy.watching import with_tables
from tests.databases import NAMES, DatabaseName, database, require

from .shop import Shop


@pytest.mark.parametrize("name", NAMES)
def test_keys_uniques_and_indexes_are_read(name: DatabaseName) -> None:
    require(name)
    shop = Shop()
    customer = shop.metadata.tables[shop.name("customer")]
    shop.index("customer_unique", customer.c.email, customer.c.id, unique=True)
    with (
        database(name) as here,
        with_tables(here, shop.metadata) as engine,
        engine.connect() as connection,
    ):
        found = reflect(connection, shop.metadata)
    there = found.of(customer)
    assert there is not None
    assert (there.label, there.primary_key) == (customer.name, ("id",))
    assert set(there.columns) == {"id", "tenant_id", "email"}
    assert ("tenant_id", "email") in {each.columns for each in there.uniques}
    assert ("email", "id") in {each.columns for each in there.uniques}
    assert {"id", "tenant_id", "email"} <= there.begins
    invoice = found.table(None, shop.name("invoice").upper())
    assert invoice is not None
    (key,) = invoice.foreign_keys
    assert (key.columns, key.parent) == (("tenant_id", "customer_id"), customer.name)
    assert found.table(None, "no such table") is None
