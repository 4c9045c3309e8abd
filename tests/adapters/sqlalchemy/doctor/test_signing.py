"""The doctor looks at how tenants are signed."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Final

import pytest

from tenantshield_mw.adapters.sqlalchemy import rls
from tenantshield_mw.adapters.sqlalchemy.doctor import Finding, examine
from tests.adapters.sqlalchemy.rls.conftest import RlsDatabase, signed_database

from .shop import Shop

KINDS: Final = ("tenants-unsigned", "key-readable", "role-creates-temporary")


class Place:
    """A shop whose tenants are signed."""

    def __init__(self, base: RlsDatabase, other: str) -> None:
        self.base, self.shop, self.other = base, Shop(), other
        rls.configure(self.shop.metadata, roles=[base.app], signed=True, system_role=base.system)
        base.create(self.shop.metadata)
        with base.engine(base.owner).begin() as connection:
            rls.store_keys(connection, [secrets.token_bytes(32)])
        base.here.run(f"REVOKE TEMP ON DATABASE {base.here.url.database} FROM PUBLIC")

    def examine(self) -> list[Finding]:
        return examine(self.shop.metadata, self.base.engine(self.base.app))

    def kinds(self) -> list[str]:
        return [each.kind for each in self.examine()]

    def run(self, *statements: str) -> None:
        self.base.here.run(*map(self.named, statements))

    def named(self, text: str) -> str:
        return text.format(
            app=self.base.app,
            owner=self.base.owner,
            other=self.other,
            customer=self.shop.name("customer"),
            keys="tenantshield.keys",
        )


@pytest.fixture
def place() -> Iterator[Place]:
    with signed_database() as base, base.here.roles(other="") as (other,):
        yield Place(base, other)


def test_nothing_is_found_where_all_is_in_place(place: Place) -> None:
    assert place.examine() == []


def test_functions_of_a_superuser_that_check_signatures_are_no_finding(place: Place) -> None:
    place.run(
        "ALTER FUNCTION tenantshield.tenantshield_signed() OWNER TO postgres",
        "ALTER FUNCTION tenantshield.tenantshield_system() OWNER TO postgres",
    )
    assert place.examine() == []
    place.run(
        "CREATE FUNCTION public.other() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'"
    )
    assert place.kinds() == ["security-definer"]


@pytest.mark.parametrize(
    "change",
    [
        "ALTER FUNCTION tenantshield.tenantshield_signed() SECURITY INVOKER",
        "ALTER FUNCTION tenantshield.tenantshield_signed() RESET search_path",
        "ALTER FUNCTION tenantshield.tenantshield_signed() PARALLEL SAFE",
        (
            "CREATE OR REPLACE FUNCTION tenantshield.tenantshield_signed() RETURNS boolean "
            "LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SECURITY DEFINER "
            "SET search_path = pg_catalog, pg_temp AS $$ BEGIN RETURN true; END $$"
        ),
    ],
)
def test_a_function_that_was_changed_is_found(place: Place, change: str) -> None:
    place.run(change)
    assert set(place.kinds()) == {"policy-outdated"}


def test_policies_for_unsigned_tenants_are_outdated(place: Place) -> None:
    rls.configure(place.shop.metadata, roles=[place.base.app])
    with place.base.engine(place.base.owner).begin() as connection:
        rls.create_policies(connection, place.shop.metadata)
    assert place.kinds() == ["tenants-unsigned"]
    rls.configure(
        place.shop.metadata,
        roles=[place.base.app],
        signed=True,
        system_role=place.base.system,
    )
    assert {"policy-outdated", "policy-missing"} == set(place.kinds())


def test_a_permissive_policy_from_elsewhere_is_unexpected(place: Place) -> None:
    place.run("CREATE POLICY reporting ON {customer} USING (true)")
    [finding] = place.examine()
    assert (finding.kind, finding.severity) == ("policy-unexpected", "warning")
    place.run(
        "DROP POLICY reporting ON {customer}",
        "CREATE POLICY reporting ON {customer} AS RESTRICTIVE USING (true)",
    )
    assert place.kinds() == ["policy-foreign"]


def test_keys_that_the_role_may_read_are_found(place: Place) -> None:
    place.run("GRANT SELECT ON tenantshield.keys TO {app}")
    # Row-level security shows it none.
    assert place.examine() == []
    place.run("ALTER TABLE tenantshield.keys DISABLE ROW LEVEL SECURITY")
    [finding] = place.examine()
    assert finding.kind == "key-readable"
    place.run(finding.fix.partition(";")[0])
    assert place.examine() == []


# What is done to a database, and what is found then, each with its object.
LEAKS: Final[dict[str, tuple[list[str], set[tuple[str, str]]]]] = {
    "the role owns the keys": (
        ["GRANT ALL ON SCHEMA tenantshield TO {app}", "ALTER TABLE {keys} OWNER TO {app}"],
        {("key-readable", "{keys}"), ("role-creates", "tenantshield")},
    ),
    "a policy shows the keys": (
        ["GRANT SELECT (inner_pad) ON {keys} TO {app}", "CREATE POLICY p ON {keys} USING (true)"],
        {("key-readable", "{keys}")},
    ),
    "a policy lets keys be added": (
        [
            "GRANT INSERT ON {keys} TO {app}",
            "CREATE POLICY p ON {keys} FOR INSERT TO {app} WITH CHECK (true)",
        ],
        {("key-readable", "{keys}")},
    ),
    "a trigger is told the keys": (
        ["GRANT TRIGGER ON {keys} TO {app}"],
        {("key-readable", "{keys}")},
    ),
    "a rule is told the keys": (
        [
            "CREATE TABLE log (pad bytea)",
            "CREATE RULE r AS ON INSERT TO {keys} DO ALSO INSERT INTO log VALUES (new.inner_pad)",
        ],
        {("key-readable", "r")},
    ),
    "a view of a superuser": (
        ["CREATE VIEW v AS SELECT * FROM {keys}", "GRANT SELECT ON v TO {app}"],
        {("key-readable", "v")},
    ),
    "a view of the owner, in a view": (
        [
            "CREATE VIEW inner_view AS SELECT * FROM {keys}",
            "ALTER VIEW inner_view OWNER TO {owner}",
            "CREATE VIEW v WITH (security_invoker) AS SELECT * FROM inner_view",
            "GRANT SELECT ON v, inner_view TO {app}",
        ],
        {("key-readable", "v"), ("key-readable", "inner_view")},
    ),
    "a view of a member of the owner": (
        [
            "GRANT {owner} TO {other}",
            "CREATE VIEW v AS SELECT * FROM {keys}",
            "ALTER VIEW v OWNER TO {other}",
            "GRANT SELECT ON v TO {app}",
        ],
        {("key-readable", "v")},
    ),
    "a materialized view": (
        ["CREATE MATERIALIZED VIEW v AS SELECT * FROM {keys}", "GRANT SELECT ON v TO {app}"],
        {("key-readable", "v")},
    ),
    "a rule of another table": (
        [
            "CREATE TABLE side (name text, pad bytea)",
            "GRANT INSERT ON side TO {app}",
            (
                "CREATE RULE r AS ON INSERT TO side DO ALSO "
                "INSERT INTO {keys} VALUES (new.name, new.pad, new.pad)"
            ),
        ],
        {("key-readable", "side")},
    ),
    "a table that the keys inherit from": (
        [
            "CREATE TABLE parent (name text)",
            "ALTER TABLE {keys} INHERIT parent",
            "GRANT SELECT ON parent TO {app}",
        ],
        {("key-readable", "parent")},
    ),
    "a function of the owner": (
        [
            "CREATE FUNCTION f() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'",
            "ALTER FUNCTION f() OWNER TO {owner}",
        ],
        {("security-definer", "f()")},
    ),
    "the role may create in the schema": (
        ["GRANT CREATE ON SCHEMA tenantshield TO {app}"],
        {("role-creates", "tenantshield")},
    ),
    "the role owns the schema": (
        ["ALTER SCHEMA tenantshield OWNER TO {app}"],
        {("role-owns-schema", "tenantshield")},
    ),
    "the role owns a function": (
        [
            "GRANT USAGE ON SCHEMA tenantshield TO {app}",
            "ALTER FUNCTION tenantshield.tenantshield_signed() OWNER TO {app}",
        ],
        {("role-owns-function", "tenantshield.tenantshield_signed()")},
    ),
    "the role may become the owner of the keys": (
        [
            "ALTER TABLE {keys} OWNER TO {other}",
            "GRANT {other} TO {app}",
        ],
        {("role-can-become", "{other}")},
    ),
}

SAFE: Final = {
    "a view with the rights of whoever reads": [
        "CREATE VIEW v WITH (security_invoker) AS SELECT * FROM {keys}",
        "GRANT SELECT ON v, {keys} TO {app}",
    ],
    "a view that the role may not read": ["CREATE VIEW v AS SELECT * FROM {keys}"],
    "a view of a role that may not read the keys": [
        "CREATE VIEW v AS SELECT * FROM {keys}",
        "ALTER VIEW v OWNER TO {other}",
        "GRANT SELECT ON v TO {app}",
    ],
    "a policy for another role": [
        "CREATE POLICY p ON {keys} TO {other} USING (true)",
        "GRANT SELECT ON {keys} TO {app}",
    ],
    "a table that the keys inherit from and the role may not read": [
        "CREATE TABLE parent (name text)",
        "ALTER TABLE {keys} INHERIT parent",
    ],
}


@pytest.mark.parametrize("leak", LEAKS)
def test_what_leads_to_the_keys_is_found(place: Place, leak: str) -> None:
    statements, expected = LEAKS[leak]
    place.run(*statements)
    found = {(each.kind, each.object) for each in place.examine()}
    assert found == {(kind, place.named(name)) for kind, name in expected}


@pytest.mark.parametrize("statements", SAFE.values(), ids=SAFE)
def test_what_does_not_lead_to_the_keys_is_no_finding(place: Place, statements: list[str]) -> None:
    place.run(*statements)
    assert place.examine() == []


def test_temporary_tables_are_found(place: Place) -> None:
    place.run(f"GRANT TEMP ON DATABASE {place.base.here.url.database} TO PUBLIC")
    [finding] = place.examine()
    assert finding.kind == "role-creates-temporary"
    place.run(finding.fix.partition(";")[0])
    assert place.examine() == []
