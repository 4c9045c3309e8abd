"""The directory says where rows are, and is believed only after it was read back."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import create_engine

from tenantshield_mw import ConfigurationError, TenantDirectory
from tenantshield_mw.adapters.sqlalchemy import tenants_in
from tenantshield_mw.adapters.sqlalchemy.placements import SHARED, Placement
from tenantshield_mw.adapters.sqlalchemy.provisioning import Fleet
from tenantshield_mw.adapters.sqlalchemy.provisioning.listing import Listing

from .estates import Estate, on_each
from .models import Base, Tenant

estate = on_each("sqlite", "postgresql", "mariadb")
in_a_file = on_each("sqlite")


def test_what_is_written_is_what_the_application_finds(estate: Estate) -> None:
    estate.enlist("acme", "initech")
    listing = Listing(estate.fleet)
    assert estate.found("acme").attributes == {"schema": None, "database": None}
    there = Placement(database="acme")
    listing.switch("acme", there)
    assert estate.listed() == {"acme": there, "initech": SHARED}
    assert estate.found("acme").attributes == {"schema": None, "database": "acme"}
    assert listing.find("acme") == ("acme", there)
    assert sorted(map(str, listing.placements())) == ["the database 'acme'", "the shared tables"]
    with pytest.raises(ConfigurationError, match="no tenant"):
        listing.switch("Acme", SHARED)


def test_a_database_that_changes_what_was_written_is_not_believed(in_a_file: Estate) -> None:
    estate = in_a_file
    estate.enlist("acme")
    estate.here.run(
        "CREATE TRIGGER change AFTER UPDATE ON estate_tenant WHEN NEW.database <> 'x' "
        "BEGIN UPDATE estate_tenant SET database = 'x'; END"
    )
    with pytest.raises(ConfigurationError, match="says the database 'x' after"):
        Listing(estate.fleet).switch("acme", Placement(database="acme"))


def test_a_directory_that_cannot_say_a_place_is_refused(estate: Estate) -> None:
    def fleet(*attributes: object) -> Fleet:
        engine = create_engine("sqlite://")
        lookup = tenants_in(
            engine, Tenant, id=Tenant.id, state=Tenant.active, attributes=attributes
        )
        options: dict[str, Any] = {"schemas": None, "databases": estate.fleet.databases}
        return Fleet("sqlite://", Base.metadata, TenantDirectory(lookup), **options)

    with pytest.raises(ConfigurationError, match="does not say where rows are"):
        Listing(fleet())
    with pytest.raises(ConfigurationError, match="has no 'schema' among"):
        Listing(fleet(Tenant.database)).check(Placement(schema="acme"))
