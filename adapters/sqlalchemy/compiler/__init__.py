"""The guard: the compiler that puts the tenant predicate into every statement."""

from __future__ import annotations

__all__: list[str] = []
