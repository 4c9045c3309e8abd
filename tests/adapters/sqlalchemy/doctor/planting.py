"""Faults of a PostgreSQL database, planted one at a time, some with the rows that they expose."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import pytest

from tenantshield_mw.adapters.sqlalchemy.doctor import Finding, examine
from tenantshield_mw.adapters.sqlalchemy.rls import create_policies
from tests.adapters.sqlalchemy.rls.conftest import RlsDatabase

from .shop import Planted, Shop


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


class Place:
    """A database with policies, a row, the application's role, and one for nothing yet."""

    def __init__(self, base: RlsDatabase, shop: Shop, other: str) -> None:
        self.base, self.shop = base, shop
        self.names = {
            name: shop.name(name) for name in ("customer", "invoice", "line", "country")
        } | {
            "app": base.app,
            "owner": base.owner,
            "system": base.system,
            "other": other,
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


def each_planting(faults: Iterable[Planting]) -> pytest.MarkDecorator:
    """Give a test each of ``faults`` as ``fault``."""
    return pytest.mark.parametrize("fault", list(faults), ids=lambda each: each.name)


def assert_fault_is_found(place: Place, fault: Planting) -> None:
    """Check that this is found and nothing else, and that it exposes what it says."""
    place.run(*fault.statements)
    findings = place.examine()
    assert sorted(place.shop.planted(findings), key=str) == sorted(fault.expected, key=str)
    if fault.objects:
        expected = sorted(each.format(**place.names) for each in fault.objects)
        assert sorted(str(each.object) for each in findings) == expected
    if fault.shows is not None:
        assert place.shows(fault.shows)


def assert_fix_removes(place: Place, fault: Planting) -> None:
    """Check that what a finding says to do leaves less to find."""
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


def assert_harmless(place: Place, statements: list[str]) -> None:
    """Check that nothing is found, and that nothing is exposed."""
    place.run(*statements)
    assert place.examine() == []
    if any("VIEW report" in each for each in statements):
        assert not place.shows("SELECT 1 FROM report")
