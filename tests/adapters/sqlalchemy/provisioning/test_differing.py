"""Rows are told apart by any primary key, and without one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Column, Integer, LargeBinary, MetaData, Numeric, String, Table

from tenantshield_mw.adapters.sqlalchemy import tenant_aware
from tenantshield_mw.adapters.sqlalchemy.placements import SHARED, Placement
from tenantshield_mw.adapters.sqlalchemy.provisioning import Fleet, differing
from tenantshield_mw.adapters.sqlalchemy.provisioning.copying import Rows
from tenantshield_mw.adapters.sqlalchemy.provisioning.following import Copy
from tenantshield_mw.adapters.sqlalchemy.provisioning.journal import Journal
from tenantshield_mw.adapters.sqlalchemy.provisioning.making import make

from .estates import Estate, estate_on

ACME = Placement(schema="acme")
METADATA = MetaData()

LOOSE = Table(
    "differing_loose",
    METADATA,
    Column("tenant_id", String(50)),
    Column("value", Integer),
)
KEYED = Table(
    "differing_keyed",
    METADATA,
    Column("tenant_id", String(50), primary_key=True),
    Column("name", String(50), primary_key=True),
    Column("data", LargeBinary, primary_key=True),
    Column("number", Numeric, primary_key=True),
)
VALUED = Table(
    "differing_valued",
    METADATA,
    Column("tenant_id", String(50), primary_key=True),
    Column("id", Integer, primary_key=True),
    Column("value", Integer),
)
for each in (LOOSE, KEYED, VALUED):
    tenant_aware(each)


@pytest.fixture
def both(tmp_path: Path) -> Iterator[tuple[Estate, Fleet, Rows, Rows]]:
    with estate_on("postgresql", tmp_path, empty=True) as estate:
        known = estate.fleet
        fleet = Fleet(known.url, METADATA, known.directory, schemas=known.schemas)
        creator = estate.here.engine()
        METADATA.create_all(creator)
        creator.dispose()
        make(fleet, ACME)
        # Another order of the keys.
        estate.here.run('ALTER TABLE acme.differing_keyed ALTER name TYPE varchar COLLATE "C"')
        plan = fleet.plan()
        yield estate, fleet, Rows(fleet, plan, SHARED, "acme"), Rows(fleet, plan, ACME, "acme")


def test_rows_are_told_apart(
    both: tuple[Estate, Fleet, Rows, Rows], monkeypatch: pytest.MonkeyPatch
) -> None:
    estate, fleet, source, target = both
    # Most keys go through a file.
    monkeypatch.setattr(differing, "_IN_MEMORY", 100)
    estate.here.run(
        "INSERT INTO differing_loose SELECT 'acme', n % 5 FROM generate_series(1, 20) n",
        "INSERT INTO differing_loose VALUES ('acme', NULL), ('globex', 1)",
        "INSERT INTO differing_keyed SELECT 'acme', chr(n), decode(to_hex(n), 'hex'), n / 7.0 "
        "FROM generate_series(33, 2000) n WHERE length(to_hex(n)) = 2",
        "INSERT INTO differing_keyed VALUES ('globex', 'a', '', 1)",
        "INSERT INTO differing_valued SELECT 'acme', n, n FROM generate_series(1, 20) n",
    )
    with Journal.opened(fleet) as journal, Copy.opened(source, target) as copy:
        copy.make(journal)
        estate.here.run(
            "DELETE FROM differing_loose WHERE ctid IN (SELECT min(ctid) FROM differing_loose)",
            "INSERT INTO differing_loose VALUES ('acme', 4), ('acme', 4)",
            "UPDATE differing_keyed SET name = upper(name) WHERE tenant_id = 'acme'",
            "INSERT INTO differing_keyed VALUES ('acme', 'É', '', 1.50), ('acme', 'é', '', 1.5)",
            "UPDATE differing_valued SET value = -id WHERE id > 10",
        )
        assert copy.complete()
    for table in (LOOSE.name, KEYED.name, VALUED.name):
        assert read(estate, f"acme.{table}") == read(estate, f"public.{table}") != []


def read(estate: Estate, table: str) -> list[Any]:
    select = f"SELECT t::text COLLATE \"C\" FROM {table} t WHERE tenant_id = 'acme' ORDER BY 1"
    return estate.here.read(select)
