"""A tenant's life: rows are exported, imported and erased, and tenants are listed and suspended.

Everything runs under the guard, in the scope of the tenant, so that no mistake in here can reach
another tenant's rows. See ``docs/lifecycle.md``.
"""

from __future__ import annotations

__all__: list[str] = []
