"""Many clients of many tenants on few connections, and everything that can go wrong."""

from __future__ import annotations

__all__: list[str] = []
