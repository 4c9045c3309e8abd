"""Faults in a PostgreSQL database, planted one at a time, some with the rows that they expose."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from sqlalchemy import Column, Integer, MetaData, PrimaryKeyConstraint, String, Table

from tenantshield_mw import ConfigurationError, tenant_scope
from tenantshield_mw.adapters.sqlalchemy import tenant_aware
from tenantshield_mw.adapters.sqlalchemy.doctor import KINDS, Finding, examine
from tenantshield_mw.adapters.sqlalchemy.rls import create_policies
from tests.adapters.sqlalchemy.doctor.shop import Planted, Shop
from tests.adapters.sqlalchemy.rls.conftest import Client, RlsDatabase, rls_database


@dataclass
class Planting:
    """What is done to a clean database, and what is found then.

    Attributes:
        statements: as a superuser.
        expected: kind, table and column, in the order of the report.
        shows: as the application without a tenant, returns a row or does something; it
            does so in no clean database, and no more once the fix was applied.
    """

    name: str
    statements: list[str]
    expected: list[Planted]
    shows: str | None = None
    mends: bool = True
    objects: list[str] = field(default_factory=list)


ALL = ("customer", "invoice", "line")
READ = "SELECT 1 FROM {customer}"

FAULTS = [
    Planting(
        "no_policies",
        [
            "ALTER TABLE {customer} DISABLE ROW LEVEL SECURITY",
            "ALTER TABLE {customer} NO FORCE ROW LEVEL SECURITY",
            "DROP POLICY tenantshield_access ON {customer}",
            "DROP POLICY tenantshield_tenant ON {customer}",
        ],
        [("policies-missing", "customer", None)],
        READ,
    ),
    Planting(
        "switched_off",
        ["ALTER TABLE {customer} DISABLE ROW LEVEL SECURITY"],
        [("policies-not-enabled", "customer", None)],
        READ,
    ),
    Planting(
        "not_forced",
        ["ALTER TABLE {customer} NO FORCE ROW LEVEL SECURITY"],
        [("policies-not-forced", "customer", None)],
    ),
    Planting(
        "policy_dropped",
        ["DROP POLICY tenantshield_tenant ON {customer}"],
        [("policy-missing", "customer", None)],
        objects=["tenantshield_tenant"],
    ),
    Planting(
        "policy_altered",
        ["ALTER POLICY tenantshield_tenant ON {customer} USING (true)"],
        [("policy-outdated", "customer", None)],
        objects=["tenantshield_tenant"],
    ),
    Planting(
        "policies_of_the_former_layout",
        [
            "ALTER POLICY tenantshield_access ON {customer} USING (true) WITH CHECK (true)",
            (
                "ALTER POLICY tenantshield_tenant ON {customer} USING (tenant_id = "
                "(SELECT nullif(current_setting('tenantshield.text', true), '')))"
            ),
        ],
        [("policy-outdated", "customer", None)] * 2,
        objects=["tenantshield_access", "tenantshield_tenant"],
    ),
    Planting(
        "policy_for_others_only",
        ["ALTER POLICY tenantshield_tenant ON {customer} TO {owner}"],
        [("policy-outdated", "customer", None)],
    ),
    Planting(
        "policy_left_over",
        ["CREATE POLICY tenantshield_references ON {customer} AS RESTRICTIVE USING (true)"],
        [("policy-unexpected", "customer", None)],
    ),
    Planting(
        "policy_of_somebody_else",
        ["CREATE POLICY reporting ON {customer} USING (true)"],
        [("policy-foreign", "customer", None)],
        objects=["reporting"],
        mends=False,
    ),
    Planting(
        "superuser",
        ["ALTER ROLE {app} SUPERUSER"],
        [("role-superuser", None, None)],
        READ,
        mends=False,
    ),
    Planting("bypasses", ["ALTER ROLE {app} BYPASSRLS"], [("role-bypasses", None, None)], READ),
    Planting(
        "owns",
        ["ALTER TABLE {country} OWNER TO {app}", "ALTER TABLE {customer} OWNER TO {app}"],
        [("role-owns-table", "customer", None)],
        mends=False,
    ),
    Planting(
        "takes_on_one_that_bypasses",
        ["GRANT {system} TO {app}"],
        [("role-can-become", None, None)],
        mends=False,
    ),
    Planting(
        "takes_on_the_owner",
        ["GRANT {owner} TO {app}"],
        [
            ("role-can-become", None, None),
            # An owner's privileges are inherited.
            ("role-creates", None, None),
            *(
                (kind, table, None)
                for table in ALL
                for kind in ("role-truncates", "role-references", "role-triggers")
            ),
        ],
        mends=False,
    ),
    Planting(
        "reads_files",
        ["GRANT pg_read_server_files TO {app}"],
        [("role-can-become", None, None)],
        objects=["pg_read_server_files"],
        mends=False,
    ),
    Planting(
        "truncates",
        ["GRANT TRUNCATE ON {line} TO PUBLIC"],
        [("role-truncates", "line", None)],
        "TRUNCATE {line} RETURNING",
    ),
    Planting(
        "refers",
        ["GRANT REFERENCES (id) ON {line} TO {app}"],
        [("role-references", "line", None)],
        mends=False,
    ),
    Planting("triggers", ["GRANT TRIGGER ON {line} TO {app}"], [("role-triggers", "line", None)]),
    Planting("creates", ["GRANT CREATE ON SCHEMA public TO {app}"], [("role-creates", None, None)]),
    Planting(
        "view_of_superuser",
        ["CREATE VIEW report AS SELECT * FROM {customer}", "GRANT SELECT ON report TO {app}"],
        [("view-past-policies", "customer", None)],
        "SELECT 1 FROM report",
        objects=["report"],
    ),
    Planting(
        "view_by_way_of_one_of_a_superuser",
        [
            "CREATE VIEW inner_view AS SELECT * FROM {customer}",
            "GRANT SELECT ON inner_view TO {owner}",
            "CREATE VIEW report WITH (security_invoker) AS SELECT * FROM inner_view",
            "ALTER VIEW report OWNER TO {owner}",
            "GRANT SELECT ON report, inner_view TO {app}",
        ],
        [("view-past-policies", "customer", None), ("view-past-policies", "customer", None)],
        "SELECT 1 FROM report",
        objects=["inner_view", "report"],
    ),
    Planting(
        "view_of_one_that_bypasses",
        [
            "CREATE VIEW report AS SELECT id FROM {line}",
            "ALTER VIEW report OWNER TO {system}",
            "GRANT SELECT (id) ON report TO {app}",
        ],
        [("view-past-policies", "line", None)],
        "SELECT id FROM report",
    ),
    Planting(
        "materialized",
        [
            "CREATE MATERIALIZED VIEW report AS SELECT * FROM {customer}",
            "GRANT SELECT ON report TO {app}",
        ],
        [("materialized-view", "customer", None)],
        "SELECT 1 FROM report",
    ),
    Planting(
        "definer",
        [
            (
                "CREATE FUNCTION everybody(int) RETURNS bigint LANGUAGE sql SECURITY DEFINER "
                "AS 'SELECT nullif(count(*), 0) FROM {customer}'"
            )
        ],
        [("security-definer", None, None)],
        "SELECT 1 WHERE everybody(1) > 0",
        objects=["everybody(integer)"],
    ),
    Planting(
        "heir",
        [
            "CREATE TABLE heir () INHERITS ({customer})",
            "GRANT SELECT ON heir TO {app}",
            "INSERT INTO heir (id, tenant_id, email) VALUES (9, 'acme', 'a@example.com')",
        ],
        [("partition-without-policies", "heir", None)],
        "SELECT 1 FROM heir",
    ),
    Planting(
        "heir_with_other_policies",
        [
            "CREATE TABLE heir () INHERITS ({customer})",
            "GRANT SELECT ON heir TO {app}",
            "INSERT INTO heir (id, tenant_id, email) VALUES (9, 'acme', 'a@example.com')",
            "ALTER TABLE heir ENABLE ROW LEVEL SECURITY",
            "CREATE POLICY p ON heir USING (true)",
        ],
        [("partition-without-policies", "heir", None)],
        "SELECT 1 FROM heir",
    ),
    Planting(
        "set_for_the_role",
        ["ALTER ROLE {app} SET tenantshield.text = 'acme'"],
        [("setting-default", None, None)],
        READ,
        objects=["{app}"],
    ),
    Planting(
        "set_for_the_database",
        ["ALTER DATABASE {database} SET \"TenantShield.text\" = 'acme'"],
        [("setting-default", None, None)],
        READ,
    ),
    Planting(
        "an_extension_that_takes_sql",
        ["CREATE EXTENSION tablefunc"],
        [("extension-takes-sql", None, None)],
        objects=["tablefunc"],
    ),
]

HARMLESS = {
    "a view with the rights of whoever reads": [
        "CREATE VIEW report WITH (security_invoker = on) AS SELECT * FROM {customer}",
        "GRANT SELECT ON report TO {app}",
    ],
    "a view of an owner for whom the policies hold": [
        "CREATE VIEW report AS SELECT * FROM {customer}",
        "ALTER VIEW report OWNER TO {owner}",
        "GRANT SELECT ON report TO {app}",
    ],
    "a view of a superuser of one with the rights of whoever reads": [
        "CREATE VIEW inner_view WITH (security_invoker) AS SELECT * FROM {customer}",
        "CREATE VIEW report AS SELECT * FROM inner_view",
        "GRANT SELECT ON report TO {app}",
    ],
    "a view that the role may not read": ["CREATE VIEW report AS SELECT * FROM {customer}"],
    "a view of what is shared": [
        "CREATE VIEW report AS SELECT * FROM {country}",
        "GRANT SELECT ON report TO {app}",
    ],
    "a materialized view that the role may not read": [
        "CREATE MATERIALIZED VIEW report AS SELECT * FROM {customer}"
    ],
    "a function of an owner for whom the policies hold": [
        "CREATE FUNCTION mine() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'",
        "ALTER FUNCTION mine() OWNER TO {owner}",
    ],
    "a function that the role may not call": [
        "CREATE FUNCTION mine() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'",
        "REVOKE EXECUTE ON FUNCTION mine() FROM PUBLIC",
    ],
    "a child that the role may not read": ["CREATE TABLE heir () INHERITS ({customer})"],
    "a child that shows nothing": [
        "CREATE TABLE heir () INHERITS ({customer})",
        "GRANT SELECT ON heir TO {app}",
        "ALTER TABLE heir ENABLE ROW LEVEL SECURITY",
    ],
    "a role that is nothing special": ["GRANT pg_monitor TO {app}"],
    "an extension that takes no names": ["CREATE EXTENSION btree_gist"],
    "another setting of the role": ["ALTER ROLE {app} SET work_mem = '8MB'"],
}


class Place:
    """A database with policies, a row, and the application's role."""

    def __init__(self, base: RlsDatabase, shop: Shop) -> None:
        self.base, self.shop = base, shop
        self.names = {
            name: shop.name(name) for name in ("customer", "invoice", "line", "country")
        } | {
            "app": base.app,
            "owner": base.owner,
            "system": base.system,
            "database": str(base.here.url.database),
        }
        base.create(shop.metadata)
        self.run(
            "INSERT INTO {customer} (id, tenant_id, email) VALUES (1, 'acme', 'a@example.com')",
            "INSERT INTO {invoice} (id, tenant_id, customer_id) VALUES (1, 'acme', 1)",
            "INSERT INTO {line} (id, invoice_id, position) VALUES (1, 1, 1)",
        )

    def run(self, *statements: str) -> None:
        for each in statements:
            extension = each.removeprefix("CREATE EXTENSION ")
            if extension != each and not self._has_extension(extension):
                pytest.skip(f"this PostgreSQL has no {extension}; make test-postgresql's has")
        self.base.here.run(*(each.format(**self.names) for each in statements))

    def _has_extension(self, name: str) -> bool:
        available = "SELECT 1 FROM pg_available_extensions WHERE name = %s"
        return bool(self.base.here.read(available, [name]))

    def examine(self, role: str | None = None) -> list[Finding]:
        found = examine(self.shop.metadata, self.base.engine(role or self.base.app))
        # The shop's tenants are not signed.
        return [each for each in found if each.kind != "tenants-unsigned"]

    def shows(self, sql: str) -> bool:
        """Return whether the application, without a tenant, gets a row for ``sql``."""
        import psycopg

        sql = sql.format(**self.names)
        with psycopg.connect(
            host=str(self.base.here.url.query["host"]),
            user=self.base.app,
            dbname=self.names["database"],
        ) as connection:
            try:
                if not sql.endswith("RETURNING"):
                    return connection.execute(sql.encode()).fetchone() is not None
                connection.execute(sql.removesuffix("RETURNING").encode())
            except psycopg.errors.InsufficientPrivilege:
                return False
            finally:
                connection.rollback()
            return True


