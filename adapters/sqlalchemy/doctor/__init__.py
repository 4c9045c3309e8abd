"""Finds weaknesses in the isolation of tenants, in the models and in a database.

::

    from tenantshield_mw.adapters.sqlalchemy.doctor import examine

    findings = examine(Base.metadata, engine)
    assert not [each for each in findings if each.severity != "info"]

The command ``tenantshield-mw doctor`` does the same; see ``docs/doctor.md``.
"""

from __future__ import annotations

from .examine import examine
from .findings import Finding
from .kinds import SEVERITIES, Kind, Nature, Place, Severity
from .natures import KINDS

__all__ = ["KINDS", "SEVERITIES", "Finding", "Kind", "Nature", "Place", "Severity", "examine"]
