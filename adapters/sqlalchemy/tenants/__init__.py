"""Looks up tenants in a table, and invalidates a directory when the table changes."""

from __future__ import annotations

__all__: list[str] = []
