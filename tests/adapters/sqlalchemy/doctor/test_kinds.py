"""The names of the kinds are those that are described, in the same order."""

from __future__ import annotations

from typing import get_args

from tenantshield_mw.adapters.sqlalchemy.doctor import KINDS, Kind, Place
from tenantshield_mw.adapters.sqlalchemy.doctor.kinds import SEVERITIES, Severity


def test_each_kind_is_described() -> None:
    assert get_args(Kind) == tuple(KINDS)


def test_each_place_and_severity_occurs() -> None:
    assert get_args(Severity) == SEVERITIES
    assert {each.severity for each in KINDS.values()} == set(SEVERITIES)
    assert {each.place for each in KINDS.values()} == set(get_args(Place))
