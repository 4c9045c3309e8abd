"""What all the tests have in common."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from hypothesis import settings

# An example that takes long on a busy machine is no failure.
settings.register_profile("tenantshield_mw", deadline=None)
settings.load_profile("tenantshield_mw")


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """Fail a test after which more or less is logged than before: the next one may look at that."""
    root = logging.getLogger()
    before = root.level, logging.root.manager.disable
    yield
    after = root.level, logging.root.manager.disable
    root.setLevel(before[0])
    logging.disable(before[1])
    assert after == before, "the root logger is left at another level"
