"""Raw SQL: which tables a text names, what it could reach, and what is refused."""

from __future__ import annotations

__all__: list[str] = []
