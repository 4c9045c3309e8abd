"""An engine with the letters of two tenants, unless a room or a module has others."""

from __future__ import annotations

from .letters import seed
from .watching import engine_in_memory

engine = engine_in_memory(seed)
