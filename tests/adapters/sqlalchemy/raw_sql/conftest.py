"""An engine with the ledger of two tenants, unless a module has other tables."""

from __future__ import annotations

from ..watching import engine_in_memory
from .ledgers import seed

engine = engine_in_memory(seed)
