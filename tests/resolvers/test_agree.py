"""Resolvers that must not contradict each other."""

from __future__ import annotations

from typing import Any

import pytest

from tenantshield_mw import TenantContext, TenantResolutionError, resolvers
from tests.core.calling import as_environ

from .asking import says
from .sending import (
    Cases,
    Outcome,
    Sent,
    assert_outcome,
    at,
    each_case,
    malformed,
    missing,
    ran,
    with_,
)

BOTH = resolvers.agree(resolvers.header("X-Tenant-ID"), resolvers.query("tenant"))

CASES: Cases = {
    "agree": (
        BOTH,
        [
            (Sent(b"/?tenant=acme", ((b"x-tenant-id", b"acme"),)), ran("acme")),
            (Sent(b"/?tenant=globex", ((b"x-tenant-id", b"acme"),)), malformed),
            (Sent(b"/?tenant=", ((b"x-tenant-id", b"acme"),)), malformed),
            (with_(x_tenant_id="acme"), ran("acme")),
            (at("/?tenant=acme"), ran("acme")),
            (at("/"), missing),
        ],
    ),
    "agree, ids of different types": (
        resolvers.agree(resolvers.header("X-Tenant-ID", type=int), resolvers.query("tenant")),
        [(Sent(b"/?tenant=7", ((b"x-tenant-id", b"7"),)), malformed)],
    ),
}


@each_case(CASES)
def test_both_middlewares_have_the_expected_outcome(
    resolver: Any, sent: Sent, expected: Outcome
) -> None:
    assert_outcome(resolver, sent, expected)


async def test_agree_returns_the_context_of_the_first_resolver() -> None:
    gold = TenantContext("acme", {"plan": "gold"})
    assert resolvers.agree(says(gold), says("acme"))(as_environ()) is gold


async def test_a_resolver_error_is_one_of_resolution() -> None:
    with pytest.raises(TenantResolutionError, match="different tenants"):
        resolvers.agree(says("acme"), says("globex"))(as_environ())
