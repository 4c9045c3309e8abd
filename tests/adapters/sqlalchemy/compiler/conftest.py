"""Databases that hold the shops of two tenants."""

from __future__ import annotations

from ..watching import engine_in_memory, engine_on_each
from .shop import seed

engine = engine_in_memory(seed)
any_engine = engine_on_each(seed)
