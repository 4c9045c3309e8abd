"""A place is created, filled and examined before the application uses it."""

from __future__ import annotations

import pytest

from tenantshield_mw import ConfigurationError, PlacementUnavailableError
from tenantshield_mw.adapters.sqlalchemy.placements import UNFINISHED, Placement
from tenantshield_mw.adapters.sqlalchemy.provisioning import making
from tenantshield_mw.adapters.sqlalchemy.provisioning.listing import Listing
from tenantshield_mw.adapters.sqlalchemy.provisioning.making import make

from .estates import Estate, fleet_of, on_each

estate = on_each("postgresql")
everywhere = on_each("sqlite", "postgresql", "mariadb")

ACME = Placement(schema="acme")


def test_a_place_that_is_not_finished_is_closed_and_can_be_finished(
    everywhere: Estate, monkeypatch: pytest.MonkeyPatch
) -> None:
    estate = everywhere
    there = Placement(database="acme")
    estate.enlist("acme")

    def fail(*arguments: object) -> None:
        raise RuntimeError

    with monkeypatch.context() as patched:
        patched.setattr(making, "_verify", fail)
        with pytest.raises(RuntimeError):
            make(estate.fleet, there)
    assert estate.at(there).read(f"SELECT * FROM {UNFINISHED}") == []
    Listing(estate.fleet).switch("acme", there)
    with pytest.raises(PlacementUnavailableError):
        estate.fill("acme", 1)
    make(estate.fleet, there)
    estate.fill("acme", 1)
    assert len(estate.rows(there, "estate_lamp")) == 3


def test_a_place_that_is_less_safe_than_the_shared_tables_stays_closed(estate: Estate) -> None:
    fleet = fleet_of(estate.environment["DATABASE"], policies=True)
    estate.here.run("CREATE SCHEMA acme", f"CREATE TABLE acme.{UNFINISHED} (id integer)")
    make(fleet, ACME)
    policies = "SELECT count(*) FROM pg_policies WHERE schemaname = 'acme'"
    assert estate.here.read(policies) != [(0,)]
    estate.here.run("ALTER TABLE acme.estate_lamp DISABLE ROW LEVEL SECURITY")
    estate.here.run(f"CREATE TABLE acme.{UNFINISHED} (id integer)")
    estate.here.run("CREATE FUNCTION acme.nothing() RETURNS int LANGUAGE sql RETURN 1")
    # Without Alembic, the policies are made again; so is what they need.
    make(fleet, ACME)
    assert estate.here.read(f"SELECT to_regclass('acme.{UNFINISHED}')") == [(None,)]
    Listing(fleet).close()


@pytest.mark.parametrize("is_shared", [True, False])
def test_a_table_that_the_migrations_do_not_make_keeps_the_place_closed(
    estate: Estate, is_shared: bool
) -> None:
    if not is_shared:
        # It is missing from the shared tables as well.
        estate.here.run("DROP TABLE estate_lamp", "DROP TABLE estate_shelf")
    fleet = estate.use_alembic()
    (estate.folder / "migrations" / "versions" / "first.py").write_text(
        "revision = 'first'\ndown_revision = None\ndef upgrade():\n    pass\n"
    )
    with pytest.raises(ConfigurationError, match="stays closed, since doctor finds: table-missing"):
        make(fleet, ACME)
    assert estate.here.read(f"SELECT count(*) FROM acme.{UNFINISHED}") == [(0,)]
    Listing(fleet).close()


def test_a_schema_of_something_else_is_left_alone(estate: Estate) -> None:
    estate.here.run("CREATE SCHEMA acme", "CREATE TABLE acme.theirs (id integer)")
    with pytest.raises(ConfigurationError, match="not those of tenants"):
        make(estate.fleet, ACME)
    tables = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'acme'"
    assert estate.here.read(tables) == [("theirs",)]


def test_the_application_is_granted_the_use_of_new_tables(estate: Estate) -> None:
    with estate.here.roles(app="LOGIN") as (app,):
        fleet = fleet_of(estate.environment["DATABASE"], role=app)
        make(fleet, ACME)
        Listing(fleet).close()
        can = "SELECT has_table_privilege(%s, 'acme.estate_lamp', %s)"
        assert [estate.here.read(can, (app, each)) for each in ("INSERT", "TRUNCATE")] == [
            [(True,)],
            [(False,)],
        ]
        assert estate.here.read("SELECT has_schema_privilege(%s, 'acme', 'USAGE')", (app,)) == [
            (True,)
        ]


def test_a_database_that_can_neither_be_reached_nor_created_is_named(estate: Estate) -> None:
    fleet = fleet_of(estate.environment["DATABASE"])
    object.__setattr__(fleet.databases, "url", lambda name: fleet.url.set(username="nobody"))
    with pytest.raises(ConfigurationError, match="could not create it"):
        make(fleet, Placement(database="acme"))
    Listing(fleet).close()
