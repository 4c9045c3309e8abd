"""A parent with keys of two tenants, ``a`` and ``b``, and a table with a foreign key to it."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from sqlalchemy import Column, Engine, ForeignKey, Integer, MetaData, String, Table

from tenantshield_mw import CrossTenantAccessError, tenant_scope
from tenantshield_mw.adapters.sqlalchemy import tenant_aware
from tests.databases import Database

NUMBERS = itertools.count()
"""What several MetaData say of one table counts together, so each test has tables of its own."""


def tables(theirs: Any, ours: Any) -> tuple[Table, Table]:
    metadata, number = MetaData(), next(NUMBERS)
    parent = Table(
        f"valued_parent_{number}",
        metadata,
        Column("id", theirs, primary_key=True, autoincrement=False),
        Column("tenant_id", String(20)),
    )
    child = Table(
        f"valued_child_{number}",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("parent_id", ours, ForeignKey(parent.c.id)),
    )
    return tenant_aware(parent), child


def made(here: Database, parent: Table, own: Any, others: Any, **options: Any) -> Engine:
    """Create all tables, with keys of two tenants in the parent, as the driver spells them."""
    engine = here.engine(**options)
    parent.metadata.create_all(engine)
    here.run(f"INSERT INTO {parent.name} VALUES ({own}, 'a')")
    here.run(f"INSERT INTO {parent.name} VALUES ({others}, 'b')")
    return engine


def refused(engine: Engine, statement: Any, parameters: Any = None) -> None:
    with tenant_scope("a"), pytest.raises(CrossTenantAccessError), engine.begin() as connection:
        connection.execute(statement, parameters)


def accepted(engine: Engine, statement: Any, parameters: Any = None) -> None:
    with tenant_scope("a"), engine.begin() as connection:
        connection.execute(statement, parameters)
