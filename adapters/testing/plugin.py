"""The pytest plugin, which pytest loads by the entry point ``tenantshield``.

Without its options it does nothing; the fixtures are there to be asked for.
"""

from __future__ import annotations

from typing import Final

import pytest

from .async_tests import pytest_pyfunc_call
from .baseline import Comparison
from .connections import Connections
from .database_fixtures import (
    tenantshield_async_connection,
    tenantshield_async_session,
    tenantshield_connection,
    tenantshield_database,
    tenantshield_engine,
    tenantshield_metadata,
    tenantshield_owner_engine,
    tenantshield_role,
    tenantshield_session,
)
from .fixtures import (
    tenant_a,
    tenant_b,
    tenantshield_asweep,
    tenantshield_scope,
    tenantshield_sweep,
)

__all__ = [
    "pytest_addoption",
    "pytest_configure",
    "pytest_pyfunc_call",
    "tenant_a",
    "tenant_b",
    "tenantshield_asweep",
    "tenantshield_async_connection",
    "tenantshield_async_session",
    "tenantshield_connection",
    "tenantshield_database",
    "tenantshield_engine",
    "tenantshield_metadata",
    "tenantshield_owner_engine",
    "tenantshield_role",
    "tenantshield_scope",
    "tenantshield_session",
    "tenantshield_sweep",
]

_BASELINE: Final = "tenantshield_baseline"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--tenantshield-baseline``, ``tenantshield_connections`` and ``tenantshield_role``."""
    parser.getgroup("tenantshield-mw").addoption(
        "--tenantshield-baseline",
        dest=_BASELINE,
        metavar="FILE",
        help="fail if observe() reported what is not in FILE, which has reports that observe() "
        "wrote; an empty file accepts none",
    )
    parser.addini(
        "tenantshield_connections",
        "fail a test that returns a connection to a pool with a tenant set, or that works for a "
        "tenant as a role to which PostgreSQL's policies do not apply",
        type="bool",
        default=False,
    )
    parser.addini(
        "tenantshield_role", "the role with which the application logs in in production", default=""
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register what the options ask for."""
    config.addinivalue_line(
        "markers", "tenant(tenant): the tenant of the fixture tenantshield_scope, for one test"
    )
    baseline = config.getoption(_BASELINE)
    if baseline is not None:
        config.pluginmanager.register(Comparison(baseline), "tenantshield-baseline")
    if config.getini("tenantshield_connections"):
        role = config.getini("tenantshield_role")
        config.pluginmanager.register(Connections(role or None), "tenantshield-connections")
