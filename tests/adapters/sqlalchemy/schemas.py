"""The common tables of the ownership tests, one of each kind."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Column, Engine, ForeignKey, Integer, MetaData, String, Table

from tenantshield_mw import MissingTenantContextError, tenant_scope
from tenantshield_mw.adapters.sqlalchemy import shared_across_tenants, tenant_aware

from .watching import creating

__all__ = [
    "ACCOUNT",
    "ACCOUNT_TAG",
    "ENTRY",
    "ENTRY_LINE",
    "METADATA",
    "SEED",
    "SHARED",
    "VISIT",
    "assert_confined",
    "child_table",
    "seed",
    "seen",
    "tenant_table",
]


def tenant_table(name: str, metadata: MetaData, *more: Any, **options: Any) -> Table:
    """Return a table with a primary key and a tenant column, not declared yet."""
    return Table(
        name,
        metadata,
        Column("id", Integer, primary_key=True),
        Column("tenant_id", String(50)),
        *more,
        **options,
    )


def child_table(name: str, metadata: MetaData, *more: Any) -> Table:
    """Return a table with a primary key and no tenant column."""
    return Table(name, metadata, Column("id", Integer, primary_key=True), *more)


METADATA = MetaData()

ACCOUNT = tenant_aware(tenant_table("reg_account", METADATA, Column("name", String(50))))
TAG = tenant_aware(tenant_table("reg_tag", METADATA))
# An association table: its keys are nullable, but it has no other columns.
ACCOUNT_TAG = Table(
    "reg_account_tag",
    METADATA,
    Column("account_id", ForeignKey("reg_account.id")),
    Column("tag_id", ForeignKey("reg_tag.id")),
)
ENTRY = child_table(
    "reg_entry", METADATA, Column("account_id", ForeignKey("reg_account.id"), nullable=False)
)
# Tied to a tied table.
ENTRY_LINE = child_table(
    "reg_entry_line", METADATA, Column("entry_id", ForeignKey("reg_entry.id"), nullable=False)
)
# It may refer to a tenant's row, but is not tied to it.
VISIT = child_table("reg_visit", METADATA, Column("account_id", ForeignKey("reg_account.id")))
SHARED = shared_across_tenants(
    Table("reg_country", METADATA, Column("code", String(2), primary_key=True))
)

SEED = (
    "INSERT INTO reg_account VALUES (1, 'acme', 'ours'), (2, 'globex', 'theirs')",
    "INSERT INTO reg_tag VALUES (1, 'acme'), (2, 'globex'), (3, 'acme')",
    "INSERT INTO reg_account_tag VALUES (1, 1), (1, 3), (2, 2), (1, 2), (2, 1)",
    "INSERT INTO reg_entry VALUES (11, 1), (12, 2)",
    "INSERT INTO reg_entry_line VALUES (111, 11), (112, 12)",
    "INSERT INTO reg_visit VALUES (1, 1), (2, 2), (3, NULL)",
    "INSERT INTO reg_country VALUES ('FI')",
)


seed = creating(METADATA, *SEED)
"""Creates the tables, and a few rows of two tenants in each."""


def seen(engine: Engine, statement: Any, tenant: str = "acme") -> list[Any]:
    """Return the sorted result of ``statement`` for ``tenant``."""
    with tenant_scope(tenant), engine.connect() as connection:
        return sorted(connection.execute(statement).scalars())


def assert_confined(engine: Engine, statement: Any) -> None:
    """Check that ``statement`` needs a tenant."""
    with engine.connect() as connection, pytest.raises(MissingTenantContextError):
        connection.execute(statement)
