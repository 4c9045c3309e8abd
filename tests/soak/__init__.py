"""The soak test: many clients of many tenants on few connections, with faults."""

from __future__ import annotations

__all__: list[str] = []
