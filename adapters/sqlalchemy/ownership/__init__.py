"""Which tables hold tenants' rows, and how each row is assigned to a tenant."""

from __future__ import annotations

__all__: list[str] = []
