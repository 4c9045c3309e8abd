"""``tenantshield-mw prove``: try the generic ways to another tenant's rows on one's own models."""

from __future__ import annotations

from .proving import Outcome, prove

__all__ = ["Outcome", "prove"]
