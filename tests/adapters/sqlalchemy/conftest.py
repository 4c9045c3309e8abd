"""An engine with the letters of two tenants, unless a room or a module has others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields

import pytest

from tenantshield_mw.adapters.sqlalchemy.ownership.registry import registry

from .letters import seed
from .watching import engine_in_memory

engine = engine_in_memory(seed)


@pytest.fixture
def declared_for_a_test() -> Iterator[None]:
    """Forget afterwards what a test declares, where that has an effect on other tables."""
    before = registry._state
    yield
    names = [each.name for each in fields(before) if each.init]
    registry._renew(**{name: getattr(before, name) for name in names})