@pytest.fixture(scope="module")
def base() -> Iterator[RlsDatabase]:
    with rls_database() as made:
        made.here.run(f"REVOKE {made.system} FROM {made.app}")
        yield made


@pytest.fixture
def place(base: RlsDatabase) -> Iterator[Place]:
    yield Place(base, Shop())
    base.close()
    base.here.run(
        "DROP SCHEMA public CASCADE",
        "CREATE SCHEMA public",
        f"GRANT CREATE, USAGE ON SCHEMA public TO {base.owner}",
        "GRANT USAGE ON SCHEMA public TO PUBLIC",
        f"ALTER ROLE {base.app} NOSUPERUSER NOBYPASSRLS",
        f"ALTER ROLE {base.app} RESET ALL",
        f"ALTER DATABASE {base.here.url.database} RESET ALL",
        f"REVOKE {base.owner}, {base.system}, pg_monitor, pg_read_server_files FROM {base.app}",
    )


def test_nothing_is_found_where_all_is_in_place(place: Place) -> None:
    assert place.examine() == []
    assert not place.shows(READ)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda each: each.name)
def test_a_fault_is_found_and_nothing_else(place: Place, fault: Planting) -> None:
    place.run(*fault.statements)
    findings = place.examine()
    assert sorted(place.shop.planted(findings), key=str) == sorted(fault.expected, key=str)
    if fault.objects:
        expected = sorted(each.format(**place.names) for each in fault.objects)
        assert sorted(str(each.object) for each in findings) == expected
    if fault.shows is not None:
        assert place.shows(fault.shows)


