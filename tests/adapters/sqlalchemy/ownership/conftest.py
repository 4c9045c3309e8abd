"""An engine with the common tables of the ownership tests."""

from __future__ import annotations

from ..schemas import seed
from ..watching import engine_in_memory

engine = engine_in_memory(seed)
