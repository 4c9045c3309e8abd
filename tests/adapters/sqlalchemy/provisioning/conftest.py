"""Estates: a plain one for each test, and one with everything that rows can be."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tenantshield_mw.adapters.sqlalchemy.placements import SHARED
from tenantshield_mw.adapters.sqlalchemy.provisioning import Fleet
from tenantshield_mw.adapters.sqlalchemy.provisioning.copying import Rows
from tenantshield_mw.adapters.sqlalchemy.provisioning.making import make
from tests.adapters.sqlalchemy.lifecycle.lives import settle
from tests.adapters.sqlalchemy.lifecycle.models import Base

from .estates import Estate, estate_on
from .lived import ACME, TABLES


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Estate, Fleet]]:
    with estate_on("postgresql", tmp_path_factory.mktemp("estate"), empty=True) as estate:
        known = estate.fleet
        fleet = Fleet(known.url, Base.metadata, known.directory, schemas=known.schemas)
        creator = estate.here.engine()
        Base.metadata.create_all(creator)
        creator.dispose()
        make(fleet, ACME)
        yield estate, fleet


@pytest.fixture
def lived(built: tuple[Estate, Fleet]) -> Estate:
    """An estate with rows of two tenants in the shared tables, and those of everybody at both."""
    estate, _ = built
    tables = ", ".join((*TABLES, *(f"acme.{each}" for each in TABLES)))
    estate.here.run(f"TRUNCATE {tables} RESTART IDENTITY CASCADE")
    engine = estate.here.engine()
    settle(engine, "acme", "globex")
    engine.dispose()
    estate.here.run(
        "INSERT INTO acme.life_currency SELECT * FROM life_currency",
        "INSERT INTO acme.life_tag SELECT * FROM life_tag WHERE tenant_id IS NULL",
    )
    return estate


@pytest.fixture
def both(built: tuple[Estate, Fleet]) -> Iterator[tuple[Rows, Rows]]:
    _, fleet = built
    plan = fleet.plan()
    source, target = Rows(fleet, plan, SHARED, "acme"), Rows(fleet, plan, ACME, "acme")
    yield source, target
    source.close()
    target.close()


@pytest.fixture
def estate(tmp_path: Path) -> Iterator[Estate]:
    """Two tenants in shared tables on PostgreSQL, each with rows."""
    with estate_on("postgresql", tmp_path) as made:
        made.enlist("acme", "initech")
        made.fill("acme", 1)
        made.fill("initech", 101)
        yield made
