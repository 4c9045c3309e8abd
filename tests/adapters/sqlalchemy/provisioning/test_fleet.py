"""What a fleet is given is checked before anything is done."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tenantshield_mw import ConfigurationError, TenantDirectory
from tenantshield_mw.adapters.sqlalchemy.placements import SHARED, Databases, Placement, Schemas
from tenantshield_mw.adapters.sqlalchemy.provisioning import Fleet
from tenantshield_mw.adapters.sqlalchemy.provisioning.fleet import fleet_at
from tenantshield_mw.adapters.sqlalchemy.provisioning.making import make

from .estates import fleet_of
from .models import Base

PLACES = {"databases": Databases(url=lambda name: f"sqlite:///{name}")}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"url": "nonsense"}, "not one that SQLAlchemy understands"),
        ({"url": "sqlite+aiosqlite://"}, "names an async driver"),
        ({"metadata": Base}, "takes a MetaData"),
        ({"directory": TenantDirectory(lambda tenant: None)}, "tenants_in"),
        ({"databases": None}, "needs schemas="),
        ({"schemas": Schemas()}, "require PostgreSQL"),
        ({"role": "app"}, "require PostgreSQL"),
        ({"policies": True}, "require PostgreSQL"),
        ({"alembic": "nowhere.ini"}, "no file 'nowhere.ini'"),
    ],
    # No objects, whose text has an address.
    ids=lambda given: given if isinstance(given, str) else next(iter(given)),
)
def test_an_argument_that_cannot_be_used_is_refused(
    arguments: dict[str, Any], message: str
) -> None:
    good: dict[str, Any] = {
        "url": "sqlite://",
        "metadata": Base.metadata,
        "directory": fleet_of("sqlite://").directory,
        **PLACES,
    }
    with pytest.raises(ConfigurationError, match=message):
        Fleet(**{**good, **arguments})


def test_places_that_the_fleet_does_not_have_are_refused(tmp_path: Path) -> None:
    fleet = fleet_of(f"sqlite:///{tmp_path}/a.db")
    with pytest.raises(ConfigurationError, match="no schemas"):
        fleet.check(Placement(schema="acme"))
    known = Databases(url=lambda name: {"acme": "postgresql+psycopg:///acme"}[name])
    other = fleet_of(f"sqlite:///{tmp_path}/a.db", databases=known)
    with pytest.raises(ConfigurationError, match="has no URL"):
        other.url_of(Placement(database="nobody"))
    with pytest.raises(ConfigurationError, match="of another kind"):
        other.url_of(Placement(database="acme"))
    assert other.url_of(SHARED) == other.url
    without = fleet_of("postgresql+psycopg:///shared", databases=None)
    with pytest.raises(ConfigurationError, match="no databases"):
        without.url_of(Placement(database="acme"))
    odd = fleet_of("sqlite://", databases=Databases(url=lambda name: "sqlite+aiosqlite://"))
    with pytest.raises(ConfigurationError, match=r"async driver: Fleet\(databases=...\) takes"):
        odd.url_of(Placement(database="acme"))


def test_a_database_without_a_name_is_not_made() -> None:
    nameless = Databases(url=lambda name: "postgresql+psycopg://")
    fleet = fleet_of("postgresql+psycopg:///shared", databases=nameless)
    with pytest.raises(ConfigurationError, match="names no database"):
        make(fleet, Placement(database="acme"))


def test_a_target_that_is_no_fleet_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="is a DeclarativeAttributeIntercept, not a Fleet"):
        fleet_at(f"{__package__}.models:Base")
