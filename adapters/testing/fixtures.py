"""Fixtures: two tenants, a scope, the sweep."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

import pytest

from tenantshield_mw.context import as_tenant_context, tenant_scope
from tenantshield_mw.tenant import TenantContext

from .sweep import Finding
from .sweeping import asweep, sweep

__all__ = [
    "tenant_a",
    "tenant_b",
    "tenantshield_asweep",
    "tenantshield_scope",
    "tenantshield_sweep",
]


@pytest.fixture(scope="session")
def tenant_a() -> TenantContext:
    """One tenant, ``tenant-a``. Override it where tenants have other ids or attributes."""
    return TenantContext("tenant-a")


@pytest.fixture(scope="session")
def tenant_b() -> TenantContext:
    """Another tenant, ``tenant-b``."""
    return TenantContext("tenant-b")


@pytest.fixture
def tenantshield_scope(
    request: pytest.FixtureRequest, tenant_a: TenantContext
) -> Iterator[TenantContext]:
    """Run the test, and the fixtures that ask for this one, in the scope of ``tenant_a``, or of
    the tenant in its marker: ``@pytest.mark.tenant("acme")``.
    """
    marker = request.node.get_closest_marker("tenant")
    tenant = tenant_a if marker is None else as_tenant_context(*marker.args)
    with tenant_scope(tenant):
        yield tenant


@pytest.fixture
def tenantshield_sweep() -> Callable[..., None]:
    """Return :func:`~tenantshield_mw.adapters.testing.sweep` as a function that fails the test."""

    def swept(app: Any, **options: Any) -> None:
        _fail(sweep(app, **options))

    return swept


@pytest.fixture
def tenantshield_asweep() -> Callable[..., Awaitable[None]]:
    """Return :func:`~tenantshield_mw.adapters.testing.asweep`, to be awaited, likewise."""

    async def swept(app: Any, **options: Any) -> None:
        _fail(await asweep(app, **options))

    return swept


def _fail(findings: Sequence[Finding]) -> None:
    if findings:
        listed = "\n".join(map(str, findings))
        pytest.fail(f"{len(findings)} findings of the sweep:\n{listed}", pytrace=False)
