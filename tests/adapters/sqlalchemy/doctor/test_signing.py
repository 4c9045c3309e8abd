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

    def __init__(self, base: RlsDatabase) -> None:
        self.base, self.shop = base, Shop()
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
        names = {"app": self.base.app, "customer": self.shop.name("customer")}
        self.base.here.run(*(each.format(**names) for each in statements))


@pytest.fixture
def place() -> Iterator[Place]:
    with signed_database() as base:
        yield Place(base)


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


def test_temporary_tables_are_found(place: Place) -> None:
    place.run(f"GRANT TEMP ON DATABASE {place.base.here.url.database} TO PUBLIC")
    [finding] = place.examine()
    assert finding.kind == "role-creates-temporary"
    place.run(finding.fix.partition(";")[0])
    assert place.examine() == []
