"""Fixtures for tenants, scopes and the sweep, in runs of pytest of their own."""

from __future__ import annotations

from .runs import Run, run

__all__ = ["run"]

SCOPES = """
from models import *


def test_the_tenants(tenant_a, tenant_b):
    assert (tenant_a.tenant_id, tenant_b.tenant_id) == ("tenant-a", "tenant-b")


@pytest.fixture
def seen(tenantshield_scope):
    return current_tenant()


@pytest.mark.tenant("acme")
def test_the_marker(seen):
    assert seen.tenant_id == current_tenant().tenant_id == "acme"


@pytest.mark.tenant(7)
async def test_async(seen):
    assert seen.tenant_id == current_tenant().tenant_id == 7


def test_without_the_marker(seen, tenant_a):
    assert seen == current_tenant() == tenant_a


def test_there_is_no_scope_without_asking():
    assert try_current_tenant() is None
"""

SWEEPS = """
import pytest
from tenantshield_mw.adapters.testing import Caller, Operation


def app(environ, start_response):
    start_response("200 OK", [])
    return [b"the secret"]


OPTIONS = {
    "owner": Caller({"X": "a"}, marks=["secret"]),
    "intruder": Caller({"X": "b"}),
    "operations": [Operation("GET", "/")],
}


def test_sync(tenantshield_sweep):
    tenantshield_sweep(app, **OPTIONS)


async def test_async(tenantshield_asweep):
    await tenantshield_asweep(app, **OPTIONS)


def test_nothing_is_found(tenantshield_sweep):
    tenantshield_sweep(app, **OPTIONS, allow=["read GET /"])
"""


def test_scopes(run: Run) -> None:
    assert "5 passed" in run(SCOPES, APP_URL="sqlite://")


def test_what_a_sweep_finds_fails_its_test(run: Run) -> None:
    printed = run(SWEEPS, APP_URL="sqlite://")
    assert "2 failed, 1 passed" in printed, printed
    assert printed.count("1 findings of the sweep:") >= 2
    assert "read GET /: 200, with 'secret' (GET /)" in printed