@pytest.mark.parametrize(
    "fault", [each for each in FAULTS if each.mends], ids=lambda each: each.name
)
def test_the_fix_of_a_finding_removes_it(place: Place, fault: Planting) -> None:
    place.run(*fault.statements)
    while findings := place.examine():
        fix = findings[0].fix
        if "rls.create_policies" in fix:
            with place.base.engine(place.base.owner).begin() as connection:
                create_policies(connection, place.shop.metadata)
        else:
            place.base.here.run(fix.partition(";")[0])
        assert len(place.examine()) < len(findings)
    if fault.shows is not None:
        assert not place.shows(fault.shows)


def test_every_kind_that_concerns_postgresql_is_planted() -> None:
    planted = {kind for fault in FAULTS for kind, _, _ in fault.expected}
    # In test_signing.py.
    planted |= {"tenants-unsigned", "key-readable", "role-creates-temporary"}
    assert planted == {kind for kind, nature in KINDS.items() if nature.place == "PostgreSQL"}


@pytest.mark.parametrize("statements", HARMLESS.values(), ids=HARMLESS)
def test_secure_objects_are_not_findings(place: Place, statements: list[str]) -> None:
    place.run(*statements)
    assert place.examine() == []
    if any("VIEW report" in each for each in statements):
        assert not place.shows("SELECT 1 FROM report")


