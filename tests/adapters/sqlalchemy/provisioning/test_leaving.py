"""A tenant does not leave a place where something of it would stay behind, or be lost."""

from __future__ import annotations

import pytest
from sqlalchemy import Column, Integer, MetaData, String, Table

from tenantshield_mw import ConfigurationError
from tenantshield_mw.adapters.sqlalchemy import tenant_aware
from tenantshield_mw.adapters.sqlalchemy.placements import SHARED, Placement
from tenantshield_mw.adapters.sqlalchemy.provisioning.moving import move

from .estates import Estate, rows

ACME = Placement(schema="acme")


def refused(estate: Estate, message: str) -> None:
    """Check that the tenant does not move, and that all is as it was."""
    before = rows(estate, SHARED)
    with pytest.raises(ConfigurationError, match=message):
        move(estate.fleet, "acme", ACME)
    assert estate.listed() == {"acme": SHARED, "initech": SHARED}
    assert rows(estate, SHARED) == before
    estate.fill("acme", 50)


def test_a_column_that_the_model_lacks(estate: Estate) -> None:
    estate.here.run("ALTER TABLE estate_lamp ADD COLUMN note text DEFAULT 'precious'")
    refused(estate, r"would lose their values: estate_lamp\.note; add them to the models, or drop")
    estate.here.run("ALTER TABLE estate_lamp DROP COLUMN note")
    estate.here.run("ALTER TABLE estate_lamp ADD COLUMN twice int GENERATED ALWAYS AS (id) STORED")
    # Computed at the target, if it has it.
    assert move(estate.fleet, "acme", ACME).rows == 12


@pytest.mark.parametrize("on_delete", ["NO ACTION", "CASCADE"])
def test_rows_of_a_table_without_a_model_that_refer_to_the_tenants(
    estate: Estate, on_delete: str
) -> None:
    reference = f"REFERENCES estate_shelf (id) ON DELETE {on_delete}"
    estate.here.run(
        "CREATE SCHEMA side",
        f'CREATE TABLE side."Label" (shelf_id int {reference})',
        'INSERT INTO side."Label" VALUES (1)',
    )
    refused(estate, r'tables without a model .*: side\."Label"; add models .*, or empty them')
    assert estate.here.read('SELECT shelf_id FROM side."Label"') == [(1,)]
    estate.here.run('DELETE FROM side."Label"')
    assert move(estate.fleet, "acme", ACME).rows == 12


@pytest.mark.usefixtures("declared_for_a_test")
def test_rows_of_a_table_in_another_metadata(estate: Estate) -> None:
    elsewhere = Table(
        "estate_elsewhere",
        MetaData(),
        Column("id", Integer, primary_key=True),
        Column("tenant_id", String(50), index=True),
    )
    tenant_aware(elsewhere)
    # It may be in another database.
    assert move(estate.fleet, "acme", ACME).rows == 6
    move(estate.fleet, "acme", SHARED)
    creator = estate.here.engine()
    elsewhere.create(creator)
    creator.dispose()
    estate.here.run("INSERT INTO estate_elsewhere VALUES (1, 'initech'), (2, 'acme')")
    refused(estate, "has rows in tables of another MetaData: estate_elsewhere")
    estate.here.run("DELETE FROM estate_elsewhere WHERE tenant_id = 'acme'")
    assert move(estate.fleet, "acme", ACME).rows == 12


KEEP = "CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'"
KEEPING = {
    "trigger": (
        "CREATE TRIGGER kept BEFORE DELETE ON estate_lamp FOR EACH ROW EXECUTE FUNCTION keep()",
        "DROP TRIGGER kept ON estate_lamp",
    ),
    "trigger for more": (
        (
            "CREATE TRIGGER kept BEFORE INSERT OR DELETE ON estate_lamp FOR EACH ROW "
            "EXECUTE FUNCTION keep()"
        ),
        "ALTER TABLE estate_lamp DISABLE TRIGGER kept",
    ),
    "rule": (
        "CREATE RULE kept AS ON DELETE TO estate_lamp DO INSTEAD NOTHING",
        "DROP RULE kept ON estate_lamp",
    ),
}


@pytest.mark.parametrize("kind", KEEPING)
def test_rows_that_could_not_be_deleted(estate: Estate, kind: str) -> None:
    make, undo = KEEPING[kind]
    estate.here.run(KEEP)
    estate.fill("acme", 201)
    estate.here.run(make)
    with pytest.raises(ConfigurationError, match=r"being deleted .*: kept on estate_lamp; drop"):
        move(estate.fleet, "acme", ACME)
    estate.here.run(undo)
    assert move(estate.fleet, "acme", ACME).rows == 12
    assert {tenant for _, tenant, *_ in estate.rows(SHARED, "estate_shelf")} == {"initech"}


def test_a_trigger_after_rows_are_deleted_keeps_none(estate: Estate) -> None:
    estate.here.run(
        KEEP,
        "CREATE TRIGGER told AFTER DELETE ON estate_lamp FOR EACH ROW EXECUTE FUNCTION keep()",
    )
    assert move(estate.fleet, "acme", ACME).rows == 6
