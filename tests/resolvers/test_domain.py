"""The tenant to which a domain belongs."""

from __future__ import annotations

from typing import Any

from tenantshield_mw import TenantContext, resolvers

from ..core.calling import http_scope
from .sending import (
    Cases,
    Outcome,
    Sent,
    assert_outcome,
    each_case,
    host,
    malformed,
    missing,
    ran,
    with_,
)

OWN_DOMAINS = resolvers.domain({"shop.acme.test": "acme", "BÜCHER.test.": TenantContext(7)})

CASES: Cases = {
    "domain": (
        OWN_DOMAINS,
        [
            (host("shop.acme.test"), ran("acme")),
            (host("SHOP.acme.test.:8443"), ran("acme")),
            (host("xn--bcher-kva.test"), ran(7)),
            (host("acme.test"), missing),
            (host("x.shop.acme.test"), missing),
            (host("[::1]"), missing),
            (with_(), missing),
            (host("shop.acme.test@"), malformed),
        ],
    ),
    "domain, a lookup": (
        resolvers.domain(lambda name: "acme" if name == "shop.acme.test" else None),
        [(host("Shop.acme.test:80"), ran("acme")), (host("acme.test"), missing)],
    ),
}


@each_case(CASES)
def test_both_middlewares_have_the_expected_outcome(
    resolver: Any, sent: Sent, expected: Outcome
) -> None:
    assert_outcome(resolver, sent, expected)


def test_a_domain_lookup_gets_the_dns_form_of_the_name() -> None:
    taken: list[str] = []
    resolver = resolvers.domain(taken.append)
    for value in (b"Shop.Acme.TEST.:80", b"xn--BCHER-kva.test", b"[::1]:80", b"10.0.0.1"):
        resolver(http_scope(headers=[(b"host", value)]))
    assert taken == ["shop.acme.test", "xn--bcher-kva.test", "[::1]", "10.0.0.1"]
