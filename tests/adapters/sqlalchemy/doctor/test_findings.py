"""A finding: as severe as its kind, and reported once."""

from __future__ import annotations

import pytest

from tenantshield_mw.adapters.sqlalchemy.doctor import KINDS, Finding, Kind


@pytest.mark.parametrize("kind", KINDS)
def test_its_severity_is_that_of_its_kind(kind: Kind) -> None:
    assert Finding(kind, "invoice", "why", "how").severity == KINDS[kind].severity


def test_the_same_finding_twice_is_one() -> None:
    first, second = (Finding("undeclared", "invoice", "why", "how") for _ in range(2))
    assert {first, second} == {first}
    assert first != Finding("undeclared", "invoice", "why", "how", column="tenant_id")
