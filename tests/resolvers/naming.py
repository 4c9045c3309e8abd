"""Requests whose header names the tenant, and what comes of them."""

from __future__ import annotations

from typing import Any

from tenantshield_mw import resolvers

from ..core.calling import Headers, Outcome, through_asgi, through_wsgi

MISSING = Outcome(None, ran=False, status=400, code="tenant_missing")
MALFORMED = Outcome(None, ran=False, status=400, code="tenant_malformed")


def ran(tenant: Any) -> Outcome:
    return Outcome(tenant, ran=True)


def values(*each: bytes) -> Headers:
    return [(b"x-tenant-id", value) for value in each]


def assert_same_outcome(kind: Any, headers: Headers, outcome: Outcome) -> None:
    """Check the outcome through both middlewares, and again when the value may be remembered."""
    options = {"resolve_tenant": resolvers.header("X-Tenant-ID", type=kind)}
    for _ in range(2):
        assert through_asgi(options, headers=headers) == outcome
        assert through_wsgi(options, headers=headers) == outcome
