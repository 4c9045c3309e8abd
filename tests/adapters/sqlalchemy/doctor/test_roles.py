"""What the application's role may do past the policies."""

from __future__ import annotations

import pytest

from .planting import (
    ALL,
    READ,
    Place,
    Planting,
    assert_fault_is_found,
    assert_fix_removes,
    assert_harmless,
    each_planting,
)

FAULTS = [
    Planting(
        "superuser",
        ["ALTER ROLE {app} SUPERUSER"],
        [("role-superuser", None, None)],
        READ,
        mends=False,
    ),
    Planting("bypasses", ["ALTER ROLE {app} BYPASSRLS"], [("role-bypasses", None, None)], READ),
    Planting("replicates", ["ALTER ROLE {app} REPLICATION"], [("role-replicates", None, None)]),
    Planting(
        "creates_roles", ["ALTER ROLE {app} CREATEROLE"], [("role-creates-roles", None, None)]
    ),
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
        "reads_statistics",
        [
            "ANALYZE {customer}",
            # A value is noted if several rows have it.
            "INSERT INTO {customer} (id, tenant_id, email) VALUES (7, 'acme', 'b@example.com')",
            "ANALYZE {customer}",
            "GRANT pg_read_all_data TO {app}",
        ],
        [("role-can-become", None, None)],
        "SELECT 1 FROM pg_statistic WHERE starelid = '{customer}'::regclass "
        "AND stavalues1::text LIKE '%acme%'",
        objects=["pg_read_all_data"],
        mends=False,
    ),
    Planting(
        "takes_on_one_that_replicates",
        ["ALTER ROLE {other} REPLICATION", "GRANT {other} TO {app}"],
        [("role-can-become", None, None)],
        objects=["{other}"],
        mends=False,
    ),
    Planting(
        "takes_on_one_that_creates_roles",
        ["ALTER ROLE {other} CREATEROLE", "GRANT {other} TO {app}"],
        [("role-can-become", None, None)],
        objects=["{other}"],
        mends=False,
    ),
    Planting(
        "takes_on_the_owner_of_the_schema",
        [
            "ALTER SCHEMA public OWNER TO {other}",
            "ALTER ROLE {app} NOINHERIT",
            "GRANT {other} TO {app}",
        ],
        [("role-can-become", None, None)],
        objects=["{other}"],
        mends=False,
    ),
    Planting(
        "owns_the_schema",
        ["ALTER SCHEMA public OWNER TO {app}"],
        [("role-owns-schema", None, None)],
        objects=["public"],
        mends=False,
    ),
    Planting(
        "owns_the_database_and_its_schema",
        [
            "ALTER SCHEMA public OWNER TO pg_database_owner",
            "ALTER DATABASE {database} OWNER TO {app}",
        ],
        [("role-owns-schema", None, None)],
        objects=["public"],
        mends=False,
    ),
    Planting(
        "owns_a_function_of_the_policies",
        ["ALTER FUNCTION tenantshield_text() OWNER TO {app}"],
        [("role-owns-function", None, None)],
        objects=["tenantshield_text()"],
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
]

HARMLESS = {
    "a role that is nothing special": ["GRANT pg_monitor TO {app}"],
    "another setting of the role": ["ALTER ROLE {app} SET work_mem = '8MB'"],
}


@each_planting(FAULTS)
def test_a_fault_is_found_and_nothing_else(place: Place, fault: Planting) -> None:
    assert_fault_is_found(place, fault)


@each_planting(each for each in FAULTS if each.mends)
def test_the_fix_of_a_finding_removes_it(place: Place, fault: Planting) -> None:
    assert_fix_removes(place, fault)


@pytest.mark.parametrize("statements", HARMLESS.values(), ids=HARMLESS)
def test_secure_objects_are_not_findings(place: Place, statements: list[str]) -> None:
    assert_harmless(place, statements)
