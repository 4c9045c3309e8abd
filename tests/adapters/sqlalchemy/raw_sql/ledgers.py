"""A ledger of two tenants, and tables that all tenants share."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Integer, MetaData, String, Table

from tenantshield_mw.adapters.sqlalchemy import shared_across_tenants, tenant_aware

from ..watching import creating

METADATA = MetaData()
LEDGER = tenant_aware(
    Table("raw_ledger", METADATA, Column("id", Integer), Column("tenant_id", String(50)))
)
RATES = shared_across_tenants(Table("raw_rates", METADATA, Column("id", Integer)))
REGION = shared_across_tenants(
    Table("raw_region", METADATA, Column("code", String(50), primary_key=True))
)
BRANCH = tenant_aware(
    Table(
        "raw_branch",
        METADATA,
        Column("id", Integer, primary_key=True),
        Column("tenant_id", String(50)),
        Column("region", ForeignKey("raw_region.code", ondelete="CASCADE")),
    )
)

seed = creating(METADATA, "INSERT INTO raw_ledger VALUES (1, 'acme'), (2, 'globex')")
