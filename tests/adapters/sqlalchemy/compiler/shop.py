"""The tables of a chain of shops, with rows of two tenants, and what a tenant sees of them."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Boolean, Column, Engine, ForeignKey, Integer, MetaData, String, Table

from tenantshield_mw import UnguardedStatementError, tenant_scope
from tenantshield_mw.adapters.sqlalchemy import shared_across_tenants, tenant_aware

from ..watching import fill, sent

METADATA = MetaData()
SHOP = tenant_aware(
    Table(
        "comp_shop",
        METADATA,
        Column("id", Integer, primary_key=True),
        Column("tenant_id", String(20), nullable=False),
        Column("name", String(20)),
        Column("is_open", Boolean),
    )
)
SALE = tenant_aware(
    Table(
        "comp_sale",
        METADATA,
        Column("id", Integer, primary_key=True),
        Column("tenant_id", String(20), nullable=False),
        Column("shop_id", ForeignKey("comp_shop.id")),
        Column("amount", Integer),
    )
)
ITEM = Table(
    "comp_item",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("sale_id", ForeignKey("comp_sale.id"), nullable=False),
)
REGION = shared_across_tenants(
    Table("comp_region", METADATA, Column("id", Integer, primary_key=True))
)

SEED = (
    (
        "INSERT INTO comp_shop VALUES (1, 'acme', 'a1', {yes}), (2, 'acme', 'a2', {no}),"
        " (3, 'globex', 'g3', {yes}), (4, 'globex', 'g4', {no})"
    ),
    (
        "INSERT INTO comp_sale VALUES (11, 'acme', 1, 10), (12, 'acme', NULL, 20),"
        " (13, 'globex', 3, 1000), (14, 'globex', NULL, 2000), (15, 'globex', 1, 4000)"
    ),
    "INSERT INTO comp_item VALUES (111, 11), (113, 13)",
    "INSERT INTO comp_region VALUES (1), (3)",
)


def seed(engine: Engine) -> Engine:
    METADATA.create_all(engine)
    fill(engine, *(each.format(yes="true", no="false") for each in SEED))
    return engine


def seen(engine: Engine, statement: Any, parameters: Any = None) -> list[tuple[Any, ...]]:
    with tenant_scope("acme"), engine.connect() as connection:
        found = connection.execute(statement, parameters).all()
    return sorted((tuple(row) for row in found), key=repr)


def refused(engine: Engine, statement: Any, *kinds: type[Exception], match: str = "") -> None:
    with (
        tenant_scope("acme"),
        engine.begin() as connection,
        sent(engine) as statements,
        pytest.raises(kinds or (UnguardedStatementError,), match=match or None),
    ):
        connection.execute(statement)
    assert statements == []
