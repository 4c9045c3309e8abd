"""All places are migrated, several at once; one that fails leaves the others as they are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tenantshield_mw import ConfigurationError
from tenantshield_mw.adapters.sqlalchemy.placements import SHARED, Placement
from tenantshield_mw.adapters.sqlalchemy.provisioning.listing import Listing
from tenantshield_mw.adapters.sqlalchemy.provisioning.migrating import migrate
from tenantshield_mw.adapters.sqlalchemy.provisioning.placing import place

from .estates import ASYNC_ENV, ENV, TARGET, Estate, estate_on, script

SECOND = script("second", "first", 'op.add_column("estate_lamp", sa.Column("watt", sa.Integer))')
PLACES = {
    "postgresql": (Placement(schema="acme"), Placement(database="umbrella")),
    "sqlite": (Placement(database="acme"), Placement(database="umbrella")),
    "mariadb": (Placement(database="acme"), Placement(database="umbrella")),
}


@pytest.fixture(params=PLACES)
def estate(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Estate]:
    with estate_on(request.param, tmp_path, empty=True) as made:
        made.enlist("acme", "umbrella", "initech")
        yield made


def watts(estate: Estate, placement: Placement) -> bool:
    where = estate.at(placement)
    if where.name == "sqlite":
        return any(row[1] == "watt" for row in where.read("PRAGMA table_info(estate_lamp)"))
    schema = placement.schema or ("public" if where.name == "postgresql" else where.url.database)
    select = "SELECT count(*) FROM information_schema.columns WHERE table_schema = %s"
    return where.read(f"{select} AND column_name = 'watt'", (schema,)) == [(1,)]


@pytest.mark.parametrize("env", [ENV, ASYNC_ENV], ids=["sync", "async"])
def test_shared_tables_schemas_and_databases_are_migrated(estate: Estate, env: str) -> None:
    fleet = estate.use_alembic(env)
    places = PLACES[estate.here.name]
    assert [each.error for each in migrate(fleet, [], jobs=1, continue_on_error=False)] == [None]
    for tenant, where in zip(("acme", "umbrella"), places, strict=True):
        place(fleet, tenant, where)
    Listing(fleet).close()
    estate.use_alembic(env, second=SECOND)
    assert not any(watts(estate, each) for each in (SHARED, *places))
    said, errors = estate.command("migrate", TARGET, "--jobs", "2")
    assert errors == ""
    versions = {line.rpartition("  ")[0].strip(): line.split()[-1] for line in said.splitlines()}
    assert {name: v for name, v in versions.items() if name} == dict.fromkeys(
        map(str, (SHARED, *places)), "second"
    )
    assert said.endswith("3 places, 0 failed\n")
    assert all(watts(estate, each) for each in (SHARED, *places))


FAILS = script(
    "second",
    "first",
    'if context.config.attributes["database"] == "umbrella": raise ValueError("no umbrella")\n'
    '    op.add_column("estate_lamp", sa.Column("watt", sa.Integer))',
)


def test_a_place_that_fails_is_named_and_the_others_are_migrated(estate: Estate) -> None:
    fleet = estate.use_alembic()
    places = PLACES[estate.here.name]
    list(migrate(fleet, [], jobs=1, continue_on_error=False))
    for tenant, where in zip(("acme", "umbrella"), places, strict=True):
        place(fleet, tenant, where)
    Listing(fleet).close()
    estate.use_alembic(second=FAILS)
    said, errors = estate.command("migrate", TARGET, "--continue-on-error", status=1)
    failed = [line for line in said.splitlines() if line.endswith("FAILED")]
    assert [line.split() for line in failed] == [
        ["the", "database", "'umbrella'", "first", "FAILED"]
    ]
    assert "the database 'umbrella': ValueError: no umbrella" in errors
    assert said.endswith("3 places, 1 failed\n")
    assert [watts(estate, each) for each in (SHARED, *places)] == [True, True, False]


def test_no_place_is_begun_after_one_has_failed(tmp_path: Path) -> None:
    with estate_on("sqlite", tmp_path, empty=True) as estate:
        fleet = estate.use_alembic(second=script("second", "first", 'raise SystemExit("no")'))
        outcomes = list(
            migrate(fleet, [Placement(database="acme")], jobs=2, continue_on_error=False)
        )
        Listing(fleet).close()
    assert [(each.placement, each.error) for each in outcomes] == [
        ("the shared tables", "SystemExit: no")
    ]


def test_without_alembic_there_is_nothing_to_run(tmp_path: Path) -> None:
    with estate_on("sqlite", tmp_path) as estate:
        with pytest.raises(ConfigurationError, match="has no Alembic"):
            list(migrate(estate.fleet, [], jobs=1, continue_on_error=False))
        assert "--jobs must be" in estate.command("migrate", TARGET, "--jobs", "0", status=2)[1]
