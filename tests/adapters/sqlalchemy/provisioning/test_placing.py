"""A tenant without rows gets a place of its own."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from sqlalchemy.orm import Session

from tenantshield_mw import (
    ConfigurationError,
    PlacementError,
    PlacementUnavailableError,
    tenant_scope,
)
from tenantshield_mw.adapters.sqlalchemy.placements import SHARED, Placement
from tenantshield_mw.adapters.sqlalchemy.provisioning import placing
from tenantshield_mw.adapters.sqlalchemy.provisioning.placing import place

from .estates import Estate, on_each
from .models import Shelf

estate = on_each("sqlite", "postgresql", "mariadb")


def test_the_rows_of_a_tenant_go_to_its_new_database_and_nowhere_else(estate: Estate) -> None:
    estate.enlist("acme", "initech")
    place(estate.fleet, "acme", Placement(database="acme"))
    estate.fill("acme", 1)
    estate.fill("initech", 1)
    assert estate.listed() == {"acme": Placement(database="acme"), "initech": SHARED}
    for where, tenant in ((Placement(database="acme"), "acme"), (SHARED, "initech")):
        for table in ("estate_shelf", "estate_lamp"):
            assert {row[1] for row in estate.rows(where, table)} == {tenant}


def test_a_tenant_with_rows_stays_where_it_is(estate: Estate) -> None:
    estate.enlist("acme")
    estate.fill("acme", 1)
    with pytest.raises(
        ConfigurationError, match="has rows in the shared tables: 3 in estate_lamp"
    ) as caught:
        place(estate.fleet, "acme", Placement(database="acme"))
    is_postgresql = estate.here.name == "postgresql"
    assert ("tenantshield-mw move" if is_postgresql else "tenantshield-mw export") in str(
        caught.value
    )
    assert estate.listed() == {"acme": SHARED}


def test_rows_that_are_written_at_the_last_moment_are_not_left_behind(
    estate: Estate, monkeypatch: pytest.MonkeyPatch
) -> None:
    estate.enlist("acme")
    check, calls = placing._check_empty, []

    def late(*arguments: Any) -> None:
        calls.append(arguments)
        check(*arguments)
        if len(calls) == 2:
            # The directory names the new place next; this process remembers the old one.
            with suppress(PlacementUnavailableError):
                estate.fill("acme", 1)

    monkeypatch.setattr(placing, "_check_empty", late)
    there = Placement(database="acme")
    if estate.here.name == "postgresql":
        # The database refuses the rows.
        place(estate.fleet, "acme", there)
        assert (estate.listed(), estate.rows(SHARED, "estate_lamp")) == ({"acme": there}, [])
        return
    with pytest.raises(ConfigurationError, match="has rows in the shared tables"):
        place(estate.fleet, "acme", there)
    assert (estate.listed(), len(estate.rows(SHARED, "estate_lamp"))) == ({"acme": SHARED}, 3)


def test_it_can_be_called_again(estate: Estate) -> None:
    estate.enlist("acme")
    for _ in range(2):
        place(estate.fleet, "acme", Placement(database="acme"))
    assert estate.listed() == {"acme": Placement(database="acme")}


def test_a_tenant_with_a_place_of_its_own_stays_there(estate: Estate) -> None:
    estate.enlist("acme")
    place(estate.fleet, "acme", Placement(database="acme"))
    with pytest.raises(ConfigurationError, match="has a place of its own already, the database"):
        place(estate.fleet, "acme", Placement(database="other"))
    assert estate.listed() == {"acme": Placement(database="acme")}


def test_what_cannot_be_placed_is_refused(estate: Estate) -> None:
    estate.enlist("acme")
    with pytest.raises(ConfigurationError, match="no tenant with this id"):
        place(estate.fleet, "nobody", Placement(database="acme"))
    with pytest.raises(ConfigurationError, match="say where"):
        place(estate.fleet, "acme", SHARED)
    with pytest.raises((ConfigurationError, PlacementError), match="schema"):
        place(estate.fleet, "acme", Placement(schema="public"))
    assert estate.listed() == {"acme": SHARED}


def test_a_tenant_gets_a_schema_by_the_command(estate: Estate) -> None:
    if estate.here.name != "postgresql":
        said, error = estate.command(
            "place", "acme", f"{__package__}.commanded:fleet", "--schema", status=2
        )
        assert (said, "has no schemas" in error) == ("", True)
        return
    estate.enlist("acme", "initech")
    estate.fill("initech", 1)
    said, error = estate.command("place", "acme", f"{__package__}.commanded:fleet", "--schema")
    assert (said, error) == ("acme: the schema 'acme'\n", "")
    estate.fill("acme", 1)
    there = Placement(schema="acme")
    assert estate.listed()["acme"] == there
    assert {row[1] for row in estate.rows(there, "estate_lamp")} == {"acme"}
    assert {row[1] for row in estate.rows(SHARED, "estate_lamp")} == {"initech"}


def test_a_new_place_takes_rows_of_its_tenant_through_the_application(estate: Estate) -> None:
    estate.enlist("acme")
    place(estate.fleet, "acme", Placement(database="acme"))
    with tenant_scope(estate.found("acme")), Session(estate.engine) as session:
        assert session.query(Shelf).all() == []