def test_the_role_may_be_another_than_the_connections(place: Place) -> None:
    engine = place.base.here.engine()
    assert {each.kind for each in examine(place.shop.metadata, engine)} == {"role-superuser"}
    found = examine(place.shop.metadata, engine, role=place.base.app)
    assert {each.kind for each in found} == {"tenants-unsigned"}
    with pytest.raises(ConfigurationError, match="no role 'nobody at all'"):
        examine(place.shop.metadata, engine, role="nobody at all")
    engine.dispose()


def test_partitions_are_looked_at_with_their_table(place: Place) -> None:
    shop = place.shop
    events = Table(
        shop.name("event"),
        shop.metadata,
        Column("tenant_id", String(40)),
        Column("id", Integer),
        PrimaryKeyConstraint("tenant_id", "id"),
        postgresql_partition_by="HASH (tenant_id)",
    )
    tenant_aware(events)
    place.base.create(shop.metadata)
    place.run(
        f"CREATE TABLE event_1 PARTITION OF {events.name} "
        "FOR VALUES WITH (MODULUS 1, REMAINDER 0) PARTITION BY HASH (id)",
        "CREATE TABLE event_1_1 PARTITION OF event_1 FOR VALUES WITH (MODULUS 1, REMAINDER 0)",
    )
    assert place.examine() == []
    place.run("GRANT SELECT ON event_1_1 TO {app}")
    assert place.shop.planted(place.examine()) == [
        ("partition-without-policies", "event_1_1", None)
    ]


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
