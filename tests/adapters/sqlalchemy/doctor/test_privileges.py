"""What is read of a PostgreSQL server: roles, tables and what each may do."""

from __future__ import annotations

import pytest
from sqlalchemy import Column, MetaData, String, Table

from tenantshield_mw import ConfigurationError, tenant_scope
from tenantshield_mw.adapters.sqlalchemy import tenant_aware
from tenantshield_mw.adapters.sqlalchemy.doctor import Finding, examine
from tests.adapters.sqlalchemy.rls.conftest import Client, RlsDatabase

from .planting import READ, Place


def test_nothing_is_found_where_all_is_in_place(place: Place) -> None:
    assert place.examine() == []
    assert not place.shows(READ)


def test_the_role_may_be_another_than_the_connections(place: Place) -> None:
    engine = place.base.here.engine()
    assert {each.kind for each in examine(place.shop.metadata, engine)} == {"role-superuser"}
    assert examine(place.shop.metadata, engine, role=place.base.app) == []
    with pytest.raises(ConfigurationError, match="no role 'nobody at all'"):
        examine(place.shop.metadata, engine, role="nobody at all")
    engine.dispose()


def test_tables_of_another_schema_are_looked_at_there(place: Place) -> None:
    schema = f"{place.shop.prefix}archive"
    place.run(f"CREATE SCHEMA {schema}", f"GRANT ALL ON SCHEMA {schema} TO {{owner}}")
    kept = Table(
        f"{place.shop.prefix}kept",
        place.shop.metadata,
        place.shop.key(),
        Column("tenant_id", String(40), nullable=False),
        schema=schema,
    )
    place.shop.index("kept_tenant", kept.c.tenant_id)
    tenant_aware(kept)
    place.base.create(place.shop.metadata)
    assert place.examine() == []
    place.run(
        f"GRANT TRUNCATE ON {schema}.{kept.name} TO {{app}}",
        f"CREATE TABLE {schema}.stray (tenant_id text)",
        f"CREATE VIEW {schema}.report AS SELECT * FROM {schema}.{kept.name}",
        f"GRANT SELECT ON {schema}.report TO {{app}}",
    )
    found = {(each.kind, each.table, each.object) for each in place.examine()}
    label = f"{schema}.{kept.name}"
    assert found == {
        ("role-truncates", label, place.base.app),
        ("view-past-policies", label, f"{schema}.report"),
        ("table-unknown", f"{schema}.stray", None),
    }
    place.run(f"DROP SCHEMA {schema} CASCADE")


def test_it_can_be_asked_of_the_applications_own_engine(place: Place, base: RlsDatabase) -> None:
    for driver in ("psycopg", "psycopg_async", "asyncpg"):
        client = Client(base, driver, system_role=None)
        place.run("GRANT {system} TO {app}")

        def ask(session: object, metadata: MetaData = place.shop.metadata) -> list[Finding]:
            return examine(metadata, session.connection())  # type: ignore[attr-defined]

        try:
            assert [each.kind for each in client.session(ask)] == ["role-can-become"]
            with tenant_scope("acme"):
                assert [each.kind for each in client.session(ask)] == ["role-can-become"]
        finally:
            client.close()
