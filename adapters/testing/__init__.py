"""Tests of an application's isolation: the sweep, and the pytest plugin with its fixtures."""

from __future__ import annotations

from .operations import Operation
from .sweep import Caller, Finding
from .sweeping import asweep, sweep

__all__ = ["Caller", "Finding", "Operation", "asweep", "sweep"]
