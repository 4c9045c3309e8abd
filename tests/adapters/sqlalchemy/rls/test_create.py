"""The policies of all tables are created, replaced and dropped."""

from __future__ import annotations

import pytest
from sqlalchemy import MetaData

from tenantshield_mw import ConfigurationError
from tenantshield_mw.adapters.sqlalchemy import rls
from tests.databases import memory_engine

from .conftest import Read, RlsDatabase
from .models import Base

pytestmark = pytest.mark.usefixtures("tables")


def test_policies_can_be_created_again_and_dropped(base: RlsDatabase, everything: Read) -> None:
    # Other tests may have created some for their own tables.
    tables = ", ".join(f"'{each.name}'" for each in Base.metadata.tables.values())
    mine = f"SELECT count(*) FROM pg_policies WHERE tablename IN ({tables})"
    before = everything(mine)
    with base.engine(base.owner).begin() as connection:
        rls.create_policies(connection, Base.metadata)
    assert everything(mine) == before

    with base.engine(base.owner).begin() as connection:
        rls.drop_policies(connection, Base.metadata)
    try:
        secured = f"SELECT count(*) FROM pg_class WHERE relname IN ({tables}) AND relrowsecurity"
        assert (everything(mine), everything(secured)) == ([(0,)], [(0,)])
        functions = "SELECT count(*) FROM pg_proc WHERE proname LIKE 'tenantshield%'"
        assert everything(functions) == [(0,)]
    finally:
        with base.engine(base.owner).begin() as connection:
            rls.create_policies(connection, Base.metadata)
    assert everything(mine) == before


def test_policies_are_for_postgresql() -> None:
    engine = memory_engine()
    with engine.connect() as connection, pytest.raises(ConfigurationError, match="PostgreSQL"):
        rls.create_policies(connection, MetaData())
    engine.dispose()
