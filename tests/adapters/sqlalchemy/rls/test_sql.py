"""Names and values are quoted, whatever is in them."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import CHAR, Column, Integer, MetaData, Table
from sqlalchemy.orm import Session

from tenantshield_mw import tenant_scope
from tenantshield_mw.adapters.sqlalchemy import rls, tenant_aware

from .conftest import Client, Read, RlsDatabase, by_cursor
from .models import Parent


@pytest.mark.parametrize("tenant", ["o'reilly", 'a"b', "back\\slash", "%s", "a;b", "ümläut"])
def test_any_name_of_a_tenant_is_taken_as_it_is(app: Client, everything: Read, tenant: str) -> None:
    def add(session: Session) -> list[tuple[Any, ...]]:
        session.add(Parent())
        session.commit()
        return by_cursor(session, "SELECT tenant_id FROM floor_parent")

    with tenant_scope(tenant):
        assert app.session(add) == [(tenant,)]
    assert everything("SELECT tenant_id FROM floor_parent") == [(tenant,)]


def test_a_schema_and_names_with_quotes_are_written_as_they_are(base: RlsDatabase) -> None:
    metadata = MetaData()
    name, schema = 'Odd "Table" %s', "Odd Schema"
    table = Table(
        name,
        metadata,
        Column("id", Integer, primary_key=True),
        Column('The "Tenant"', CHAR(8)),
        Column("self", Integer),
        schema=schema,
    )
    tenant_aware(table, column='The "Tenant"')
    base.here.run(f'CREATE SCHEMA "{schema}" AUTHORIZATION {base.owner}')
    with base.engine(base.owner).begin() as connection:
        metadata.create_all(connection)
        rls.create_policies(connection, metadata)
    found = base.here.read(
        "SELECT schemaname, tablename, count(*) FROM pg_policies "
        "WHERE schemaname = %s GROUP BY 1, 2",
        [schema],
    )
    assert found == [(schema, name, 2)]
