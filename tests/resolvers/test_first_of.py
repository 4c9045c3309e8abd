"""Resolvers of which the first answer counts."""

from __future__ import annotations

from typing import Any

from tenantshield_mw import resolvers

from .asking import ACME, asked, says, says_later
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

EITHER = resolvers.first_of(
    resolvers.header("X-Tenant-ID"), resolvers.query("tenant"), resolvers.path_prefix()
)

CASES: Cases = {
    "first of": (
        EITHER,
        [
            (with_(x_tenant_id="acme"), ran("acme")),
            (at("/?tenant=acme"), ran("acme")),
            (at("/t/acme/x"), ran("acme", "/t/acme")),
            (at("/t/acme/x?tenant=acme"), ran("acme", "/t/acme")),
            # The path is not the named tenant's, so it is not changed.
            (at("/t/globex/x?tenant=acme"), ran("acme")),
            (
                Sent(b"/?tenant=globex", ((b"x-tenant-id", b"acme"),)),
                ran("acme"),
            ),
            (Sent(b"/?tenant=acme", ((b"x-tenant-id", b""),)), malformed),
            (at("/"), missing),
        ],
    ),
}


@each_case(CASES)
def test_both_middlewares_have_the_expected_outcome(
    resolver: Any, sent: Sent, expected: Outcome
) -> None:
    assert_outcome(resolver, sent, expected)


async def test_first_of_calls_no_resolver_after_the_first_answer() -> None:
    broken = says(ZeroDivisionError())
    assert await asked(resolvers.first_of(says(ACME), broken)) == "acme"
    assert await asked(resolvers.first_of(says_later(ACME), broken)) == "acme"
