"""The kinds of findings that PostgreSQL alone can have."""

from __future__ import annotations

from tenantshield_mw.adapters.sqlalchemy.doctor import KINDS
from tenantshield_mw.adapters.sqlalchemy.doctor.postgresql_natures import POSTGRESQL


def test_they_are_those_of_its_place() -> None:
    assert set(POSTGRESQL) == {
        kind for kind, nature in KINDS.items() if nature.place == "PostgreSQL"
    }
