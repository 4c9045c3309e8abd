"""Files of two tenants, their parts, and a shared table."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    DDL,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
)

from tenantshield_mw.adapters.sqlalchemy import shared_across_tenants, tenant_aware

from ..watching import creating

METADATA = MetaData()
FILE = tenant_aware(
    Table(
        "ddl_file",
        METADATA,
        Column("id", Integer, primary_key=True),
        Column("tenant_id", String(50), server_default="nobody", comment="whose it is"),
        Column("name", String(50)),
        CheckConstraint("length(name) > 0", name="ddl_named"),
        comment="files",
    )
)
PART = Table(
    "ddl_part",
    METADATA,
    Column("file_id", ForeignKey("ddl_file.id"), nullable=False),
)
INDEX = Index("ddl_index", FILE.c.tenant_id, FILE.c.name)
SHARED = shared_across_tenants(Table("ddl_shared", METADATA, Column("id", Integer)))

seed = creating(METADATA, "INSERT INTO ddl_file VALUES (1, 'acme', 'a'), (2, 'globex', 'g')")


def ddl(sql: str) -> Any:
    make: Any = DDL
    return make(sql)
