"""No protection: every way must be open, or it is no way at all."""

from __future__ import annotations

from . import Protection

__all__ = ["protection"]


def protection() -> Protection:
    return Protection()
