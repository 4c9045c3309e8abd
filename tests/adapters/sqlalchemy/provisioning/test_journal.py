"""The journal has one move at most, and one reader."""

from __future__ import annotations

import pytest

from tenantshield_mw import ConfigurationError
from tenantshield_mw.adapters.sqlalchemy.placements import SHARED, Placement
from tenantshield_mw.adapters.sqlalchemy.provisioning.journal import Entry, Journal, Step

from .estates import Estate, on_each

estate = on_each("postgresql")


def test_what_is_written_is_found_by_the_next_one(estate: Estate) -> None:
    there = Placement("acme", "other")
    with Journal.opened(estate.fleet) as journal:
        assert journal.find() is None
        journal.check_none()
        journal.begin("acme", SHARED, there)
        journal.write(Step.CLOSED)
        journal.write_folder("/somewhere")
    with Journal.opened(estate.fleet) as journal:
        assert journal.find() == Entry("acme", SHARED, there, Step.CLOSED, "/somewhere")
        with pytest.raises(ConfigurationError, match="completes it with --resume"):
            journal.check_none()
        journal.end()
        assert journal.find() is None


def test_two_at_once_are_refused(estate: Estate) -> None:
    with (
        Journal.opened(estate.fleet),
        pytest.raises(ConfigurationError, match="another move is running"),
        Journal.opened(estate.fleet),
    ):
        pass
