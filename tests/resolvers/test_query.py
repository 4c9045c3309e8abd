"""The tenant that a parameter of the query string names."""

from __future__ import annotations

from typing import Any

from tenantshield_mw import resolvers

from .sending import Cases, Outcome, Sent, assert_outcome, at, each_case, malformed, missing, ran

CASES: Cases = {
    "query": (
        resolvers.query("tenant"),
        [
            (at("/?tenant=acme"), ran("acme")),
            (at("/x?a=b&tenant=acme&c"), ran("acme")),
            (at("/?tenant=a%63me"), ran("acme")),
            (at("/?%74enant=acme"), ran("acme")),
            (at("/?tenant=a+b"), ran("a b")),
            (at("/?tenant=a%20b"), ran("a b")),
            (at("/?tenant=acme&tenant=acme"), ran("acme")),
            (at("/?tenant=acme&tenant=ac%6De"), ran("acme")),
            (at("/?tenant=acme&tenant=globex"), malformed),
            (at("/?tenant=acme&%74enant=globex"), malformed),
            (at("/?tenant=acme&tenant="), malformed),
            (at("/?tenant=acme&tenant"), malformed),
            (at("/"), missing),
            (at("/?"), missing),
            (at("/?Tenant=acme&tenants=acme&xtenant=acme"), missing),
            (at("/?a;tenant=acme"), missing),
            (at("/?tenant"), malformed),
            (at("/?tenant="), malformed),
            (at("/?tenant=%00"), malformed),
            (at("/?tenant=m%C3%BCller"), malformed),
            (at("/?tenant=m\xfcller"), malformed),
            (at("/?tenant=" + "x" * 256), malformed),
        ],
    ),
    "query, int": (
        resolvers.query("tenant", type=int),
        [(at("/?tenant=42"), ran(42)), (at("/?tenant=042"), malformed)],
    ),
    "query, a name that needs encoding": (
        resolvers.query("die müller"),
        [
            (at("/?die+m%C3%BCller=acme"), ran("acme")),
            (at("/?die%20m%c3%bcller=acme"), ran("acme")),
        ],
    ),
}


@each_case(CASES)
def test_both_middlewares_have_the_expected_outcome(
    resolver: Any, sent: Sent, expected: Outcome
) -> None:
    assert_outcome(resolver, sent, expected)
