"""Fail a test that leaves a tenant behind in a pool, or works as a role without policies."""

from __future__ import annotations

from collections.abc import Generator
from importlib import import_module
from typing import Any, Final

import pytest

__all__ = ["Connections"]

_PACKAGE: Final = "tenantshield_mw.adapters.sqlalchemy.testing"


class Connections:
    """Watches the connections of the whole session, and tells at the end of each test.

    Args:
        role: the name of the role of production, if tests must log in with that.
    """

    def __init__(self, role: str | None) -> None:
        # By name: adapters do not import each other, and this one has no dependencies.
        self._watch: Any = import_module(_PACKAGE).ConnectionWatch(role)

    def pytest_sessionstart(self) -> None:
        """Begin."""
        self._watch.start()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self) -> Generator[None, object, object]:
        """Fail the test with what was found during it, after its fixtures were torn down."""
        result = yield
        found, self._watch.found[:] = [*dict.fromkeys(self._watch.found)], []
        if found:
            pytest.fail("\n".join(found), pytrace=False)
        return result

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        """End."""
        self._watch.stop()
