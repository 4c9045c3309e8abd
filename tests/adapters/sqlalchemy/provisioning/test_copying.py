"""Rows are copied as they are, and the copy on the way leaves nothing behind."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from tenantshield_mw import ConfigurationError
from tenantshield_mw.adapters.sqlalchemy.placements import SHARED, Placement
from tenantshield_mw.adapters.sqlalchemy.provisioning.copying import Rows, discard
from tenantshield_mw.adapters.sqlalchemy.provisioning.journal import Journal
from tenantshield_mw.adapters.sqlalchemy.provisioning.making import make

from .estates import Estate

ACME = Placement(schema="acme")


@pytest.fixture
def estate(estate: Estate) -> Estate:
    make(estate.fleet, ACME)
    return estate


def test_copied_rows_have_the_same_totals_and_no_file_is_left(
    estate: Estate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = estate.fleet.plan()
    source = Rows(estate.fleet, plan, SHARED, "acme")
    target = Rows(estate.fleet, plan, ACME, "acme")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with Journal.opened(estate.fleet) as journal:
        assert source.totals() != target.totals()
        source.copy_to(target, journal)
        assert source.totals() == target.totals()
        assert (source.count(), target.count()) == (6, 6)
        with pytest.raises(ConfigurationError, match="has rows in"):
            source.copy_to(target, journal)
    assert list(tmp_path.glob("tenantshield-move-*")) == []
    estate.here.run("UPDATE acme.estate_shelf SET name = 'other' WHERE id = 1")
    assert source.totals() != target.totals()
    target.erase()
    assert (source.count(), target.count()) == (6, 0)
    assert len(estate.rows(SHARED, "estate_lamp")) == 6


def test_a_folder_is_deleted_if_there_is_one(tmp_path: Path) -> None:
    folder = tmp_path / "rows"
    folder.mkdir()
    (folder / "file").write_text("x")
    for given in (str(folder), str(folder), None):
        discard(given)
    assert not folder.exists()
