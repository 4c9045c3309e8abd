"""Make connections render and send statements under the guard."""

from __future__ import annotations

__all__: list[str] = []
